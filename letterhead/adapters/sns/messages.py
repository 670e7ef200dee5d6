"""Messages of Amazon SNS: their form, what of them is signed, where their URLs may lead, whom they name.

Source: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages".
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs

import msgspec

from letterhead.core.public.webhooks import WebhookTarget
from letterhead.errors import Fault, Kind

MOST_NAMES: Final = 20  # of one notification that are read
_TOPIC: Final = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-\d{1,2}):\d{12}:[A-Za-z0-9_-]{1,256}"
)
# No port, user or fragment has a place here, and a host is compared whole.
_URL: Final = re.compile(
    r"https://(?P<host>[a-z0-9.-]+)(?P<path>/[A-Za-z0-9_.-]*)(?:\?(?P<query>[A-Za-z0-9=&%:._-]*))?"
)
_CERTIFICATE: Final = re.compile(r"/[A-Za-z0-9_-]+\.pem")
_IDENTITY: Final = re.compile(r"arn:aws[a-z-]*:ses:[a-z0-9-]+:\d{12}:identity/([A-Za-z0-9.-]{1,253})")
_NAME: Final = re.compile(r"[A-Za-z0-9.-]{1,253}")


class Type(StrEnum):
    """The types of messages."""

    NOTIFICATION = "Notification"
    SUBSCRIPTION = "SubscriptionConfirmation"
    UNSUBSCRIPTION = "UnsubscribeConfirmation"


_SUBSCRIPTION_FIELDS: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED: Final[Mapping[Type, tuple[str, ...]]] = MappingProxyType(
    {
        Type.NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
        Type.SUBSCRIPTION: _SUBSCRIPTION_FIELDS,
        Type.UNSUBSCRIPTION: _SUBSCRIPTION_FIELDS,
    }
)


class SnsMessage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One message as it came; nothing of it is trusted before its signature is verified."""

    type: Type
    topic_arn: str
    message: str
    message_id: str
    timestamp: str
    signature: str
    signature_version: str
    subject: str | None = None
    token: str | None = None
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


def read(body: bytes) -> SnsMessage:
    """Parse a message; raise Fault `body-not-json` or `body-invalid`."""
    fix = "Subscribe this URL to an SNS topic over HTTPS, without raw message delivery."
    try:
        return msgspec.json.decode(body, type=SnsMessage)
    except msgspec.ValidationError as error:
        raise Fault(Kind.BODY_INVALID, f"The body is no message of Amazon SNS: {_ascii(error)}.", fix) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(Kind.BODY_NOT_JSON, "The body is not JSON.", fix) from error


def _ascii(error: Exception) -> str:
    return str(error)[:200].encode("ascii", "replace").decode()


def signed_text(message: SnsMessage) -> bytes:
    """Return the text that is signed: each field's name and value on lines of their own, without absent fields."""
    values = {key: value for key, value in msgspec.to_builtins(message).items() if value is not None}
    wanted = [name for name in SIGNED[message.type] if name in values]
    return "".join(f"{name}\n{values[name]}\n" for name in wanted).encode()


def refuse_stranger(message: SnsMessage, topics: Collection[str]) -> None:
    """Raise Fault `notice-refused` for a message of a topic that is not configured."""
    if message.topic_arn not in topics:
        raise new_refusal("it is of a topic that LETTERHEAD_SES_NOTICE_TOPICS does not name")


def certificate_of(message: SnsMessage) -> WebhookTarget:
    """Return the certificate's URL: at SNS in the topic's region and nowhere else; raise Fault `notice-refused`."""
    target, query = _parse_sns_url(message, message.signing_cert_url, "SigningCertURL")
    if query is not None or not _CERTIFICATE.fullmatch(target.path):
        raise new_refusal("its SigningCertURL is not that of a .pem file")
    return target


def confirmation_of(message: SnsMessage) -> WebhookTarget:
    """Return the URL that confirms a subscription to the message's topic; raise Fault `notice-refused`."""
    target, query = _parse_sns_url(message, message.subscribe_url or "", "SubscribeURL")
    parameters = parse_qs(query or "")
    if parameters.get("Action") != ["ConfirmSubscription"] or parameters.get("TopicArn") != [message.topic_arn]:
        raise new_refusal("its SubscribeURL does not confirm a subscription to its topic")
    return target


def _parse_sns_url(message: SnsMessage, url: str, what: str) -> tuple[WebhookTarget, str | None]:
    found, topic = _URL.fullmatch(url), _TOPIC.fullmatch(message.topic_arn)
    host = f"sns.{topic[2]}.amazonaws.com{'.cn' if topic[1] == 'aws-cn' else ''}" if topic is not None else None
    if found is None or found["host"] != host:
        raise new_refusal(f"its {what} is not at Amazon SNS in the topic's region")
    query = found["query"]
    path = found["path"] if query is None else f"{found['path']}?{query}"
    return WebhookTarget(scheme="https", host=found["host"], port=443, path=path), query


def new_refusal(why: str) -> Fault:
    """Return the Fault for a notification that is not accepted, without repeating what came."""
    return Fault(
        Kind.NOTICE_REFUSED,
        f"The notice is not taken: {why}.",
        "Subscribe this URL to a topic that LETTERHEAD_SES_NOTICE_TOPICS names: docs/ses.md.",
    )


class Mail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The identity by which a mail was sent."""

    source_arn: str | None = None


class IdentityRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The identity that somebody changed at SES, from CloudTrail."""

    email_identity: str | None = None
    identity: str | None = None


class Detail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The detail of an EventBridge event."""

    mail: Mail | None = None
    request_parameters: IdentityRequest | None = None


class SesNotification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a notification of SES (`mail`), or of EventBridge, says of identities."""

    resources: tuple[str, ...] = ()
    mail: Mail | None = None
    detail: Detail | None = None


def names_of(message: SnsMessage) -> frozenset[str]:
    """Return the domains that a notification names, in lower case; one that can't be parsed names none."""
    if message.type is not Type.NOTIFICATION:
        return frozenset()
    try:
        notification = msgspec.json.decode(message.message, type=SesNotification)
    except (msgspec.DecodeError, RecursionError):
        return frozenset()
    detail = notification.detail or Detail()
    sources = [mail.source_arn for mail in (notification.mail, detail.mail) if mail is not None]
    arns = (_IDENTITY.fullmatch(arn) for arn in (*notification.resources, *sources) if arn is not None)
    changed = detail.request_parameters or IdentityRequest()
    plain = (_NAME.fullmatch(name) for name in (changed.email_identity, changed.identity) if name is not None)
    names = [found[1].lower() for found in arns if found] + [found[0].lower() for found in plain if found]
    return frozenset(names[:MOST_NAMES])
