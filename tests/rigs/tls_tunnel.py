"""Speak for hosts elsewhere: take the tunnel that a client asks for, and end its TLS with certificates made here."""

import ssl
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.rigs.smtp import certificate


def contexts_for(folder: Path, hosts: Iterable[str], chain: Path) -> dict[str, ssl.SSLContext]:
    """Make a certificate for each host, and write all of them into one file, which a client is told to trust."""
    contexts: dict[str, ssl.SSLContext] = {}
    for host in hosts:
        made = certificate(folder, host)
        contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[host].load_cert_chain(made.chain, made.key)
        with chain.open("ab") as file:
            file.write(made.chain.read_bytes())
    return contexts


class TunnelHandler(BaseHTTPRequestHandler):
    """Opens the tunnel that a client asks for, and speaks for the host at its end."""

    protocol_version = "HTTP/1.1"
    host = ""
    served: Mapping[str, ssl.SSLContext] = {}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 of the library
        """Write nothing."""

    def do_CONNECT(self) -> None:
        """Begin TLS with the certificate of the host that is asked for; no other host is reached."""
        self.host = self.path.partition(":")[0]
        if self.host not in self.served:
            self.send_error(403)
            return
        self.send_response(200)
        self.end_headers()
        self.connection = self.served[self.host].wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self) -> None:
        """Close the tunnel."""
        super().finish()
        self.connection.close()
