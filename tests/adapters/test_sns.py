"""Messages of Amazon SNS: the genuine are read, everything else is refused before anything is asked of anybody."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from letterhead.adapters.sns import FETCHES, SnsNotices
from letterhead.errors import Fault, Kind
from tests.operations.world import Clock
from tests.rigs import sns as rig
from tests.rigs.sns import HOST, PATH, TOPIC, Sns, confirmation, notification, signer

TOLD = {"source": "aws.ses", "resources": ["arn:aws:ses:eu-west-1:123456789012:identity/Acme.dev"]}


@pytest.fixture
def sns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sns]:
    """Run SNS, whose certificate for TLS is trusted."""
    with rig.running(tmp_path) as (sns, chain):
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        yield sns


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test turns."""
    return Clock(datetime(2026, 11, 23, 12, tzinfo=UTC))


@pytest.fixture
def notices(sns: Sns, clock: Clock) -> SnsNotices:
    """Make the reader of one topic."""
    return SnsNotices([TOPIC], sns.fetcher(), clock)


async def refusal(notices: SnsNotices, body: bytes) -> Fault:
    """Return the fault that a body is answered with."""
    with pytest.raises(Fault) as caught:
        await notices.read(body)
    return caught.value


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": "A subject\nof two lines"}])
async def test_both_signatures_are_verified(
    sns: Sns, notices: SnsNotices, version: str, subject: dict[str, str]
) -> None:
    """Signature versions 1 and 2 pass, with a subject and without; the certificate is fetched once, from SNS."""
    for _ in range(3):
        assert await notices.read(sns.body(notification(TOLD, SignatureVersion=version, **subject))) == {"acme.dev"}
    assert (sns.asked, sns.looked_up, sns.dialled) == ([PATH], [HOST], [f"{rig.PUBLIC}:443"])


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp", "Signature", "SignatureVersion"])
async def test_what_is_altered_is_refused(sns: Sns, notices: SnsNotices, field: str) -> None:
    """Every field that is signed, and the signature itself, must be as it was signed."""
    signed = sns.signer.sign(notification(TOLD, Subject="A subject"))
    value = signed[field]
    signed[field] = "2" if field == "SignatureVersion" else ("B" if value[0] == "A" else "A") + value[1:]
    assert (await refusal(notices, json.dumps(signed).encode())).kind is Kind.NOTICE_REFUSED


@pytest.mark.parametrize("changed", [{"SignatureVersion": "3"}, {"Signature": "no base64"}, {"Signature": ""}])
async def test_signatures_of_no_kind_are_refused(sns: Sns, notices: SnsNotices, changed: dict[str, str]) -> None:
    """Another version, and what is no signature at all, is refused."""
    signed = sns.signer.sign(notification(TOLD)) | changed
    assert (await refusal(notices, json.dumps(signed).encode())).kind is Kind.NOTICE_REFUSED


async def test_somebody_elses_key_is_refused(sns: Sns, notices: SnsNotices) -> None:
    """A message signed by a key other than that at SNS is refused, however well."""
    body = json.dumps(signer().sign(notification(TOLD))).encode()
    assert (await refusal(notices, body)).kind is Kind.NOTICE_REFUSED


URLS = {
    "another host": f"https://evil.example{PATH}",
    "a look-alike below another name": f"https://{HOST}.evil.example{PATH}",
    "a look-alike in front": f"https://evil-{HOST}{PATH}",
    "below it": f"https://a.{HOST}{PATH}",
    "another service of Amazon": f"https://s3.eu-west-1.amazonaws.com{PATH}",
    "another region": f"https://sns.us-east-1.amazonaws.com{PATH}",
    "another partition": f"https://{HOST}.cn{PATH}",
    "a user in front": f"https://{HOST}@evil.example{PATH}",
    "a user of it": f"https://evil.example@{HOST}{PATH}",
    "a port": f"https://{HOST}:8443{PATH}",
    "no TLS": f"http://{HOST}{PATH}",
    "a file": "file:///etc/ssl/cert.pem",
    "a fragment": f"https://evil.example/#{HOST}{PATH}",
    "a backslash": f"https://evil.example\\@{HOST}{PATH}",
    "a dot for any letter": f"https://{HOST.replace('.', 'x')}{PATH}",
    "a final dot": f"https://{HOST}.{PATH}",
    "capitals": f"https://{HOST.upper()}{PATH}",
    "a letter that looks like one": f"https://{HOST.replace('a', 'а', 1)}{PATH}",
    "a line behind": f"https://{HOST}{PATH}\n",
    "not a .pem": f"https://{HOST}/certificate.txt",
    "a .pem in the query": f"https://{HOST}/?Action=Get&x=.pem",
    "a .pem with a query": f"https://{HOST}{PATH}?x=1",
    "up and away": f"https://{HOST}/../a.pem",
    "nothing": "",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
async def test_certificates_come_from_sns_alone(sns: Sns, notices: SnsNotices, url: str) -> None:
    """A certificate anywhere but at SNS in the topic's own region is refused, and nobody is asked for it."""
    fault = await refusal(notices, sns.body(notification(TOLD, SigningCertURL=url)))
    assert (fault.kind, "SigningCertURL" in fault.detail) == (Kind.NOTICE_REFUSED, True)
    assert sns.looked_up == []


@pytest.mark.parametrize("topic", [f"{TOPIC}2", TOPIC.upper(), TOPIC.replace("eu-west", "us-east"), f"{TOPIC}:sub", ""])
async def test_other_topics_are_refused(sns: Sns, notices: SnsNotices, topic: str) -> None:
    """A message of a topic that was not set is refused though Amazon signed it, and nobody is asked."""
    for message in (notification(TOLD, TopicArn=topic), confirmation(TopicArn=topic)):
        assert (await refusal(notices, sns.body(message))).kind is Kind.NOTICE_REFUSED
    assert sns.looked_up == []


async def test_a_subscription_is_confirmed(sns: Sns, notices: SnsNotices) -> None:
    """A SubscriptionConfirmation is confirmed at its SubscribeURL; one that ends a subscription is only noted."""
    assert await notices.read(sns.body(confirmation(SignatureVersion="2"))) == frozenset()
    assert sns.asked == [PATH, f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"]
    assert await notices.read(sns.body(confirmation("UnsubscribeConfirmation"))) == frozenset()
    assert len(sns.asked) == 2


SUBSCRIBE = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1"


@pytest.mark.parametrize(
    "url",
    [
        SUBSCRIBE.replace(HOST, "evil.example"),
        SUBSCRIBE.replace(HOST, f"{HOST}.evil.example"),
        SUBSCRIBE.replace("https", "http"),
        SUBSCRIBE.replace("ConfirmSubscription", "DeleteTopic"),
        SUBSCRIBE.replace(TOPIC, f"{TOPIC}2"),
        f"{SUBSCRIBE}&Action=DeleteTopic",
        f"https://{HOST}/",
    ],
)
async def test_confirming_leads_nowhere_else(sns: Sns, notices: SnsNotices, url: str) -> None:
    """A SubscribeURL that leads elsewhere, or does anything else, is not followed, even well signed."""
    fault = await refusal(notices, sns.body(confirmation(SubscribeURL=url)))
    assert (fault.kind, sns.asked) == (Kind.NOTICE_REFUSED, [PATH])


@pytest.mark.parametrize(
    "answer", [(302, f"https://{HOST}/other.pem".encode()), (404, b""), (500, b""), (200, b"x" * 65 * 1024)]
)
async def test_a_certificate_that_does_not_come(sns: Sns, notices: SnsNotices, answer: tuple[int, bytes]) -> None:
    """A redirect is not followed and no more than 64 KB are read: SNS is told to send the notice again."""
    sns.answers[PATH] = answer
    sns.answers["/other.pem"] = 200, sns.signer.pem
    assert (await refusal(notices, sns.body(notification(TOLD)))).kind is Kind.PROVIDER_FAILED
    assert sns.asked == [PATH]
    sns.answers[PATH] = 200, sns.signer.pem
    assert await notices.read(sns.body(notification(TOLD))) == {"acme.dev"}


async def test_no_inside_address_is_dialled(sns: Sns, notices: SnsNotices) -> None:
    """Where SNS's name leads to an inside address nothing is dialled."""
    sns.address = "127.0.0.1"
    assert (await refusal(notices, sns.body(notification(TOLD)))).kind is Kind.PROVIDER_FAILED
    assert sns.dialled == []


@pytest.mark.parametrize("pem", [b"", b"no certificate", signer(ends=2021).pem], ids=["none", "nonsense", "ended"])
async def test_certificates_that_prove_nothing(sns: Sns, notices: SnsNotices, pem: bytes) -> None:
    """What is no certificate, or has ended, verifies nothing."""
    sns.answers[PATH] = 200, pem
    assert (await refusal(notices, sns.body(notification(TOLD)))).kind is Kind.NOTICE_REFUSED


async def test_strangers_can_not_make_us_ask_without_end(sns: Sns, notices: SnsNotices, clock: Clock) -> None:
    """Ten things a minute are asked of SNS, whoever writes; what is known already is verified all the same."""
    await notices.read(sns.body(notification(TOLD)))
    for number in range(FETCHES - 1):
        url = f"https://{HOST}/made-up-{number}.pem"
        assert (await refusal(notices, sns.body(notification(TOLD, SigningCertURL=url)))).kind is Kind.PROVIDER_FAILED
    url = f"https://{HOST}/made-up.pem"
    fault = await refusal(notices, sns.body(notification(TOLD, SigningCertURL=url)))
    assert (fault.kind, fault.retry_after, len(sns.asked)) == (Kind.TOO_MANY_REQUESTS, 60, FETCHES)
    assert await notices.read(sns.body(notification(TOLD))) == {"acme.dev"}
    clock.turn(minutes=1)
    assert (await refusal(notices, sns.body(notification(TOLD, SigningCertURL=url)))).kind is Kind.PROVIDER_FAILED


ARN = "arn:aws:ses:eu-west-1:123456789012:identity"


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ({"mail": {"sourceArn": f"{ARN}/acme.dev"}, "eventType": "Bounce"}, {"acme.dev"}),
        ({"detail": {"mail": {"sourceArn": f"{ARN}/acme.dev"}}}, {"acme.dev"}),
        ({"detail": {"requestParameters": {"emailIdentity": "ACME.dev"}}}, {"acme.dev"}),
        ({"detail": {"requestParameters": None, "eventName": "ListEmailIdentities"}}, set()),
        ({"resources": [f"{ARN}/a.dev", f"{ARN}/b.dev", f"{ARN}/me@c.dev", "arn:aws:s3:::d.dev"]}, {"a.dev", "b.dev"}),
        ({"resources": [f"{ARN}/x{number}.dev" for number in range(500)]}, {f"x{number}.dev" for number in range(20)}),
        ({"resources": "acme.dev"}, set()),
        ("Successfully validated SNS topic for Amazon SES event publishing.", set()),
        ("[" * 20_000, set()),
    ],
)
async def test_whom_a_notice_names(sns: Sns, notices: SnsNotices, told: object, names: set[str]) -> None:
    """SES's own notices, EventBridge's and CloudTrail's name identities; what can't be read names none."""
    assert await notices.read(sns.body(notification(told))) == names


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.BODY_NOT_JSON),
        (b"\xff{}", Kind.BODY_NOT_JSON),
        (b"{", Kind.BODY_NOT_JSON),
        (b'{"x": ' + b"[" * 60_000, Kind.BODY_NOT_JSON),
        (b"[]", Kind.BODY_INVALID),
        (b"{}", Kind.BODY_INVALID),
        (b'{"Type": "Surprise"}', Kind.BODY_INVALID),
        (json.dumps(TOLD).encode(), Kind.BODY_INVALID),
    ],
)
async def test_what_is_no_message(sns: Sns, notices: SnsNotices, body: bytes, kind: Kind) -> None:
    """Bodies that SNS never sends are refused by their form, those of raw message delivery too."""
    assert (await refusal(notices, body)).kind is kind
    assert sns.looked_up == []
