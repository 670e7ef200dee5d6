"""Webhooks go out over real sockets: signed as the reference library reads it, bounded, and whatever the answer is."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from letterhead.adapters.pinned_connections import system_names
from letterhead.adapters.webhooks import OCTETS, WebhookClient
from letterhead.core.public.webhooks import EgressPolicy, HttpResult, new_secret, parse_target, signature_headers
from letterhead.core.secret import reveal
from tests.rigs import smtp, webhook_receiver
from tests.rigs.smtp import Certificate
from tests.rigs.waiting import is_within
from tests.rigs.webhook_receiver import Ledger, Mood

OPEN = EgressPolicy(http=True, private=True)
BODY = '{"type":"domain.verified","data":{"sender":"bücher.dev"}}'.encode()


@pytest.fixture
def receiver() -> Iterator[Ledger]:
    """Run a receiver without TLS."""
    with webhook_receiver.running() as ledger:
        yield ledger


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Make the receiver's certificate, for `localhost`."""
    return smtp.certificate(tmp_path_factory.mktemp("webhooks"))


async def post(
    url: str, headers: dict[str, str] | None = None, *, seconds: float = 5, reach: EgressPolicy = OPEN
) -> HttpResult:
    """Send one message by a client like the service's."""
    async with system_names() as names:
        return await WebhookClient(reach, names, seconds=seconds).post(parse_target(url, reach), headers or {}, BODY)


async def test_the_reference_library_verifies(receiver: Ledger) -> None:
    """Standard Webhooks' own library takes the signature by either secret, and no altered body or id."""
    new, old, other = (new_secret(bytes([number]) * 32) for number in range(3))
    headers = signature_headers("msg_1", BODY, datetime.now(UTC), [new, old])
    assert (await post(receiver.url, headers)).status == 200
    (taken,) = receiver.received
    for secret in (new, old):
        assert Webhook(reveal(secret).decode()).verify(taken.body, taken.headers) == json.loads(BODY)
    for body, sent, secret in (
        (BODY + b" ", taken.headers, new),
        (BODY, taken.headers | {"webhook-id": "msg_2"}, new),
        (BODY, taken.headers | {"webhook-timestamp": str(int(time.time()) - 301)}, new),
        (BODY, taken.headers, other),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(reveal(secret).decode()).verify(body, sent)


async def test_the_request_is_a_plain_one(receiver: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path and query arrive as written, Host names the port, and a proxy in the environment is not asked."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert await post(receiver.url) == HttpResult(status=200, said="thank you")
    (taken,) = receiver.received
    assert (taken.path, taken.body) == ("/hooks?from=letterhead", BODY)
    assert taken.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert taken.headers["content-type"] == "application/json"
    assert taken.headers["user-agent"].startswith("Letterhead/")
    assert not {"authorization", "cookie", "transfer-encoding"} & set(taken.headers)


async def test_tls_is_verified_against_the_name(shown: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trusted certificate for the very name passes; the address it resolved to, and an untrusted one, do not."""
    with webhook_receiver.running(shown) as receiver:
        refused = await post(receiver.url)
        assert refused.status is None
        assert "certificate" in refused.said.lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(shown.chain))
        assert (await post(receiver.url)).status == 200
        by_address = await post(receiver.url.replace("localhost", "127.0.0.1"))
        assert by_address.status is None
        assert "certificate" in by_address.said.lower()
        assert len(receiver.received) == 1


MOODS: dict[Mood, Callable[[HttpResult, Ledger], bool]] = {
    Mood.OK: lambda replied, _: replied.status == 200,
    Mood.BROKEN: lambda replied, _: replied == HttpResult(status=500, said="something  [31mbroke"),
    Mood.GONE: lambda replied, _: replied.status == 410,
    Mood.BUSY: lambda replied, _: (replied.status, replied.retry_after) == (429, "120"),
    Mood.HANGS: lambda replied, _: replied.status is None and "1 s" in replied.said,
    Mood.DRIPS: lambda replied, _: replied.status is None and "1 s" in replied.said,
    Mood.REDIRECTS: lambda replied, ledger: replied.status == 302 and ledger.connections == 1,
    Mood.HUGE: lambda replied, ledger: replied.status == 200 and len(replied.said) <= 2000,
    Mood.RESETS: lambda replied, _: replied.status is None,
}


@pytest.mark.parametrize("mood", MOODS)
async def test_every_mood_is_a_value(receiver: Ledger, mood: Mood) -> None:
    """Whatever the receiver does, the attempt ends within its time, and as a value that tells what happened."""
    receiver.mood, receiver.elsewhere = mood, receiver.url
    began = time.monotonic()
    replied = await post(receiver.url, seconds=1)
    assert is_within(time.monotonic() - began, 2)
    assert MOODS[mood](replied, receiver)
    assert replied.said.isprintable()
    assert len(receiver.received) == 1


async def test_a_redirect_says_where_it_leads(receiver: Ledger) -> None:
    """It is the one thing that the endpoint's owner can act on; it is shown as text, cut, and never followed."""
    receiver.mood, receiver.elsewhere = Mood.REDIRECTS, "https://www.acme.dev/hooks/"
    said = (await post(receiver.url)).said
    assert "'https://www.acme.dev/hooks/'" in said
    assert "give its URL to this webhook" in said
    receiver.elsewhere = "https://acme.dev/" + "\x1b[31m\u202e" + "x" * 5000
    said = (await post(receiver.url)).said
    assert said.isprintable()
    assert len(said) < 600


async def test_an_endless_answer_is_read_no_further(receiver: Ledger) -> None:
    """64 KB are read: what the receiver could send beyond is what kernel buffers hold."""
    receiver.mood = Mood.HUGE
    await post(receiver.url)
    await asyncio.sleep(0.2)
    assert OCTETS <= receiver.sent < 64 * OCTETS  # loopback buffers a few MB


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://nobody.invalid/"])
async def test_nobody_there(url: str) -> None:
    """A closed port and a name that does not exist are values too."""
    replied = await post(url)
    assert replied.status is None
    assert replied.said


async def test_one_slow_name_keeps_nobody_waiting(receiver: Ledger) -> None:
    """A name whose look-up hangs takes one attempt's time, and others go on."""

    async def hangs(host: str, _: int) -> list[str]:
        if host == "slow.test":
            await asyncio.sleep(30)
        return ["127.0.0.1"]

    client = WebhookClient(OPEN, hangs, seconds=1)
    slow = asyncio.ensure_future(client.post(parse_target("http://slow.test/", OPEN), {}, BODY))
    began = time.monotonic()
    quick: Awaitable[HttpResult] = client.post(parse_target(f"http://quick.test:{receiver.port}/", OPEN), {}, BODY)
    assert (await quick).status == 200
    assert is_within(time.monotonic() - began, 0.8)
    assert (await slow).status is None
