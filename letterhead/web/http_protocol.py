"""Responses to protocol errors, before any route is called: malformed octets, a head too large, a peer too slow.

Of uvicorn it uses httptools' callbacks, asyncio's, `send_400_response`, `on_response_complete` and `shutdown`, and the
attributes `headers`, `url` and `cycle.response_started`; tests/web/test_http_protocol.py is run with the lowest and
the highest version allowed.
"""

import asyncio
import socket
from http import HTTPStatus
from typing import NamedTuple
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from letterhead.errors import Fault, Kind
from letterhead.operations.connection_limits import UNIX_PEER
from letterhead.web import CONNECTION_LIMITS, errors

HEAD_BYTES, HEAD_FIELDS = 16_384, 64
MESSAGE_SECONDS, LINGER_SECONDS, STOP_SECONDS = 10.0, 1.0, 0.3
# A client takes so many octets of what waits for it in each such time, or its connection is aborted.
WRITE_SECONDS, WRITE_OCTETS = 10.0, 16_384

MALFORMED = Fault(Kind.REQUEST_MALFORMED, "The bytes received are not a valid HTTP request.", "Use an HTTP library.")
HEAD_TOO_LARGE = Fault(
    Kind.HEADERS_TOO_LARGE, f"The head is over {HEAD_BYTES} bytes or {HEAD_FIELDS} fields.", "Send less of it."
)
TOO_MANY = Fault(
    Kind.TOO_MANY_REQUESTS,
    "Too many connections are open from your network, or in all.",
    "Keep fewer open, and try again in a moment.",
    retry_after=1,
)
TOO_SLOW = Fault(Kind.REQUEST_TOO_SLOW, f"The request took over {MESSAGE_SECONDS:g} s.", "Send it in one go.")


class Refusal(NamedTuple):
    """The end of a connection: the fault to answer, or None, once `after` earlier responses are complete."""

    fault: Fault | None
    after: int


class EnvelopeProtocol(HttpToolsProtocol):
    """HTTP/1.1 with the error envelope for protocol errors, limits of a request's head and time, and graceful stop."""

    head_bytes = 0
    in_head = in_message = is_stopping = False
    responses = 0  # still to be sent, to requests whose heads are read
    parser_fault = MALFORMED  # the answer to an error of the parser
    refusal: Refusal | None = None
    deadline: asyncio.TimerHandle | None = None
    write_deadline: asyncio.TimerHandle | None = None
    counted_as: str | None = None  # the address that this connection is counted for

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is None and transport.get_extra_info("socket").family == socket.AF_UNIX:
            self.client = (UNIX_PEER, 0)
        address = self.client[0] if self.client else "unknown"
        if not self.app_state[CONNECTION_LIMITS].add(address):
            transport.write(response_of(TOO_MANY))
            transport.close()  # at once, also where it loses the response: one more must cost nothing
            return
        self.counted_as = address
        self.deadline = self.loop.call_later(MESSAGE_SECONDS, self.expire)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.counted_as is not None:
            self.app_state[CONNECTION_LIMITS].remove(self.counted_as)
            self.counted_as = None
        self.clear_deadline()
        self.clear_write_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.clear_write_deadline()

    def expect_reading(self, before: int | None = None) -> None:
        """Abort the connection of a client that does not take what waits for it; else look again after a while."""
        waiting = self.transport.get_write_buffer_size()
        if before is not None and waiting > before - WRITE_OCTETS:
            self.transport.abort()
        elif waiting:
            self.clear_write_deadline()
            self.write_deadline = self.loop.call_later(WRITE_SECONDS, self.expect_reading, waiting)

    def clear_write_deadline(self) -> None:
        if self.write_deadline is not None:
            self.write_deadline.cancel()
            self.write_deadline = None

    def data_received(self, data: bytes) -> None:
        if self.is_ending():
            return  # lingering: read and dropped
        self.head_bytes += 0 if self.in_message and not self.in_head else len(data)
        super().data_received(data)
        if self.is_ending():
            return
        if self.in_head and self.head_bytes > HEAD_BYTES:
            self.refuse(HEAD_TOO_LARGE)
        elif self.in_message and self.deadline is None:
            self.deadline = self.loop.call_later(MESSAGE_SECONDS, self.expire)

    def on_message_begin(self) -> None:
        self.in_head = self.in_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEAD_FIELDS:
            self.parser_fault = HEAD_TOO_LARGE
            raise ValueError(HEAD_TOO_LARGE.kind)
        version, hosts = self.parser.get_http_version(), [name for name, _ in self.headers].count(b"host")
        # RFC 9112 3.2: exactly one Host in 1.1; llhttp would also let 0.9 and 2.0 through.
        if version not in ("1.0", "1.1") or hosts > 1 or (version == "1.1" and not hosts):
            raise ValueError(MALFORMED.kind)
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        # RFC 9112 6.1: 1.0 has none; of several, a proxy in front may have taken another for the last.
        if codings and (version == "1.0" or b",".join(codings).strip().lower() != b"chunked"):
            raise ValueError(MALFORMED.kind)
        super().on_headers_complete()
        self.in_head, self.head_bytes = False, 0
        self.responses += 1
        if self.is_stopping:
            super().shutdown()  # this response is the last

    def on_message_complete(self) -> None:
        self.in_message, self.head_bytes = False, 0
        self.clear_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.responses -= 1
        if self.refusal is not None:
            self.refusal = self.refusal._replace(after=self.refusal.after - 1)
            if not self.refusal.after:
                self.end(self.refusal.fault)
                return
        super().on_response_complete()
        if self.transport.is_closing():  # the rest of a short response may wait for a client that does not read
            self.expect_reading()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.expect_reading()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 the name is uvicorn's
        self.refuse(self.parser_fault)

    def is_ending(self) -> bool:
        """Whether no further request is read."""
        return self.refusal is not None or self.transport.is_closing()

    def clear_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def expire(self) -> None:
        self.deadline = None
        if self.in_message:
            self.refuse(TOO_SLOW)
        else:  # never sent a request
            self.transport.close()

    def refuse(self, fault: Fault) -> None:
        """Read no further, and answer after the responses under way, never within one."""
        self.clear_deadline()
        in_body = self.in_message and not self.in_head
        if in_body and self.cycle.response_started:  # this request has its response already, or the start of it
            self.refusal = Refusal(None, self.responses)
        else:
            self.refusal = Refusal(fault, self.responses - in_body)
        if not self.refusal.after:
            self.end(self.refusal.fault)

    def end(self, fault: Fault | None) -> None:
        """Send the last response, and close."""
        if fault is None or self.transport.is_closing():
            self.transport.close()
            return
        super().connection_lost(ConnectionAbortedError())  # for an endpoint that waits for the rest of a body
        self.transport.write(response_of(fault))
        self.transport.write_eof()
        self.transport.resume_reading()
        # RFC 9112 9.6: closing over unread octets would reset the connection and lose the response.
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def shutdown(self) -> None:
        """End after the responses under way; let an idle peer send a last request within STOP_SECONDS."""
        self.is_stopping = True
        if self.responses:
            super().shutdown()
        else:
            self.loop.call_later(STOP_SECONDS, self.close_if_idle)

    def close_if_idle(self) -> None:
        if not self.in_message and not self.responses:
            self.transport.close()


def response_of(fault: Fault) -> bytes:
    """Return the response of a fault as octets, the last of its connection."""
    status, tracking_id = HTTPStatus(errors.status_of(fault.kind)), str(uuid4())
    body = errors.envelope(fault, tracking_id)
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-tracking-id": tracking_id,
        "connection": "close",
        **errors.headers_of(fault),
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
