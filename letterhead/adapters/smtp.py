"""Speaks SMTP to one mail server: hands a letter over and tells what became of it. Knows not why a letter is written.

What fails before the message itself went out is clear: nobody took it. What breaks off later is not.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import aiosmtplib

from letterhead.core.schedule.reminder_mail import Email
from letterhead.core.secret import Secret, reveal
from letterhead.ports.mail import DeliveryResult, SendResult

SECONDS = 20.0  # for each step of the conversation
WIRE = SMTP.clone(cte_type="7bit")  # not every server takes 8BITMIME


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Says where mail is handed over and from whom it comes; without TLS of either kind it goes in clear."""

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
    """Hands letters to a mail server, each over a connection of its own."""

    def __init__(self, server: MailServer, now: Callable[[], datetime]) -> None:
        self._server, self._now = server, now

    async def send(self, letter: Email) -> SendResult:
        """Hands one message over; trouble is a value, never raised."""
        octets = self.message(letter).as_bytes(policy=WIRE)
        bounces = letter.bounces or self._server.sender
        return await self._visit(lambda client: self._hand(client, bounces, letter.to, octets))

    async def try_connection(self) -> SendResult:
        """Goes as far as a message would, sign-in and all, and sends none."""
        return await self._visit(_nothing)

    async def _visit(self, deed: Callable[[aiosmtplib.SMTP], Awaitable[SendResult]]) -> SendResult:
        client = self._client()
        try:
            await client.connect()
            await self._sign_in(client)
        except (aiosmtplib.SMTPException, OSError) as error:  # ssl.SSLError is an OSError
            client.close()
            return SendResult(post=DeliveryResult.LATER, said=_said(error))
        try:
            return await deed(client)
        finally:
            await _farewell(client)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.implicit_tls,
            start_tls=server.starttls and not server.implicit_tls,  # required: no STARTTLS, no mail
            tls_context=server.trust() if server.implicit_tls or server.starttls else None,
            timeout=server.seconds,
            local_hostname=server.sender.rpartition("@")[2],
        )

    async def _sign_in(self, client: aiosmtplib.SMTP) -> None:
        user, password = self._server.user, self._server.password
        if user is not None and password is not None:
            await client.login(user, reveal(password).decode())

    async def _hand(self, client: aiosmtplib.SMTP, bounces: str, to: str, octets: bytes) -> SendResult:
        try:
            await client.mail(bounces)
            await client.rcpt(to)
        except (aiosmtplib.SMTPException, OSError) as error:
            return SendResult(post=_before(error), said=_said(error))
        try:
            answer = await client.data(octets)
        except aiosmtplib.SMTPResponseException as error:  # the server's own word: it did not take it
            return SendResult(
                post=DeliveryResult.LATER if error.code < 500 else DeliveryResult.REFUSED, said=_said(error)
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            return SendResult(post=DeliveryResult.UNKNOWN, said=_said(error))
        return SendResult(post=DeliveryResult.ACCEPTED, said=f"{answer.code} {answer.message}")

    def message(self, letter: Email) -> EmailMessage:
        """Writes a letter as RFC 5322 has it; a line break in any header raises ValueError."""
        server, message = self._server, EmailMessage(policy=WIRE)
        for name, value in self._headers(letter).items():
            message[name] = value
        name = server.sender_name if letter.sender is None else ""
        message["From"] = Address(name, addr_spec=letter.sender or server.sender)
        message["To"] = Address(addr_spec=letter.to)
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message

    def _headers(self, letter: Email) -> Mapping[str, str]:
        host = (letter.sender or self._server.sender).rpartition("@")[2]
        headers = {
            "Subject": letter.subject,
            "Date": format_datetime(self._now().astimezone(UTC)),
            "Message-ID": f"<{letter.name}@{host}>",
            "Auto-Submitted": "auto-generated",  # RFC 3834 5: no out-of-office answers
        }
        if letter.unsubscribe is None:
            return headers
        one_click = "List-Unsubscribe=One-Click"  # RFC 8058 3.1
        return headers | {"List-Unsubscribe": f"<{letter.unsubscribe}>", "List-Unsubscribe-Post": one_click}


async def _nothing(_client: aiosmtplib.SMTP) -> SendResult:
    return SendResult(post=DeliveryResult.ACCEPTED, said="the server lets us in")


async def _farewell(client: aiosmtplib.SMTP) -> None:
    """Says goodbye; what comes of that changes nothing any more."""
    try:
        await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _before(error: Exception) -> DeliveryResult:
    """Judges a refusal before the message: for good only where the server says so of this recipient."""
    refused = isinstance(error, aiosmtplib.SMTPRecipientRefused) and error.code >= 500
    return DeliveryResult.REFUSED if refused else DeliveryResult.LATER


def _said(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"[:500]
    return (str(error) or type(error).__name__)[:500]
