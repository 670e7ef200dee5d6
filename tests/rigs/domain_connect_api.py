"""A Domain Connect API on loopback for tests of links: settings and template query, each as the test says.

It applies nothing: the rig with the reference implementation does.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any


@dataclass
class ApiBehaviour:
    """What the API answers, and what it was asked."""

    zones: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=lambda: {"example.net/mail"})
    settings: dict[str, Any] = field(default_factory=dict)
    raw: bytes | None = None  # in place of settings
    status: int | None = None  # of every answer
    location: str | None = None
    seconds: float = 0.0  # before every answer
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def domain_connect_api() -> Iterator[ApiBehaviour]:
    """Serve the API until the block ends; `url` of the behaviour is where."""
    behaviour = ApiBehaviour()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            behaviour.asked.append(self.path)
            sleep(behaviour.seconds)
            status, body = _answer(behaviour, self.path)
            self.send_response(behaviour.status or status)
            if behaviour.location is not None:
                self.send_header("Location", behaviour.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return  # it has read enough

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    behaviour.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield behaviour
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(behaviour: ApiBehaviour, path: str) -> tuple[int, bytes]:
    parts = path.strip("/").split("/")
    if len(parts) == 3 and parts[2] == "settings":
        if parts[1] not in behaviour.zones:
            return 404, b"{}"
        settings = {
            "providerId": "virtucon.example",
            "providerName": "Virtucon",
            "urlAPI": behaviour.url,
            "urlSyncUX": behaviour.url,
            **behaviour.settings,
        }
        return 200, behaviour.raw if behaviour.raw is not None else json.dumps(settings).encode()
    if parts[:3] == ["v2", "domainTemplates", "providers"]:
        return (200, b"") if f"{parts[3]}/{parts[5]}" in behaviour.templates else (404, b"")
    return 404, b""
