"""Knows what a submitted message must be like (RFC 5322, RFC 6409), and what a submission server adds and takes away.

Works on octets, since a signature does. Knows neither whose the domains are nor what SMTP said before.
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
_NAME: Final = re.compile(rb"([\x21-\x39\x3b-\x7e]{1,77}):")
_BLANK: Final = re.compile(rb"\r\n[ \t]+(?=\r\n|\Z)")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_HELO: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")
_LINE: Final = 400  # characters of a reply's line: RFC 5321 4.5.3.1.5 allows 512 octets


class SmtpReply(msgspec.Struct, frozen=True, kw_only=True):
    """Says why something is refused and what to do: RFC 5321's code, RFC 3463's status, a sentence, the fix."""

    code: int
    status: str
    detail: str
    fix: str = ""

    def text(self) -> str:
        """Writes it as SMTP does, several lines where needed, without the last line's end."""
        told = [_plain(said) for said in (self.detail, self.fix)]
        lines = [said[at : at + _LINE] for said in told for at in range(0, len(said), _LINE)]
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "\r\n".join(f"{self.code}{mark}{self.status} {line}" for mark, line in zip(marks, lines, strict=True))


class SubmissionRefused(Exception):
    """Says that a message, or a step towards it, is refused with a reply."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(reply.detail)
        self.reply = reply


def new_refusal(detail: str, fix: str, *, code: int = 550, status: str = "5.6.0") -> SubmissionRefused:
    """Makes a refusal; by default of what the message is, for good."""
    return SubmissionRefused(SmtpReply(code=code, status=status, detail=detail, fix=fix))


class SubmittedField(NamedTuple):
    """Holds a header field: its name in lower case, and its octets with every line end."""

    name: str
    octets: bytes

    @property
    def text(self) -> str:
        """Reads its value, unfolded; a UnicodeDecodeError where it is not UTF-8."""
        return _FOLD.sub(b"", self.octets.partition(b":")[2]).removesuffix(b"\r\n").decode()


class SubmittedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a message: its fields, and the rest from the empty line on."""

    fields: tuple[SubmittedField, ...]
    rest: bytes

    def named(self, name: str) -> list[SubmittedField]:
        """Finds the fields of a name."""
        return [field for field in self.fields if field.name == name]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what is known of how a message came; `protocol` as RFC 3848 and RFC 6531 name it."""

    id: str
    helo: str
    address: str
    host: str  # our own name
    protocol: str
    at: datetime


def read(content: bytes) -> SubmittedMessage:
    """Reads a message whose lines end in CR LF; raises Refused where a field is not one, or stands twice."""
    head, empty, body = content.partition(b"\r\n\r\n") if not content.startswith(b"\r\n") else (b"", b"", b"")
    if not empty:
        head, empty = head.removesuffix(b"\r\n"), b"\r\n\r\n"
    if len(head) > HEAD_LIMIT:
        raise new_refusal("The message's header is too large.", f"Keep it under {HEAD_LIMIT} octets.", status="5.3.4")
    lines = re.split(rb"\r\n(?![ \t])", head) if head else []
    fields = tuple(_field(number, line) for number, line in enumerate(lines, 1))
    for name, times in Counter(field.name for field in fields).items():
        if times > 1 and name in ONCE:
            said = f"The message has {times} fields named {name.title()}; RFC 5322 3.6 allows one."
            raise new_refusal(said, f"Send one {name.title()}.")
        if times > HOPS and name == "received":
            raise new_refusal("The message goes in a circle.", "Look where the smart host sends it.", status="5.4.6")
    return SubmittedMessage(fields=fields, rest=b"\r\n" + body)


def _field(number: int, line: bytes) -> SubmittedField:
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
    """Says who the message is from: the one address of its one From field; raises Refused."""
    if not message.named("from"):
        raise new_refusal("The message has no From field.", "Send one, as in From: Acme <hello@acme.dev>")
    found = mailbox_in(message, "from")
    assert found is not None  # noqa: S101 just seen
    return found


def mailbox_in(message: SubmittedMessage, name: str) -> Mailbox | None:
    """Reads the one address of a field that may be there once; raises Refused."""
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
    """Writes the message as it goes on: traced, dated, named, and without what only its author should see."""
    there = {field.name for field in message.fields}
    head = [_received(trace)]
    if "date" not in there:  # RFC 6409 8.2 and 8.3
        head.append(f"Date: {format_datetime(trace.at)}\r\n".encode())
    if "message-id" not in there:
        head.append(f"Message-ID: <{trace.id}@{domain}>\r\n".encode())
    kept: Sequence[bytes] = [field.octets for field in message.fields if field.name not in TAKEN_AWAY]
    return b"".join([*head, *kept, message.rest])


def _received(trace: Trace) -> bytes:
    """Writes the trace field of RFC 5321 4.4; what the client called itself only where that can break nothing."""
    helo = trace.helo if _HELO.fullmatch(trace.helo) else "unknown"
    address = f"IPv6:{trace.address}" if ":" in trace.address else trace.address
    return (
        f"Received: from {helo} ([{address}])\r\n\tby {trace.host} (Letterhead) with {trace.protocol}"
        f" id {trace.id};\r\n\t{format_datetime(trace.at)}\r\n"
    ).encode()


def _plain(text: str) -> str:
    """Writes foreign text in ASCII without controls."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return shown.encode("ascii", "backslashreplace").decode()
