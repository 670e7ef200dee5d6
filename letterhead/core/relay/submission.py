"""Submitted messages: what they must be like (RFC 5322, RFC 6409), and what a submission server adds and removes.

All of it works on octets, since a signature does.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Final, NamedTuple

import msgspec

from letterhead.core.names.email_addresses import Mailbox, parse_mailbox

HEAD_LIMIT: Final = 256 * 1024  # octets
HOPS: Final = 100  # RFC 5321 6.3: whoever passed so many servers goes in a circle
ONCE: Final = frozenset(  # RFC 5322 3.6
    {"from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject", "date"}
)
TAKEN_AWAY: Final = frozenset({"bcc", "resent-bcc", "return-path"})  # RFC 5322 3.6.3, RFC 5321 4.4
# Fields by which a provider or mail server takes orders: whose reputation and addresses to send with, whom else to
# send to. They are the operator's to give. `STEERING` has the beginnings of names; beside each is what describes it.
STEERING: Final = (
    "x-ses-",  # docs.aws.amazon.com/ses/latest/dg/using-configuration-sets-in-email.html
    "x-mailgun-",  # documentation.mailgun.com/docs/mailgun/user-manual/sending-messages
    "x-pm-",  # postmarkapp.com/developer/user-guide/send-email-with-smtp
    "x-mc-",  # mailchimp.com/developer/transactional/docs/smtp-integration
    "x-msys-",  # developers.sparkpost.com/api/smtp
    "x-mj-",  # dev.mailjet.com/email/guides/send-api-v31: SMTP headers
    "x-mailjet-",
    "x-mailin-",  # developers.brevo.com/docs/send-emails-via-smtp
    "x-sib-",
    "x-smtpeter-",  # github.com/CopernicaMarketingSoftware/Documentation, SMTP headers of SMTPeter
    "x-emailit-",  # emailit.com/docs/email-api/headers-and-metadata
    "x-greenarrow-",  # greenarrowemail.com/docs: X-GreenArrow-MailClass
)
STEERING_NAMES: Final = frozenset(
    {
        "x-smtpapi",  # twilio.com/docs/sendgrid/for-developers/sending-email/building-an-x-smtpapi-header
        "x-virtual-mta",  # PowerMTA's user's guide: process-x-virtual-mta
        "x-job",  # the same: process-x-job
    }
)
_NAME: Final = re.compile(rb"([\x21-\x39\x3b-\x7e]{1,77}):")
_BLANK: Final = re.compile(rb"\r\n[ \t]+(?=\r\n|\Z)")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_HELO: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")
_NOT_IN_HOST: Final = re.compile(rb"[^a-z0-9.-]+")
_LINE: Final = 400  # characters of a reply's line: RFC 5321 4.5.3.1.5 allows 512 octets


class SmtpReply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that refuses something: RFC 5321's code, RFC 3463's status, the reason, and what to do."""

    code: int
    status: str
    detail: str
    fix: str = ""

    def text(self) -> str:
        """Return the reply as SMTP has it, in several lines where needed, without the last line's end."""
        printable = ["".join(sign if sign.isprintable() else " " for sign in said) for said in (self.detail, self.fix)]
        ascii_only = [said.encode("ascii", "backslashreplace").decode() for said in printable]
        lines = [said[at : at + _LINE] for said in ascii_only for at in range(0, len(said), _LINE)]
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "\r\n".join(f"{self.code}{mark}{self.status} {line}" for mark, line in zip(marks, lines, strict=True))


class SubmissionRefused(Exception):
    """The refusal of a message, or of an SMTP command before it, with the reply to send."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(reply.detail)
        self.reply = reply


def new_refusal(detail: str, fix: str, *, code: int = 550, status: str = "5.6.0") -> SubmissionRefused:
    """Return a refusal; by default a permanent one of the message's content."""
    return SubmissionRefused(SmtpReply(code=code, status=status, detail=detail, fix=fix))


class SubmittedField(NamedTuple):
    """A header field: its name in lower case, and its octets with every line end."""

    name: str
    octets: bytes

    @property
    def text(self) -> str:
        """Its value, unfolded; raises UnicodeDecodeError where it is not UTF-8."""
        return _FOLD.sub(b"", self.octets.partition(b":")[2]).removesuffix(b"\r\n").decode()


class SubmittedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message: its fields, and the rest from the empty line on."""

    fields: tuple[SubmittedField, ...]
    rest: bytes

    def named(self, name: str) -> list[SubmittedField]:
        """Return the fields of a name."""
        return [field for field in self.fields if field.name == name]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """How a message came, for its Received field; `protocol` as RFC 3848 and RFC 6531 name it."""

    id: str
    helo: str
    address: str
    host: str  # our own name
    protocol: str
    at: datetime


def read(content: bytes) -> SubmittedMessage:
    """Parse a message whose lines end in CR LF; raise SubmissionRefused for a bad field, or one too many."""
    head, empty, body = content.partition(b"\r\n\r\n") if not content.startswith(b"\r\n") else (b"", b"", b"")
    if not empty:
        head, empty = head.removesuffix(b"\r\n"), b"\r\n\r\n"
    if len(head) > HEAD_LIMIT:
        raise new_refusal("The message's header is too large.", f"Keep it under {HEAD_LIMIT} octets.", status="5.3.4")
    lines = re.split(rb"\r\n(?![ \t])", head) if head else []
    fields = tuple(_parse_field(number, line) for number, line in enumerate(lines, 1))
    for name, times in Counter(field.name for field in fields).items():
        if times > 1 and name in ONCE:
            said = f"The message has {times} fields named {name.title()}; RFC 5322 3.6 allows one."
            raise new_refusal(said, f"Send one {name.title()}.")
        if times > HOPS and name == "received":
            raise new_refusal("The message goes in a circle.", "Look where the smart host sends it.", status="5.4.6")
    return SubmittedMessage(fields=fields, rest=b"\r\n" + body)


def _parse_field(number: int, line: bytes) -> SubmittedField:
    name = _NAME.match(line)
    # A space before the colon, a line without one, the `From ` of a mailbox file; or a line of spaces alone, which some
    # take for the end of the header (RFC 5322 4.2 forbids to write one).
    if name is None or _BLANK.search(line):
        raise new_refusal(
            f"Line {number} of the message's header is no field: RFC 5322 2.2 wants a name, a colon and a value.",
            "Write each field as Name: value, with an empty line behind the last.",
        )
    return SubmittedField(name[1].decode().lower(), line + b"\r\n")


def author(message: SubmittedMessage) -> Mailbox:
    """Return the one address of the message's one From field; raise SubmissionRefused."""
    if not message.named("from"):
        raise new_refusal("The message has no From field.", "Send one, as in From: Acme <hello@acme.dev>")
    found = mailbox_in(message, "from")
    assert found is not None  # noqa: S101 just seen
    return found


def mailbox_in(message: SubmittedMessage, name: str) -> Mailbox | None:
    """Return the one address of a field that may be there once, or None; raise SubmissionRefused."""
    for field in message.named(name):
        try:
            return parse_mailbox(field.text)
        except UnicodeDecodeError:
            problem = "is not UTF-8"
        except ValueError as error:
            problem = str(error)
        raise new_refusal(
            f"The {name.title()} field {problem}.", f"Send one address, as in {name.title()}: Acme <hello@acme.dev>"
        )
    return None


def complete_message(message: SubmittedMessage, trace: Trace, domain: str) -> bytes:
    """Return the message as it is relayed: with Received, Date and Message-ID, without what only its author may see.

    Received is the trace field of RFC 5321 4.4; it has the client's HELO only where that can break nothing. What steers
    the next server is removed, and what claims to be an authentication result of ours.
    """
    there = {field.name for field in message.fields}
    helo = trace.helo if _HELO.fullmatch(trace.helo) else "unknown"
    address = f"IPv6:{trace.address}" if ":" in trace.address else trace.address
    received = (
        f"Received: from {helo} ([{address}])\r\n\tby {trace.host} (Letterhead) with {trace.protocol}"
        f" id {trace.id};\r\n\t{format_datetime(trace.at)}\r\n"
    )
    head = [received.encode()]
    if "date" not in there:  # RFC 6409 8.2 and 8.3
        head.append(f"Date: {format_datetime(trace.at)}\r\n".encode())
    if "message-id" not in there:
        head.append(f"Message-ID: <{trace.id}@{domain}>\r\n".encode())
    kept: Sequence[bytes] = [field.octets for field in message.fields if not _is_taken_away(field, trace.host)]
    return b"".join([*head, *kept, message.rest])


def _is_taken_away(field: SubmittedField, host: str) -> bool:
    if field.name == "authentication-results":  # RFC 8601 5: those that name us may not come from others
        # Its comments and quotes may hold anything, so that our name counts wherever it stands.
        names = _NOT_IN_HOST.split(field.octets.replace(b"\\", b"").lower())
        return host.lower().encode() in (name.strip(b".") for name in names)
    return field.name in TAKEN_AWAY | STEERING_NAMES or field.name.startswith(STEERING)
