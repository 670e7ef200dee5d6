"""The emulator of SES is held against SES's own model and against moto, so that tests on it mean something."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from letterhead.adapters.keyring import EnvelopeKeyring
from letterhead.adapters.keyring_settings import KeyEncryptionKey
from letterhead.core.secret import Secret, reveal
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.ses import SesState
from tests.rigs.ses_wire import KEY_ID, SECRET, Ses, running

KEK = KeyEncryptionKey("k", Secret(bytes(32)))
PAIR = EnvelopeKeyring([KEK]).make_pair()


def signing(selector: str = "lh1", key: bytes | None = None) -> dict[str, str]:
    import base64

    private = base64.b64encode(key or reveal(PAIR.private_key)).decode()
    return {"DomainSigningSelector": selector, "DomainSigningPrivateKey": private}


@asynccontextmanager
async def client(url: str, secret: str = SECRET, key_id: str = KEY_ID) -> AsyncIterator[Any]:
    made = get_session().create_client(
        "sesv2", "eu-west-1", endpoint_url=url, aws_access_key_id=key_id, aws_secret_access_key=secret
    )
    async with made as opened:
        yield opened


@pytest.fixture
async def ses() -> AsyncIterator[Ses]:
    async with running(SesState()) as ses:
        yield ses


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Run moto's own server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


async def told(doing: Any) -> Any:
    """Return an answer, or the code of the refusal."""
    try:
        answer = await doing
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


async def story(url: str) -> list[Any]:
    """Tell a life by the four operations that moto has; it lets a name be made twice, which SES does not."""
    async with client(url) as opened:
        first = await told(opened.create_email_identity(EmailIdentity="acme.dev"))
        got = await told(opened.get_email_identity(EmailIdentity="acme.dev"))
        listed = await told(opened.list_email_identities())
        unknown = await told(opened.get_email_identity(EmailIdentity="other.dev"))
        gone = await told(opened.delete_email_identity(EmailIdentity="acme.dev"))
        rest = await told(opened.list_email_identities())
    names = [each["IdentityName"] for each in listed["EmailIdentities"]]
    kind, origin = got["IdentityType"], first["DkimAttributes"]["SigningAttributesOrigin"]
    return [kind, origin, names, unknown, gone, rest["EmailIdentities"]]


async def test_the_emulator_and_moto_tell_one_story(ses: Ses, moto: str) -> None:
    """Where moto has an opinion, the emulator shares it: names, statuses, codes."""
    ours, theirs = await story(ses.url), await story(moto)
    assert ours == theirs


@pytest.mark.parametrize(
    ("secret", "key_id", "code"),
    [("wrong", KEY_ID, "InvalidSignatureException"), (SECRET, "AKIDSTRANGER", "UnrecognizedClientException")],
)
async def test_a_wrong_signature_is_refused(ses: Ses, secret: str, key_id: str, code: str) -> None:
    """The signature is recomputed: nothing happens without the right secret."""
    async with client(ses.url, secret, key_id) as opened:
        assert await told(opened.create_email_identity(EmailIdentity="acme.dev")) == (403, code)
    assert not ses.state.identities


@pytest.mark.parametrize(
    ("method", "asked", "answer"),
    [
        ("get_email_identity", {"EmailIdentity": "no.dev"}, (404, "NotFoundException")),
        ("delete_email_identity", {"EmailIdentity": "no.dev"}, (404, "NotFoundException")),
        ("put_email_identity_mail_from_attributes", {"EmailIdentity": "no.dev"}, (400, "BadRequestException")),
        ("list_email_identities", {"PageSize": 1001}, (400, "BadRequestException")),
        (
            "create_email_identity",
            {"EmailIdentity": "a.dev", "DkimSigningAttributes": signing("not a selector")},
            (400, "BadRequestException"),
        ),
        (
            "create_email_identity",
            {"EmailIdentity": "a.dev", "DkimSigningAttributes": signing(key=b"no key")},
            (400, "BadRequestException"),
        ),
        (
            "put_email_identity_dkim_signing_attributes",
            {"EmailIdentity": "a.dev", "SigningAttributesOrigin": "NOBODY"},
            (400, "BadRequestException"),
        ),
        ("get_dedicated_ips", {}, (501, "NotImplemented")),
    ],
)
async def test_input_is_checked(ses: Ses, method: str, asked: dict[str, Any], answer: tuple[int, str]) -> None:
    """What SES would refuse is refused with its status and code; what is not modelled says so."""
    async with client(ses.url) as opened:
        assert await told(getattr(opened, method)(**asked)) == answer


async def test_pages_hold_all_once(ses: Ses) -> None:
    """A list goes on where its page ended."""
    async with client(ses.url) as opened:
        for number in range(7):
            await opened.create_email_identity(EmailIdentity=f"d{number}.dev")
        pages = [await opened.list_email_identities(PageSize=3)]
        while token := pages[-1].get("NextToken"):
            pages.append(await opened.list_email_identities(PageSize=3, NextToken=token))
    assert [len(page["EmailIdentities"]) for page in pages] == [3, 3, 1]
    assert len({each["IdentityName"] for page in pages for each in page["EmailIdentities"]}) == 7


async def test_without_mail_from_there_is_only_the_behaviour(ses: Ses) -> None:
    """The block is there without a domain, as SES has it, although its model says that the domain is required."""
    async with client(ses.url) as opened:
        await opened.create_email_identity(EmailIdentity="a.dev")
        got = await opened.get_email_identity(EmailIdentity="a.dev")
    assert got["MailFromAttributes"] == {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}


async def test_dns_decides(ses: Ses, lab: DnsLab, zone: str) -> None:
    """Verification reads the real DNS: nothing, another value, the right one, gone, given up after 72 hours."""
    now = [1_000_000.0]
    ses.state.now = lambda: now[0]

    async def status() -> tuple[str, str | None]:
        lab.flush()
        await ses.state.verify(RESOLVER, lab.resolver_port)
        identity = ses.state.identities[zone]
        return identity.status, identity.error

    async with client(ses.url) as opened:
        await opened.create_email_identity(EmailIdentity=zone, DkimSigningAttributes=signing())
        assert await status() == ("PENDING", "HOST_NOT_FOUND")
        lab.publish(f"lh1._domainkey.{zone}", "TXT", json.dumps("v=DKIM1; p=another"))
        assert await status() == ("PENDING", "INVALID_VALUE")
        right = f"p={PAIR.public_key}"
        lab.publish(f"lh1._domainkey.{zone}", "TXT", f'"v=DKIM1; k=rsa; " "{right[:200]}" "{right[200:]}"')
        assert await status() == ("SUCCESS", None)
        lab.withdraw(f"lh1._domainkey.{zone}")
        assert (await status())[0] == "TEMPORARY_FAILURE"
        await opened.put_email_identity_dkim_signing_attributes(
            EmailIdentity=zone, SigningAttributesOrigin="EXTERNAL", SigningAttributes=signing()
        )
        now[0] += 73 * 3600
        assert (await status())[0] == "FAILED"
        lab.publish(f"lh1._domainkey.{zone}", "TXT", f'"v=DKIM1; k=rsa; " "{right[:200]}" "{right[200:]}"')
        assert (await status())[0] == "FAILED"
        await opened.put_email_identity_dkim_signing_attributes(
            EmailIdentity=zone, SigningAttributesOrigin="EXTERNAL", SigningAttributes=signing()
        )
        assert await status() == ("SUCCESS", None)
        await opened.put_email_identity_mail_from_attributes(EmailIdentity=zone, MailFromDomain=f"lh.{zone}")
        mx = f"feedback-smtp.{ses.state.region}.amazonses.com."
        lab.publish(f"lh.{zone}", "MX", f"10 {mx}", "20 mx.example.")
        await status()
        assert ses.state.identities[zone].mail_from_status == "PENDING"  # exactly one MX
        lab.publish(f"lh.{zone}", "MX", f"10 {mx}")
        await status()
        assert ses.state.identities[zone].mail_from_status == "SUCCESS"
