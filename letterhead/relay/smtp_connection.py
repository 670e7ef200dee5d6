"""Knows how a client's connection runs, over aiosmtpd: what octets may come, who is too many, how one is sent away.

aiosmtpd keeps the order of commands; what is refused here it would let pass:

- A line that ends in LF alone, a CR alone, NUL (RFC 5321 2.3.8, 4.1.1.4): two servers that end a line, or a message, at
  different places can be made to see different messages. Whoever sends one is not listened to any longer.
- Octets without end: within DATA aiosmtpd keeps what comes as long as no line ends.
- The parameter AUTH of MAIL FROM, which Postfix sends to whoever offers AUTH (RFC 4954 5): it is taken and not used.
"""

import asyncio
import logging
import re
import ssl
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from letterhead.core.relay.submission import SubmissionRefused
from letterhead.operations.relay import SmtpEnvelope
from letterhead.relay.submission_handler import SmtpClientSession, SubmissionHandler

if TYPE_CHECKING:
    from letterhead.relay import RelaySettings

log = structlog.get_logger()
# It would write addresses, and lines of sign-ins, into our logs.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

_SPOILT = re.compile(rb"\0|(?<!\r)\n|\r(?!\n|\Z)")
_AUTH_PARAMETER = re.compile(r"(?i)(>(?: [^ ]+)*?) AUTH=[^ ]+")
CALLS = {"AUTH": 4, "EHLO": 20, "HELO": 20, "NOOP": 100, "HELP": 5, "VRFY": 5, "STARTTLS": 2, "*": 1_000_000}
ROOM = 64 * 1024  # octets beyond the largest message that are read, only to say that it is too large
CLOSING = "421 4.3.2 We are closing; send it again in a moment."


class SmtpConnections:
    """Counts the connections that are open, and ends them."""

    def __init__(self, settings: "RelaySettings", context: ssl.SSLContext | None) -> None:
        self.settings, self.context = settings, context
        self._open: set[SmtpConnection] = set()
        self._each: Counter[str] = Counter()
        self.leaving = False
        self._empty = asyncio.Event()

    def enter(self, door: "SmtpConnection") -> bool:
        """Lets a connection in, unless there are too many."""
        settings = self.settings
        if self.leaving or len(self._open) >= settings.clients or self._each[door.address] >= settings.clients_each:
            return False
        self._open.add(door)
        self._each[door.address] += 1
        return True

    def exit(self, door: "SmtpConnection") -> None:
        """Notes that a connection is over."""
        if door in self._open:
            self._open.remove(door)
            self._each[door.address] -= 1
            if not self._each[door.address]:
                del self._each[door.address]
        if not self._open:
            self._empty.set()

    async def leave(self, seconds: float) -> None:
        """Sends all clients away; those who are sending a message when they have their reply."""
        self.leaving = True
        for door in list(self._open):
            door.leave()
        if self._open:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                for door in list(self._open):
                    door.abort()


class SmtpConnection(SMTP):
    """Runs one client's connection."""

    def __init__(self, doors: SmtpConnections, letterbox: SubmissionHandler, *, secure: bool) -> None:
        settings = doors.settings
        self._doors, self._letterbox, self._secure = doors, letterbox, secure
        self.address = "unknown"
        self._wire: asyncio.WriteTransport | None = None
        self._before = b""  # the last octet that came, where it is a CR
        self._in_data, self._octets = False, 0
        self._spoilt, self._in, self._left = False, False, False
        super().__init__(
            _SmtpHooks(letterbox, secure=secure),
            data_size_limit=settings.max_size,
            enable_SMTPUTF8=True,
            hostname=letterbox.host,
            ident="ESMTP Letterhead",
            tls_context=None if secure else doors.context,
            timeout=settings.timeout,
            auth_require_tls=not secure and not settings.in_clear,
            authenticator=_as_given,
            command_call_limit=CALLS,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins a connection, and once more when it turns to TLS."""
        self._wire = wire = cast("asyncio.WriteTransport", transport)  # uvloop's own are no subclass
        self._before, self._octets = b"", 0
        if not self._in:
            self.address = str((transport.get_extra_info("peername") or ["unknown"])[0])
            self._in = self._doors.enter(self)
        if not self._in:
            self._left = True
            wire.write(b"421 4.7.0 Too many connections; come back in a moment.\r\n")
            wire.close()
            return
        super().connection_made(transport)
        assert self._handler_coroutine is not None  # noqa: S101 made just now
        self._handler_coroutine.add_done_callback(_seen)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends a connection; aiosmtpd may say so twice, where the turn to TLS failed."""
        self._doors.exit(self)
        if not self._left:
            self._left = True
            super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """Ends a connection that the client ended."""
        return False if self._left else super().eof_received()

    def data_received(self, data: bytes) -> None:
        """Takes octets, in clear or out of TLS; some of them end the conversation."""
        if self._left or (self._spoilt and not self._in_data):
            return
        if _SPOILT.search(self._before + data):
            self._spoilt = True
            if not self._in_data:
                self._say_and_close("500 5.5.2 A line ends in CR LF, and holds neither alone, nor NUL.")
                return
        self._before = data[-1:] if data.endswith(b"\r") else b""
        self._octets += len(data)
        if self._in_data and self._octets > 2 * (self._doors.settings.max_size + ROOM):
            self._say_and_close("552 5.3.4 The message is too large.")
            return
        super().data_received(data)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 aiosmtpd's own names, here and below
        """Takes MAIL FROM."""
        await super().smtp_MAIL(arg and _AUTH_PARAMETER.sub(r"\1", arg))

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Takes a message; who must leave does so after the reply."""
        self._in_data, self._octets = True, 0
        try:
            await super().smtp_DATA(arg)
        finally:
            self._in_data = False
        if self._spoilt or self._doors.leaving:
            self._say_and_close(CLOSING)

    async def auth_PLAIN(self, _: object, args: list[str]) -> AuthResult:  # noqa: N802
        """Takes AUTH PLAIN."""
        return await self._judged(await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: object, args: list[str]) -> AuthResult:  # noqa: N802
        """Takes AUTH LOGIN."""
        return await self._judged(await super().auth_LOGIN(_, args))

    async def _judged(self, given: AuthResult) -> AuthResult:
        """Looks up who signs in; what went wrong before that was said already."""
        words = given.auth_data
        if given.success or not isinstance(words, LoginPassword):
            return given
        try:
            user, key = words.login.decode("utf-8", "replace"), words.password.decode("utf-8", "replace")
            visitor = await self._letterbox.sign_in(user, key, self.address)
        except SubmissionRefused as refusal:
            return AuthResult(success=False, handled=False, message=refusal.reply.text())
        return AuthResult(success=True, auth_data=visitor)

    async def handle_exception(self, error: Exception) -> str:
        """Says that something went wrong here, and nothing of what."""
        log.error("conversation.broken", exc_info=error)
        return "451 4.3.0 Something went wrong here; send it again in a minute."

    @property
    def spoilt(self) -> bool:
        """Says whether octets came that no line holds."""
        return self._spoilt

    def leave(self) -> None:
        """Sends the client away, unless a message is coming in."""
        if not self._in_data:
            self._say_and_close(CLOSING)

    def abort(self) -> None:
        """Ends the connection without a word."""
        if self._wire is not None:
            self._wire.abort()

    def _say_and_close(self, line: str) -> None:
        if self._wire is not None and not self._wire.is_closing():
            self._wire.write(line.encode() + b"\r\n")
            self._wire.close()


class _SmtpHooks:
    """Answers aiosmtpd, step by step (its hooks)."""

    def __init__(self, letterbox: SubmissionHandler, *, secure: bool) -> None:
        self._letterbox, self._secure = letterbox, secure

    async def handle_MAIL(  # noqa: N802
        self, _: SmtpConnection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answers MAIL FROM."""
        try:
            sender = await self._letterbox.sender(_visitor(session), address)
        except SubmissionRefused as refusal:
            return refusal.reply.text()
        if not sender.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 An address that is not ASCII needs SMTPUTF8 in MAIL FROM."
        envelope.mail_from = sender or "<>"
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, _: SmtpConnection, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        """Answers RCPT TO."""
        try:
            recipient = self._letterbox.recipient(address, len(envelope.rcpt_tos))
        except SubmissionRefused as refusal:
            return refusal.reply.text()
        if not recipient.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 An address that is not ASCII needs SMTPUTF8 in MAIL FROM."
        if recipient not in envelope.rcpt_tos:
            envelope.rcpt_tos.append(recipient)
        return "250 2.1.5 OK"

    async def handle_DATA(self, door: SmtpConnection, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answers a message."""
        visitor, content = _visitor(session), envelope.original_content
        if door.spoilt or visitor is None or content is None:
            return "550 5.6.0 A line of the message holds CR or LF alone, or NUL (RFC 5321 2.3.8): send CR LF."
        given = SmtpEnvelope(
            sender="" if envelope.mail_from in (None, "<>") else str(envelope.mail_from),
            recipients=tuple(envelope.rcpt_tos),
            utf8=envelope.smtp_utf8,
            helo=session.host_name or "",
            address=door.address,
            protocol=self._protocol(session, envelope),
        )
        return (await self._letterbox.message(visitor, given, content)).text()

    def _protocol(self, session: Session, envelope: Envelope) -> str:
        """Names how the message came: RFC 3848, RFC 6531 4.3."""
        tls = "S" if self._secure or session.ssl is not None else ""
        return f"{'UTF8SMTP' if envelope.smtp_utf8 else 'ESMTP'}{tls}A"


def _visitor(session: Session) -> SmtpClientSession | None:
    found: object = getattr(session, "auth_data", None)
    return found if isinstance(found, SmtpClientSession) else None


def _as_given(_: SMTP, __: Session, ___: Envelope, ____: str, words: Any) -> AuthResult:
    """Hands what was presented on to `Door._judged`, which may wait for the database.

    handled=False lets aiosmtpd answer 535 itself; otherwise a refused client waits for ever.
    """
    return AuthResult(success=False, handled=False, auth_data=words)


def _seen(task: "asyncio.Task[None]") -> None:
    """Takes note of how a conversation ended, which is nobody's business: a client that goes is no error."""
    if not task.cancelled():
        task.exception()
