"""One SMTP client's connection, over aiosmtpd: limits on octets and on connections, and the end of each.

aiosmtpd keeps the order of commands; it would accept what is refused here:

- A line that ends in LF alone, a CR alone, NUL (RFC 5321 2.3.8, 4.1.1.4): two servers that end a line, or a message, at
  different places can be made to see different messages. After one, nothing more is read from the client.
- Octets without end: within DATA aiosmtpd buffers them until a line ends.
- The parameter AUTH of MAIL FROM, which Postfix sends to whoever offers AUTH (RFC 4954 5): it is taken and not used.
"""

import asyncio
import logging
import re
import ssl
from typing import TYPE_CHECKING, cast

import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from letterhead.core.relay.submission import SubmissionRefused
from letterhead.operations.connection_limits import ConnectionLimits
from letterhead.operations.relay import SmtpEnvelope
from letterhead.relay.submission_handler import SmtpClientSession, SubmissionHandler

if TYPE_CHECKING:
    from letterhead.relay import RelaySettings

log = structlog.get_logger()
# It would write addresses, and lines of sign-ins, into our logs.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

_BARE_OCTETS = re.compile(rb"\0|(?<!\r)\n|\r(?!\n|\Z)")
_AUTH_PARAMETER = re.compile(r"(?i)(>(?: [^ ]+)*?) AUTH=[^ ]+")
CALLS = {"AUTH": 4, "EHLO": 20, "HELO": 20, "NOOP": 100, "HELP": 5, "VRFY": 5, "STARTTLS": 2, "*": 1_000_000}
ROOM = 64 * 1024  # octets beyond the largest message that are read, only to say that it is too large
TOO_MUCH_AT_ONCE = "421 4.3.1 More octets are being received than we hold at once; send it again in a minute."
CLOSING = "421 4.3.2 We are closing; send it again in a moment."


class SmtpConnections:
    """The open connections of all ports of the relay."""

    def __init__(self, settings: "RelaySettings", context: ssl.SSLContext | None) -> None:
        self.settings, self.context = settings, context
        self.limits = ConnectionLimits(settings.clients, settings.clients_each, settings.proxies)
        self._open: set[SmtpConnection] = set()
        self.closing = False
        self._empty = asyncio.Event()

    def add(self, connection: "SmtpConnection") -> bool:
        """Add a connection that was accepted just now; return False where there are too many."""
        if self.closing or not self.limits.add(connection.address):
            return False
        self._open.add(connection)
        return True

    def remove(self, connection: "SmtpConnection") -> None:
        """Remove a connection that ended; aiosmtpd may say so twice."""
        if connection in self._open:
            self._open.remove(connection)
            self.limits.remove(connection.address)
        if not self._open:
            self._empty.set()

    async def close_all(self, seconds: float) -> None:
        """Close all connections: one that receives a message after its reply, but within `seconds`."""
        self.closing = True
        for connection in list(self._open):
            connection.close_when_idle()
        if self._open:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                for connection in list(self._open):
                    connection.abort()


class SmtpConnection(SMTP):
    """One client's connection."""

    def __init__(self, connections: SmtpConnections, handler: SubmissionHandler, address: str, *, secure: bool) -> None:
        settings = connections.settings
        self._connections, self._handler, self._secure, self.address = connections, handler, secure, address
        self._client_transport: asyncio.WriteTransport | None = None
        self._last_octet = b""  # the last octet that came, where it is a CR
        self._in_data, self._octets, self._received = False, 0, 0
        self._has_bare_octets, self._is_closed = False, False
        super().__init__(
            _SmtpHooks(handler, secure=secure),
            data_size_limit=settings.max_size,
            enable_SMTPUTF8=True,
            hostname=handler.host,
            ident="ESMTP Letterhead",
            tls_context=None if secure else connections.context,
            timeout=settings.timeout,
            auth_require_tls=not secure and not settings.in_clear,
            # Passes the credentials to `_finish_auth`, which may wait for the database. handled=False lets aiosmtpd
            # reply 535 itself; otherwise a refused client waits for ever.
            authenticator=lambda *given: AuthResult(success=False, handled=False, auth_data=given[-1]),
            command_call_limit=CALLS,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a connection; aiosmtpd calls this again after STARTTLS."""
        self._client_transport = cast("asyncio.WriteTransport", transport)  # uvloop's own are no subclass
        self._last_octet, self._octets = b"", 0
        super().connection_made(transport)
        assert self._handler_coroutine is not None  # noqa: S101 made just now
        # Retrieved, so that asyncio logs nothing: a client that disconnects is no error.
        self._handler_coroutine.add_done_callback(lambda task: task.cancelled() or task.exception())

    def connection_lost(self, error: Exception | None) -> None:
        """End a connection; aiosmtpd may call this twice, where STARTTLS failed."""
        self._connections.remove(self)
        if not self._is_closed:
            self._is_closed = True
            super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """End a connection that the client closed."""
        return False if self._is_closed else super().eof_received()

    def data_received(self, data: bytes) -> None:
        """Pass octets to aiosmtpd; bare CR, LF or NUL, and too many octets, end the connection."""
        if self._is_closed or (self._has_bare_octets and not self._in_data):
            return
        if _BARE_OCTETS.search(self._last_octet + data):
            self._has_bare_octets = True
            if not self._in_data:
                self._reply_and_close("500 5.5.2 A line ends in CR LF, and holds neither alone, nor NUL.")
                return
        self._last_octet = data[-1:] if data.endswith(b"\r") else b""
        self._octets += len(data)
        if self._in_data and self._octets > 2 * (self._connections.settings.max_size + ROOM):
            self._reply_and_close("552 5.3.4 The message is too large.")
            return
        if self._in_data and not self._handler.receive(_session_of(self.session), len(data)):
            self._received += len(data)
            self._reply_and_close(TOO_MUCH_AT_ONCE)
            return
        self._received += len(data) if self._in_data else 0
        super().data_received(data)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 aiosmtpd's own names, here and below
        """Handle MAIL FROM, without its parameter AUTH."""
        await super().smtp_MAIL(arg and _AUTH_PARAMETER.sub(r"\1", arg))

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Handle DATA; close the connection after the reply where it must end."""
        self._in_data, self._octets, self._received = True, 0, 0
        client = _session_of(self.session)
        try:
            await super().smtp_DATA(arg)
        finally:
            self._in_data = False
            self._handler.end_receiving(client, self._received)
        if self._has_bare_octets or self._connections.closing:
            self._reply_and_close(CLOSING)

    async def auth_PLAIN(self, _: object, args: list[str]) -> AuthResult:  # noqa: N802
        """Handle AUTH PLAIN."""
        return await self._finish_auth(await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: object, args: list[str]) -> AuthResult:  # noqa: N802
        """Handle AUTH LOGIN."""
        return await self._finish_auth(await super().auth_LOGIN(_, args))

    async def _finish_auth(self, result: AuthResult) -> AuthResult:
        """Check the credentials that aiosmtpd read; where it refused already, its reply stands."""
        credentials = result.auth_data
        if result.success or not isinstance(credentials, LoginPassword):
            return result
        try:
            user, key = (each.decode("utf-8", "replace") for each in (credentials.login, credentials.password))
            client = await self._handler.sign_in(user, key, self.address)
        except SubmissionRefused as refusal:
            return AuthResult(success=False, handled=False, message=refusal.reply.text())
        return AuthResult(success=True, auth_data=client)

    async def handle_exception(self, error: Exception) -> str:
        """Return the reply to an error of ours, without its details."""
        log.error("conversation.broken", exc_info=error)
        return "451 4.3.0 Something went wrong here; send it again in a minute."

    @property
    def has_bare_octets(self) -> bool:
        """Whether the client sent CR or LF alone, or NUL."""
        return self._has_bare_octets

    def close_when_idle(self) -> None:
        """Close the connection, unless a message is being received."""
        if not self._in_data:
            self._reply_and_close(CLOSING)

    def abort(self) -> None:
        """Close the connection without a reply."""
        if self._client_transport is not None:
            self._client_transport.abort()

    def _reply_and_close(self, line: str) -> None:
        if self._client_transport is not None and not self._client_transport.is_closing():
            self._client_transport.write(line.encode() + b"\r\n")
            self._client_transport.close()


class _SmtpHooks:
    """The hooks that aiosmtpd calls for each command; each returns the reply."""

    def __init__(self, handler: SubmissionHandler, *, secure: bool) -> None:
        self._handler, self._secure = handler, secure

    async def handle_MAIL(  # noqa: N802
        self, _: SmtpConnection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Return the reply to MAIL FROM."""
        try:
            sender = await self._handler.sender(_session_of(session), address)
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
        """Return the reply to RCPT TO."""
        try:
            recipient = self._handler.recipient(address, len(envelope.rcpt_tos))
        except SubmissionRefused as refusal:
            return refusal.reply.text()
        if not recipient.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 An address that is not ASCII needs SMTPUTF8 in MAIL FROM."
        if recipient not in envelope.rcpt_tos:
            envelope.rcpt_tos.append(recipient)
        return "250 2.1.5 OK"

    async def handle_DATA(self, connection: SmtpConnection, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Return the reply to a message."""
        client, content = _session_of(session), envelope.original_content
        if connection.has_bare_octets or client is None or content is None:
            return "550 5.6.0 A line of the message holds CR or LF alone, or NUL (RFC 5321 2.3.8): send CR LF."
        tls = "S" if self._secure or session.ssl is not None else ""
        given = SmtpEnvelope(
            sender="" if envelope.mail_from in (None, "<>") else str(envelope.mail_from),
            recipients=tuple(envelope.rcpt_tos),
            utf8=envelope.smtp_utf8,
            helo=session.host_name or "",
            address=connection.address,
            protocol=f"{'UTF8SMTP' if envelope.smtp_utf8 else 'ESMTP'}{tls}A",  # RFC 3848, RFC 6531 4.3
        )
        return (await self._handler.message(client, given, content)).text()


def _session_of(session: Session | None) -> SmtpClientSession | None:
    found: object = getattr(session, "auth_data", None)
    return found if isinstance(found, SmtpClientSession) else None
