"""Speaks SMTP to the relay's smart host: hands messages over and tells what it said for each recipient.

Connections are used again while there is mail. What breaks off after the message went out counts as not taken, so it is
handed over again: a message may arrive twice, and none is lost.
"""

import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiosmtplib

from letterhead.core.relay.queue import RecipientReply, ReplyClass
from letterhead.core.secret import Secret, reveal
from letterhead.ports.relay import RelayResult

SECONDS = 60.0  # for each step of the conversation
DATA_SECONDS = 600.0  # RFC 5321 4.5.3.2.6: whoever waits less sends twice what is only looked at for long
IDLE = 5.0  # seconds after which a connection is not used again
# What a server says when it does not want us, rather than the message: of these nobody's mail may die.
NOT_THE_MESSAGE = frozenset({421, 530, 534, 535, 538})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartHostAddress:
    """Says where messages are handed over and by whom; without TLS of either kind they go in clear."""

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
    """Hands messages to one server (implements `ports.SmartHost`)."""

    def __init__(self, address: SmartHostAddress) -> None:
        self._address = address
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []

    async def hand_over(self, sender: str, recipients: Sequence[str], content: bytes, *, utf8: bool) -> RelayResult:
        """Hands one message over and tells what was said for each recipient; trouble is a value, never raised."""
        try:
            client = await self._connected()
        except (aiosmtplib.SMTPException, OSError) as error:  # ssl.SSLError is an OSError
            return RelayResult(reached=False, said=_said(error))
        try:
            handover = await _Transaction(client, self._address.data_seconds).run(sender, recipients, content, utf8)
        except BaseException:
            client.close()
            raise
        if handover is None or not client.is_connected:
            client.close()
        else:
            self._idle.append((client, time.monotonic()))
        return handover or RelayResult(reached=False, said="the smart host ended the connection")

    async def close(self) -> None:
        """Ends the connections that are open."""
        while self._idle:
            await _farewell(self._idle.pop()[0])

    async def _connected(self) -> aiosmtplib.SMTP:
        """Takes a connection that was used a moment ago and still answers, or makes one."""
        while self._idle:
            client, since = self._idle.pop()
            if time.monotonic() - since < IDLE and client.is_connected:
                try:
                    await client.rset()
                except (aiosmtplib.SMTPException, OSError):
                    client.close()
                else:
                    return client
            else:
                client.close()
        return await self._fresh()

    async def _fresh(self) -> aiosmtplib.SMTP:
        address = self._address
        client = aiosmtplib.SMTP(
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
    """Runs one message's conversation, and keeps what was said for each recipient."""

    def __init__(self, client: aiosmtplib.SMTP, data_seconds: float) -> None:
        self._client, self._data_seconds = client, data_seconds
        self._answers: dict[str, RecipientReply] = {}

    async def run(self, sender: str, recipients: Sequence[str], content: bytes, utf8: bool) -> RelayResult | None:
        """Gives the answers; None where the server ended the connection before it heard of the message."""
        lacking = self._lacking(content, utf8)
        if lacking is not None:
            return self._same(recipients, ReplyClass.REFUSED, lacking)
        try:
            await self._mail(sender, len(content), content, utf8)
        except aiosmtplib.SMTPResponseException as error:
            if error.code in NOT_THE_MESSAGE:
                return RelayResult(reached=False, said=_said(error))
            return self._same(recipients, _word(error), _said(error))
        except (aiosmtplib.SMTPException, OSError):
            return None
        return await self._rest(recipients, content, utf8)

    def _lacking(self, content: bytes, utf8: bool) -> str | None:
        """Says what the message needs and the server does not offer: we change no text that others may have signed."""
        if utf8 and not self._client.supports_extension("smtputf8"):
            return "5.6.7 the smart host does not take addresses in UTF-8 (RFC 6531)"
        if not content.isascii() and not self._client.supports_extension("8bitmime"):
            return "5.6.3 the smart host takes 7-bit text alone (RFC 6152)"
        return None

    async def _mail(self, sender: str, size: int, content: bytes, utf8: bool) -> None:
        options = [f"SIZE={size}"] if self._client.supports_extension("size") else []
        options += [] if content.isascii() else ["BODY=8BITMIME"]
        options += ["SMTPUTF8"] if utf8 else []
        await self._client.mail(sender, options=options, encoding="utf-8" if utf8 else "ascii")

    async def _rest(self, recipients: Sequence[str], content: bytes, utf8: bool) -> RelayResult:
        try:
            accepted = [each for each in recipients if await self._rcpt(each, utf8)]
            if accepted:
                reply = await self._client.data(content, timeout=self._data_seconds)
                self._same(accepted, ReplyClass.TAKEN, f"{reply.code} {reply.message}")
        except aiosmtplib.SMTPResponseException as error:
            self._same(self._open(recipients), _word(error), _said(error))
        except (aiosmtplib.SMTPException, OSError) as error:  # perhaps it was taken: then it arrives twice
            self._client.close()
            self._same(self._open(recipients), ReplyClass.LATER, _said(error))
        return RelayResult(answers=self._answers)

    def _open(self, recipients: Sequence[str]) -> list[str]:
        return [each for each in recipients if each not in self._answers]

    async def _rcpt(self, recipient: str, utf8: bool) -> bool:
        try:
            await self._client.rcpt(recipient, encoding="utf-8" if utf8 else "ascii")
        except aiosmtplib.SMTPRecipientRefused as error:
            self._answers[recipient] = RecipientReply(word=_word(error), said=_said(error))
            return False
        return True

    def _same(self, recipients: Sequence[str], word: ReplyClass, said: str) -> RelayResult:
        self._answers |= dict.fromkeys(recipients, RecipientReply(word=word, said=said))
        return RelayResult(answers=self._answers)


def _word(error: aiosmtplib.SMTPResponseException) -> ReplyClass:
    """Judges a refusal; RFC 5321 4.5.3.1.10: some say 552 for too many recipients, and mean later."""
    too_many = isinstance(error, aiosmtplib.SMTPRecipientRefused) and error.code == 552
    return ReplyClass.LATER if error.code < 500 or too_many or error.code in NOT_THE_MESSAGE else ReplyClass.REFUSED


def _said(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"[:500]
    return (str(error) or type(error).__name__)[:500]


async def _farewell(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=2.0)
    client.close()
