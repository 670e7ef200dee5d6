"""Play Amazon SNS: sign messages with a certificate of its own authority, and serve that over HTTPS as SNS does.

The names lead to a public address, as a resolver would say; every dial to it ends at the server here, and is written
down. Not modelled: topics, retries, delivery policies.
"""

import base64
import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpcore2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from letterhead.adapters.https_fetch import HttpsFetcher
from tests.rigs import smtp

REGION = "eu-west-1"
HOST = f"sns.{REGION}.amazonaws.com"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:letterhead"
PATH = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
PUBLIC = "93.184.216.34"
ORDER = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
ORDER["UnsubscribeConfirmation"] = ORDER["SubscriptionConfirmation"]


@dataclass(frozen=True)
class Signer:
    """A key, with the certificate that shows it."""

    key: rsa.RSAPrivateKey
    pem: bytes

    def sign(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Sign a message as its SignatureVersion says."""
        names = [name for name in ORDER[fields["Type"]] if name in fields]
        text = "".join(f"{name}\n{fields[name]}\n" for name in names).encode()
        algorithm = hashes.SHA1() if fields["SignatureVersion"] == "1" else hashes.SHA256()
        return {**fields, "Signature": base64.b64encode(self.key.sign(text, PKCS1v15(), algorithm)).decode()}


def signer(*, ends: int = 2040) -> Signer:
    """Make a signer whose certificate an authority of its own has signed."""
    key, authority = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(_name("sns.amazonaws.com"))
        .issuer_name(_name("An authority of the tests"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(ends, 1, 1, tzinfo=dt.UTC))
        .sign(authority, hashes.SHA256())
    )
    return Signer(key, made.public_bytes(Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def notification(told: object, **changed: str) -> dict[str, str]:
    """Write a Notification without its signature."""
    said = told if isinstance(told, str) else json.dumps(told)
    return _message("Notification", Message=said, **changed)


def confirmation(kind: str = "SubscriptionConfirmation", **changed: str) -> dict[str, str]:
    """Write a SubscriptionConfirmation without its signature."""
    url = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
    return _message(kind, **{"Message": "You have chosen …", "Token": "2336412f37", "SubscribeURL": url, **changed})


def _message(kind: str, **changed: str) -> dict[str, str]:
    fields = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Timestamp": "2026-11-23T12:00:00.000Z",
        "SignatureVersion": "1",
        "SigningCertURL": f"https://{HOST}{PATH}",
    }
    return fields | changed


@dataclass
class Sns(httpcore2.AsyncNetworkBackend):
    """Is the running server: what it answers by path, what it was asked, and who was dialled for it."""

    signer: Signer
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    address: str = PUBLIC
    port: int = 0

    def body(self, fields: Mapping[str, str]) -> bytes:
        """Sign a message and write it as it is sent."""
        return json.dumps(self.signer.sign(fields)).encode()

    def fetcher(self, seconds: float = 5.0) -> HttpsFetcher:
        """Make the service's own fetcher, to which this server is the Internet."""
        return HttpsFetcher(self._resolve, dial=self, seconds=seconds)

    async def _resolve(self, host: str, _port: int) -> list[str]:
        self.looked_up.append(host)
        return [self.address]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the hook's own signature
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Lead every dial to the server here."""
        self.dialled.append(f"{host}:{port}")
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", self.port, timeout)


@contextmanager
def running(folder: Path) -> Iterator[tuple[Sns, Path]]:
    """Run the server, and return the certificate that a client must trust."""
    shown = smtp.certificate(folder, HOST)
    sns = Sns(signer())
    sns.answers[PATH] = 200, sns.signer.pem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.chain, shown.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(sns))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    sns.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield sns, shown.chain
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(sns: Sns) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sns.asked.append(self.path)
            confirms = "Action=ConfirmSubscription" in self.path
            status, body = sns.answers.get(self.path, (200 if confirms else 404, b"<ok/>"))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
