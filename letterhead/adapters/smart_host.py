"""The relay's smart host: hands messages to one SMTP server and returns its reply for each recipient.

Connections are used again while there is mail. A connection that breaks after the message went out counts as not taken,
so it is handed over again: a message may arrive twice, and none is lost.
"""

import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiosmtplib

from letterhead.adapters.smtp_client import SmtpClient, error_text
from letterhead.core.relay.queue import RecipientReply, ReplyClass
from letterhead.core.secret import Secret, reveal
from letterhead.ports.relay import RelayResult

SECONDS = 60.0  # for each step of the conversation
DATA_SECONDS = 600.0  # RFC 5321 4.5.3.2.6: whoever waits less sends twice what the server only inspects for long
IDLE = 5.0  # seconds after which a connection is not used again
# Replies by which a server refuses us rather than the message: no message may fail for them.
NOT_THE_MESSAGE = frozenset({421, 530, 534, 535, 538})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartHostAddress:
    """The smart host and its credentials; without TLS of either kind messages go in clear."""

    host: str
    port: int
    implicit_tls: bool
    starttls: bool
    helo: str
    user: str | None = None
    password: Secret | None = None
    seconds: float = SECONDS
    data_seconds: float = DATA_SECONDS
    trust: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context)  # checks chain and host name


class SmtpSmartHost:
    """The SMTP implementation of `SmartHost`."""

    def __init__(self, address: SmartHostAddress) -> None:
        self._address = address
        self._idle: list[tuple[SmtpClient, float]] = []

    async def hand_over(self, sender: str, recipients: Sequence[str], content: bytes, *, utf8: bool) -> RelayResult:
        """Hand one message over and return the reply for each recipient; a failure is a value, never raised."""
        try:
            client = await self._take_idle() or await self._connect()
        except (aiosmtplib.SMTPException, OSError) as error:  # ssl.SSLError is an OSError
            return RelayResult(reached=False, said=error_text(error))
        try:
            result = await _Transaction(client, self._address.data_seconds).run(sender, recipients, content, utf8)
        except BaseException:
            client.close()
            raise
        if result is None or not client.is_connected:
            client.close()
        else:
            self._idle.append((client, time.monotonic()))
        return result or RelayResult(reached=False, said="the smart host ended the connection")

    async def try_connection(self) -> RelayResult:
        """Do all that precedes a message, sign-in included, and send none."""
        try:
            client = await self._connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            return RelayResult(reached=False, said=error_text(error))
        self._idle.append((client, time.monotonic()))
        await self.close()
        return RelayResult(said="the server lets us in")

    async def close(self) -> None:
        """Close the open connections."""
        while self._idle:
            client, _ = self._idle.pop()
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=2.0)
            client.close()

    async def _take_idle(self) -> SmtpClient | None:
        """Return a connection that was used a moment ago and still answers; close the others."""
        while self._idle:
            client, since = self._idle.pop()
            if time.monotonic() - since < IDLE and client.is_connected:
                with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                    await client.rset()
                    return client
            client.close()
        return None

    async def _connect(self) -> SmtpClient:
        address = self._address
        client = SmtpClient(
            hostname=address.host,
            port=address.port,
            use_tls=address.implicit_tls,
            start_tls=address.starttls and not address.implicit_tls,  # required: no STARTTLS, no mail
            tls_context=address.trust() if address.implicit_tls or address.starttls else None,
            timeout=address.seconds,
            local_hostname=address.helo,
        )
        try:
            await client.connect()
            await client.ehlo()
            if address.user is not None and address.password is not None:
                await client.login(address.user, reveal(address.password).decode())
        except BaseException:
            client.close()
            raise
        return client


class _Transaction:
    """One message's mail transaction (RFC 5321 3.3), with the reply for each recipient."""

    def __init__(self, client: SmtpClient, data_seconds: float) -> None:
        self._client, self._data_seconds = client, data_seconds
        self._replies: dict[str, RecipientReply] = {}

    async def run(self, sender: str, recipients: Sequence[str], content: bytes, utf8: bool) -> RelayResult | None:
        """Return the replies; None where the server ended the connection before the message was offered."""
        missing = self._missing_extension(content, utf8)
        if missing is not None:
            return self._same_reply(recipients, ReplyClass.REFUSED, missing)
        options = [f"SIZE={len(content)}"] if self._client.supports_extension("size") else []
        options += [] if content.isascii() else ["BODY=8BITMIME"]
        options += ["SMTPUTF8"] if utf8 else []
        encoding = "utf-8" if utf8 else "ascii"
        try:
            await self._client.mail(sender, options=options, encoding=encoding)
        except aiosmtplib.SMTPResponseException as error:
            if error.code in NOT_THE_MESSAGE:
                return RelayResult(reached=False, said=error_text(error))
            return self._same_reply(recipients, _reply_class(error), error_text(error))
        except (aiosmtplib.SMTPException, OSError):
            return None
        try:
            accepted = [each for each in recipients if await self._rcpt(each, encoding)]
            if accepted:
                reply = await self._client.data(content, timeout=self._data_seconds)
                self._same_reply(accepted, ReplyClass.TAKEN, f"{reply.code} {reply.message}")
        except aiosmtplib.SMTPResponseException as error:
            self._same_reply(self._without_reply(recipients), _reply_class(error), error_text(error))
        except (aiosmtplib.SMTPException, OSError) as error:  # perhaps it was taken: then it arrives twice
            self._client.close()
            self._same_reply(self._without_reply(recipients), ReplyClass.LATER, error_text(error))
        return RelayResult(answers=self._replies)

    def _missing_extension(self, content: bytes, utf8: bool) -> str | None:
        """Return a reply for what the message needs and the server lacks: we change no text that may be signed."""
        if utf8 and not self._client.supports_extension("smtputf8"):
            return "5.6.7 the smart host does not take addresses in UTF-8 (RFC 6531)"
        if not content.isascii() and not self._client.supports_extension("8bitmime"):
            return "5.6.3 the smart host takes 7-bit text alone (RFC 6152)"
        return None

    async def _rcpt(self, recipient: str, encoding: str) -> bool:
        try:
            await self._client.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as error:
            self._replies[recipient] = RecipientReply(word=_reply_class(error), said=error_text(error))
            return False
        return True

    def _without_reply(self, recipients: Sequence[str]) -> list[str]:
        return [each for each in recipients if each not in self._replies]

    def _same_reply(self, recipients: Sequence[str], reply_class: ReplyClass, said: str) -> RelayResult:
        self._replies |= dict.fromkeys(recipients, RecipientReply(word=reply_class, said=said))
        return RelayResult(answers=self._replies)


def _reply_class(error: aiosmtplib.SMTPResponseException) -> ReplyClass:
    """Classify a refusal; RFC 5321 4.5.3.1.10: some say 552 for too many recipients, and mean later."""
    too_many = isinstance(error, aiosmtplib.SMTPRecipientRefused) and error.code == 552
    return ReplyClass.LATER if error.code < 500 or too_many or error.code in NOT_THE_MESSAGE else ReplyClass.REFUSED
