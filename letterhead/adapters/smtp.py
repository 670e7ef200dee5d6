"""The mailer: hands the service's own e-mails to one SMTP server, each over a connection of its own.

A failure before the message went out is clear: nobody took it. After that it is not.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import aiosmtplib

from letterhead.adapters.smtp_client import SmtpClient, error_text
from letterhead.core.schedule.reminder_mail import Email
from letterhead.core.secret import Secret, reveal
from letterhead.ports.mail import DeliveryResult, SendResult

SECONDS = 20.0  # for each step of the conversation
WIRE = SMTP.clone(cte_type="7bit")  # not every server takes 8BITMIME


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server and the sender of our e-mails; without TLS of either kind they go in clear."""

    host: str
    port: int
    implicit_tls: bool
    starttls: bool
    sender: str
    sender_name: str = ""
    user: str | None = None
    password: Secret | None = None
    seconds: float = SECONDS
    trust: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context)  # checks chain and host name


class SmtpMailer:
    """The SMTP implementation of `Mailer`."""

    def __init__(self, server: MailServer, now: Callable[[], datetime]) -> None:
        self._server, self._now = server, now

    async def send(self, letter: Email) -> SendResult:
        """Hand one message over; a failure is a value, never raised."""
        return await self._deliver(letter)

    async def try_connection(self) -> SendResult:
        """Do all that precedes a message, sign-in included, and send none."""
        return await self._deliver(None)

    async def _deliver(self, letter: Email | None) -> SendResult:
        server = self._server
        octets = b"" if letter is None else self.message(letter).as_bytes(policy=WIRE)
        client = SmtpClient(
            hostname=server.host,
            port=server.port,
            use_tls=server.implicit_tls,
            start_tls=server.starttls and not server.implicit_tls,  # required: no STARTTLS, no mail
            tls_context=server.trust() if server.implicit_tls or server.starttls else None,
            timeout=server.seconds,
            local_hostname=server.sender.rpartition("@")[2],
        )
        try:
            await client.connect()
            if server.user is not None and server.password is not None:
                await client.login(server.user, reveal(server.password).decode())
        except (aiosmtplib.SMTPException, OSError) as error:  # ssl.SSLError is an OSError
            client.close()
            return SendResult(result=DeliveryResult.LATER, said=error_text(error))
        try:
            if letter is None:
                return SendResult(result=DeliveryResult.ACCEPTED, said="the server lets us in")
            return await _hand_over(client, letter.bounces or server.sender, letter.to, octets)
        finally:
            try:
                await client.quit()
            except (aiosmtplib.SMTPException, OSError):  # it changes nothing any more
                client.close()

    def message(self, letter: Email) -> EmailMessage:
        """Return an e-mail as an RFC 5322 message; raise ValueError for a line break in any header."""
        server, message = self._server, EmailMessage(policy=WIRE)
        sender = letter.sender or server.sender
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(self._now().astimezone(UTC))
        message["Message-ID"] = f"<{letter.name}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: no out-of-office answers
        if letter.unsubscribe is not None:
            message["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058 3.1
        message["From"] = Address(server.sender_name if letter.sender is None else "", addr_spec=sender)
        message["To"] = Address(addr_spec=letter.to)
        if letter.reply_to is not None:
            message["Reply-To"] = Address(addr_spec=letter.reply_to)
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message


async def _hand_over(client: SmtpClient, bounces: str, to: str, octets: bytes) -> SendResult:
    try:
        await client.mail(bounces)
        await client.rcpt(to)
    except (aiosmtplib.SMTPException, OSError) as error:
        # Refused for good only where the server says so of this recipient.
        refused = isinstance(error, aiosmtplib.SMTPRecipientRefused) and error.code >= 500
        return SendResult(result=DeliveryResult.REFUSED if refused else DeliveryResult.LATER, said=error_text(error))
    try:
        reply = await client.data(octets)
    except aiosmtplib.SMTPResponseException as error:  # the server's own reply: it did not take the message
        return SendResult(
            result=DeliveryResult.LATER if error.code < 500 else DeliveryResult.REFUSED, said=error_text(error)
        )
    except (aiosmtplib.SMTPException, OSError) as error:
        return SendResult(result=DeliveryResult.UNKNOWN, said=error_text(error))
    return SendResult(result=DeliveryResult.ACCEPTED, said=f"{reply.code} {reply.message}")
