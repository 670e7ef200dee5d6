"""The delivery status notification (RFC 3464, RFC 6522) that reports a failure to the sender of a message."""

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
    """Return a delivery status notification in 7-bit ASCII; `name`, its own id, makes a boundary that no text has."""
    boundary = f"=_{name}"
    fields = {
        "From": f"Mail relay <mailer-daemon@{envelope.author}>",
        "To": envelope.reports_to,
        "Subject": "Your message could not be delivered",
        "Date": format_datetime(now),
        "Message-ID": f"<{name}@{envelope.author}>",
        "Auto-Submitted": "auto-replied",  # RFC 3834 5
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
    }
    text = [f"This is the mail relay at {host}. Your message was not delivered to:", ""]
    # RFC 3464 2: the fields of the message, then those of each recipient.
    groups = [[f"Reporting-MTA: dns; {host}", f"Arrival-Date: {format_datetime(envelope.accepted_at)}"]]
    for recipient, reply in failed.items():
        printable = "".join(sign if sign.isprintable() else " " for sign in reply.said)
        said, status = " ".join(printable.split())[:500], _STATUS.search(reply.said)
        text += [f"  {recipient}", f"    {said}", ""]
        groups.append(
            [
                f"Final-Recipient: rfc822; {recipient}",
                "Action: failed",
                f"Status: {status[1] if status else '5.0.0'}",
                f"Diagnostic-Code: smtp; {said}",
            ]
        )
    text += ["It will not be tried again. The header of the message is attached.", ""]
    head = content.partition(b"\r\n\r\n")[0][:HEAD_SHOWN].decode("ascii", "replace").replace("\ufffd", "?")
    parts = [
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + "\r\n".join(text),
        "Content-Type: message/delivery-status\r\n\r\n" + "\r\n".join("\r\n".join([*each, ""]) for each in groups),
        f"Content-Type: text/rfc822-headers\r\n\r\n{head}\r\n",
    ]
    header = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f"{header}\r\n{body}--{boundary}--\r\n".encode("ascii", "backslashreplace")
