"""What the mail provider sends by itself, over HTTP: a look is brought forward, and nothing else is changed."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from letterhead.adapters.sns import SnsNotices
from letterhead.core.dns.records import zone_line
from letterhead.web.request_body import LIMIT
from tests.rigs import sns as rig
from tests.rigs.sns import HOST, PATH, TOPIC, Sns, confirmation, notification, signer
from tests.web.conftest import Installation, running

NAME = "acme.dev"


def told(*names: str) -> dict[str, object]:
    """Write what EventBridge says of identities."""
    return {"source": "aws.ses", "resources": [f"arn:aws:ses:eu-west-1:123456789012:identity/{name}" for name in names]}


@pytest.fixture
def sns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sns]:
    """Run SNS, whose certificate for TLS is trusted."""
    with rig.running(tmp_path) as (sns, chain):
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        yield sns


@pytest.fixture
async def told_house(sns: Sns, tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation that takes notices of one topic, with one domain that was looked at."""
    notices = SnsNotices([TOPIC], sns.fetcher(), lambda: datetime.now(UTC))
    pem, zone = own_key()
    async with running(tmp_path / "house", zone, notices=notices) as house:
        await house.world.add(NAME, private_key=pem, selector="own")
        assert (await house.world.look(NAME)).is_holder
        await put_off(house)
        yield house


def own_key() -> tuple[str, str]:
    """Make a customer's own key, with a zone that shows it."""
    key = generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = zone_line(f"own._domainkey.{NAME}", "TXT", f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}", None)
    zone = f"$ORIGIN {NAME}.\n@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 600\n@ 3600 NS ns1\n{record}\n"
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), zone


async def put_off(house: Installation) -> None:
    """Put the next look far off."""
    await house.deps.store.back_off((await house.world.domain(NAME)).id, datetime.now(UTC) + timedelta(hours=9))


async def post(house: Installation, body: bytes) -> tuple[int, str]:
    """Send a body as SNS does, and return the status with the code of the error, if any."""
    async with house.client() as client:
        answer = await client.post("/provider/notices", content=body, headers={"Content-Type": "text/plain"})
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json().get("error", {}).get("code", "")


async def test_a_notice_brings_the_look_forward(told_house: Installation, sns: Sns) -> None:
    """The next look comes within a minute of the last; all else of the domain stays, however often it is sent."""
    before, events = await told_house.world.domain(NAME), await told_house.world.events(NAME)
    body = sns.body(notification(told("stranger.dev", NAME, "of.nobody")))
    for _ in range(3):
        assert await post(told_house, body) == (200, "")
    after = await told_house.world.domain(NAME)
    last = (await told_house.deps.store.last_checks([after.id]))[after.id]
    assert after.next_check_at == last.taken_at + timedelta(minutes=1)
    assert (after.dkim, after.identity, after.version) == (before.dkim, before.identity, before.version)
    assert await told_house.world.events(NAME) == events


async def test_unknown_identities_are_passed_over(told_house: Installation, sns: Sns) -> None:
    """A notice of names that are not here is taken, and moves nothing."""
    before = await told_house.world.domain(NAME)
    for names in (("stranger.dev",), (f"x.{NAME}",), ("'; DROP TABLE domains; --",), ()):
        assert await post(told_house, sns.body(notification(told(*names)))) == (200, "")
    assert await told_house.world.domain(NAME) == before


async def test_a_subscription_is_confirmed(told_house: Installation, sns: Sns) -> None:
    """The first message of a topic is confirmed by itself."""
    assert await post(told_house, sns.body(confirmation())) == (200, "")
    assert len([each for each in sns.asked if "ConfirmSubscription" in each]) == 1


async def test_what_is_not_genuine_moves_nothing(told_house: Installation, sns: Sns) -> None:
    """Every refusal is in the envelope with its own code, and the domain stays as it is."""
    before = await told_house.world.domain(NAME)
    named = notification(told(NAME))
    forged = json.dumps(signer().sign(named)).encode()
    elsewhere = sns.body({**named, "SigningCertURL": f"https://{HOST}.evil.example{PATH}"})
    assert await post(told_house, forged) == (403, "notice-refused")
    assert await post(told_house, elsewhere) == (403, "notice-refused")
    assert await post(told_house, sns.body({**named, "TopicArn": f"{TOPIC}2"})) == (403, "notice-refused")
    assert await post(told_house, json.dumps(named).encode()) == (400, "body-invalid")
    assert await post(told_house, b"nonsense") == (400, "body-not-json")
    assert await post(told_house, sns.body(notification("x" * LIMIT))) == (413, "body-too-large")
    missing = sns.body({**named, "SigningCertURL": f"https://{HOST}/gone.pem"})
    assert await post(told_house, missing) == (502, "provider-failed")
    assert await told_house.world.domain(NAME) == before


async def test_without_topics_there_is_nothing_here(nobody: httpx2.AsyncClient) -> None:
    """Where no topics are set the endpoint answers 404 to everything."""
    for body in (b"", b"{}", json.dumps(signer().sign(notification(told(NAME)))).encode()):
        answer = await nobody.post("/provider/notices", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found")
        assert "LETTERHEAD_SES_NOTICE_TOPICS" in answer.json()["error"]["fix"]
