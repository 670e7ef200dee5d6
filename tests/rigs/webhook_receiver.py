"""Run a real receiver of webhooks over HTTP or HTTPS, with moods, and a ledger of all that reached it."""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.rigs.smtp import Certificate


class Mood(StrEnum):
    """Says how the receiver answers."""

    OK = "ok"
    BROKEN = "broken"  # 500
    GONE = "gone"  # 410
    BUSY = "busy"  # 429 with Retry-After
    HANGS = "hangs"  # takes the request and says nothing
    DRIPS = "drips"  # an answer of one octet at a time, without end
    REDIRECTS = "redirects"  # 302 to `elsewhere`
    HUGE = "huge"  # an answer without end, as fast as it goes
    RESETS = "resets"  # RST after the request


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Name the message."""
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        """Read the body."""
        told: dict[str, Any] = json.loads(self.body)
        return told


@dataclass(slots=True)
class Ledger:
    """The receiver's mood, and all that it got in order; `connections` counts more: whoever only knocked."""

    scheme: str
    host: str
    port: int = 0
    mood: Mood = Mood.OK
    retry_after: str = "120"
    elsewhere: str = ""
    pause: float = 0.0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    cut: int = 0  # requests whose sender died before its body was out: nobody takes these for messages
    sent: int = 0  # octets of bodies without end
    inside: int = 0  # requests being answered
    most_inside: int = 0

    @property
    def url(self) -> str:
        """Return the receiver's address."""
        return f"{self.scheme}://{self.host}:{self.port}/hooks?from=letterhead"

    def ids(self) -> list[str]:
        """List the messages in the order in which they came, repeats too."""
        return [each.id for each in self.received]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger: Ledger
    lock: threading.Lock

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        ledger = self.ledger
        with self.lock:
            if len(body) < length:
                ledger.cut += 1
                self.close_connection = True
                return
            ledger.received.append(Received(time.time(), self.path, headers, body))
            ledger.inside += 1
            ledger.most_inside = max(ledger.most_inside, ledger.inside)
        try:
            time.sleep(ledger.pause)
            self._answer(ledger)
        except OSError:  # the other side had enough
            self.close_connection = True
        finally:
            with self.lock:
                ledger.inside -= 1

    def _answer(self, ledger: Ledger) -> None:
        match ledger.mood:
            case Mood.OK:
                self._say(200, "thank you")
            case Mood.BROKEN:
                self._say(500, "something \x1b[31mbroke")
            case Mood.GONE:
                self._say(410, "no more")
            case Mood.BUSY:
                self._say(429, "later", ("Retry-After", ledger.retry_after))
            case Mood.REDIRECTS:
                self._say(302, "", ("Location", ledger.elsewhere))
            case Mood.HANGS:
                self._wait()
            case Mood.DRIPS | Mood.HUGE:
                self._pour(ledger)
            case Mood.RESETS:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True

    def _say(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        octets = text.encode()
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(octets)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)

    def _wait(self) -> None:
        """Wait until the other side hangs up."""
        self.connection.settimeout(30)
        self.close_connection = True
        self.connection.recv(1)

    def _pour(self, ledger: Ledger) -> None:
        piece, pause = (b"x", 0.05) if ledger.mood is Mood.DRIPS else (b"x" * 16384, 0.0)
        self.send_response(200)
        self.send_header("Content-Length", str(10**9))
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(piece)
            ledger.sent += len(piece)
            time.sleep(pause)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    ledger: Ledger
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.ledger.connections += 1
        if self.tls is not None:
            connection.settimeout(5)
            connection = self.tls.wrap_socket(connection, server_side=True)  # an OSError is a refused client
            connection.settimeout(None)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are what the tests are about."""


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextmanager
def running(shown: Certificate | None = None, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Ledger]:
    """Run a receiver on an address; with a certificate it speaks HTTPS, and is `localhost` by its name."""
    ledger = Ledger(scheme="http" if shown is None else "https", host=host if shown is None else "localhost")
    handler = type("Handler", (_Handler,), {"ledger": ledger, "lock": threading.Lock()})
    server = (_Server6 if ":" in host else _Server)((host, port), handler)
    server.ledger = ledger
    if shown is not None:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(shown.chain, shown.key)
    ledger.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield ledger
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
