"""Knows how a failure is reported to whoever sent the message (RFC 3464, RFC 6522); knows not how reports travel."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from letterhead.core.relay.queue import Envelope, RecipientReply

HEAD_SHOWN: Final = 32 * 1024  # octets of the failed message's header
_STATUS: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


def report(
    envelope: Envelope, failed: Mapping[str, RecipientReply], content: bytes, *, name: str, host: str, now: datetime
) -> bytes:
    """Writes a delivery status notification in 7-bit ASCII; `name` is its own id, with which no text can be split."""
    mark = f"=_{name}"
    head = content.partition(b"\r\n\r\n")[0][:HEAD_SHOWN]
    parts = [
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + _told(failed, host),
        "Content-Type: message/delivery-status\r\n\r\n" + _status(envelope, failed, host),
        "Content-Type: text/rfc822-headers\r\n\r\n" + head.decode("ascii", "replace").replace("\ufffd", "?") + "\r\n",
    ]
    body = "".join(f"--{mark}\r\n{part}\r\n" for part in parts)
    return (_head(envelope, mark, name, now) + body + f"--{mark}--\r\n").encode("ascii", "backslashreplace")


def _head(envelope: Envelope, mark: str, name: str, now: datetime) -> str:
    fields = {
        "From": f"Mail relay <mailer-daemon@{envelope.author}>",
        "To": envelope.reports_to,
        "Subject": "Your message could not be delivered",
        "Date": format_datetime(now),
        "Message-ID": f"<{name}@{envelope.author}>",
        "Auto-Submitted": "auto-replied",  # RFC 3834 5
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/report; report-type=delivery-status;\r\n boundary="{mark}"',
    }
    return "".join(f"{field}: {value}\r\n" for field, value in fields.items()) + "\r\n"


def _told(failed: Mapping[str, RecipientReply], host: str) -> str:
    lines = [f"This is the mail relay at {host}. Your message was not delivered to:", ""]
    for recipient, answer in failed.items():
        lines += [f"  {recipient}", f"    {_line(answer.said)}", ""]
    return "\r\n".join([*lines, "It will not be tried again. The header of the message is attached.", ""])


def _status(envelope: Envelope, failed: Mapping[str, RecipientReply], host: str) -> str:
    """Writes the fields of RFC 3464 2: of the message, then of each recipient."""
    groups = [[f"Reporting-MTA: dns; {host}", f"Arrival-Date: {format_datetime(envelope.accepted_at)}"]]
    for recipient, answer in failed.items():
        found = _STATUS.search(answer.said)
        groups.append(
            [
                f"Final-Recipient: rfc822; {recipient}",
                "Action: failed",
                f"Status: {found[1] if found else '5.0.0'}",
                f"Diagnostic-Code: smtp; {_line(answer.said)}",
            ]
        )
    return "\r\n".join("\r\n".join([*group, ""]) for group in groups)


def _line(said: str) -> str:
    """Keeps what a server said on one line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())[:500]
