"""Knows how to answer what never becomes a request: broken bytes, a head too large, a peer too slow.

Refuses to know routes and operations: by the time one of those is called, this module has nothing more to say.
"""

import asyncio
from typing import NamedTuple
from uuid import uuid4

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES, HEAD_FIELDS = 16_384, 64
MESSAGE_SECONDS, LINGER_SECONDS, STOP_SECONDS = 10.0, 1.0, 0.3


class Refusal(NamedTuple):
    status: int
    code: str
    message: str
    fix: str


MALFORMED = Refusal(
    400, "request-malformed", "The bytes received are not a valid HTTP request.", "Use an HTTP library."
)
HEAD_TOO_LARGE = Refusal(
    431, "headers-too-large", f"The head is over {HEAD_BYTES} bytes or {HEAD_FIELDS} fields.", "Send less of it."
)
TOO_SLOW = Refusal(408, "request-too-slow", f"The request took over {MESSAGE_SECONDS:g} s.", "Send it in one go.")


class EnvelopeProtocol(HttpToolsProtocol):
    """Answers protocol faults with the envelope, bounds a request's head and time, stops without cutting replies."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment] # uvicorn sets None and says otherwise
    head_bytes = 0
    in_head = in_message = refused = stopping = False
    why: Refusal = MALFORMED
    owed: Refusal | None = None
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.deadline = self.loop.call_later(MESSAGE_SECONDS, self.expire)

    def connection_lost(self, exc: Exception | None) -> None:
        self.clear_deadline()
        self._unset_keepalive_if_required()  # uvicorn leaves it armed after a reset
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return  # lingering: read and dropped
        self.head_bytes += 0 if self.in_message and not self.in_head else len(data)
        super().data_received(data)
        if self.closing():
            return
        if self.in_head and self.head_bytes > HEAD_BYTES:
            self.refuse(HEAD_TOO_LARGE)
        elif not self.in_message:
            self.clear_deadline()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(MESSAGE_SECONDS, self.expire)

    def on_message_begin(self) -> None:
        self.in_head = self.in_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEAD_FIELDS:
            self.why = HEAD_TOO_LARGE
            raise ValueError(self.why.code)
        version, hosts = self.parser.get_http_version(), [name for name, _ in self.headers].count(b"host")
        # RFC 9112 3.2: exactly one Host in 1.1; llhttp would also let 0.9 and 2.0 through.
        if version not in ("1.0", "1.1") or hosts > 1 or (version == "1.1" and not hosts):
            raise ValueError(self.why.code)
        super().on_headers_complete()
        self.in_head, self.head_bytes = False, 0
        if self.stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self.in_message, self.head_bytes = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        if last and self.owed:
            self.answer(self.owed)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 the name is uvicorn's
        self.refuse(self.why)

    def _unsupported_upgrade_warning(self) -> None:
        """Stays silent: an upgrade that we do not speak is answered as the plain request that it also is."""

    def closing(self) -> bool:
        """Says whether the last answer was given."""
        return self.refused or self.transport.is_closing()

    def clear_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def expire(self) -> None:
        self.deadline = None
        if self.in_message:
            self.refuse(TOO_SLOW)
        elif self.cycle is None:  # never sent a byte
            self.transport.close()

    def refuse(self, refusal: Refusal) -> None:
        """Answers with `refusal` where the peer expects a reply: after those under way, never in the middle of one."""
        self.refused = True
        self.clear_deadline()
        cycle = self.cycle
        if cycle is None or (self.in_head and cycle.response_complete):
            self.answer(refusal)
        elif self.in_head or not self.in_message:
            self.owed = refusal
        elif cycle.response_complete:  # a reply was sent before the body ended: nothing is owed
            self.transport.close()
        elif cycle.response_started:
            cycle.keep_alive = False
        elif self.pipeline:  # this request waits for its turn
            self.pipeline.popleft()
            self.owed = refusal
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self.answer(refusal)

    def answer(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        self.owed, tracking = None, str(uuid4())
        error = {"code": refusal.code, "message": refusal.message, "fix": refusal.fix}
        body = msgspec.json.encode({"trackingId": tracking, "error": error})
        fields = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-tracking-id: {tracking}\r\n"
        self.transport.write(STATUS_LINE[refusal.status] + fields.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.write_eof()
        self.flow.resume_reading()
        # RFC 9112 9.6: closing over unread bytes would reset the connection and lose the reply.
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def shutdown(self) -> None:
        """Ends after the replies under way; gives an idle peer a moment to have a last request answered."""
        self.stopping = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(STOP_SECONDS, self.close_if_idle)

    def close_if_idle(self) -> None:
        if not self.in_message and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
