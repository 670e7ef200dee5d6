"""Run a real mail server (aiosmtpd) with STARTTLS or TLS, sign-in, moods, and a ledger of all that it took."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.rigs.processes import free_port

USER, PASSWORD = "letterhead", "p@ss/word:1"


class Mood(StrEnum):
    """Says what the server does with a message."""

    WILLING = "willing"
    GREYLISTS = "greylists"  # 451 at RCPT
    REFUSES = "refuses"  # 550 at RCPT
    FULL = "full"  # 452 after the message
    SPAM = "spam"  # 554 after the message
    BREAKS_OFF = "breaks-off"  # takes the message, and the connection ends before the reply
    RESETS = "resets"  # ends the connection after the message without having taken it
    HANGS = "hangs"  # never answers to the message
    CLOSED = "closed"  # 421 at MAIL


@dataclass(frozen=True, slots=True)
class Taken:
    """One message that the server took, and how it came."""

    tls: bool
    user: str | None
    sender: str
    to: str
    octets: bytes
    recipients: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def message(self) -> EmailMessage:
        """Read the message."""
        return message_from_bytes(self.octets, policy=policy.default)


@dataclass  # no slots: aiosmtpd looks through the members, and CPython 3.11.2 trips over __weakref__
class Ledger:
    """All that the server took, in order, and its mood."""

    port: int
    mood: Mood = Mood.WILLING
    taken: list[Taken] = field(default_factory=list)
    tried: int = 0
    sent_away: int = 0  # answered 421 at MAIL
    pause: float = 0.0  # seconds before the reply to a message
    holds: bool = False  # no reply to any message, for as long as this holds
    says_to: dict[str, str] = field(default_factory=dict)  # replies to RCPT by recipient, whatever the mood

    async def handle_MAIL(  # noqa: N802 aiosmtpd's own name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer MAIL."""
        if self.mood is Mood.CLOSED:
            self.sent_away += 1
            return "421 4.3.2 not now"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 aiosmtpd's own name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer RCPT."""
        self.tried += 1
        if address in self.says_to:
            return self.says_to[address]
        if self.mood is Mood.GREYLISTS:
            return "451 4.7.1 come back later"
        if self.mood is Mood.REFUSES:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 likewise
        """Answer a message."""
        if self.mood is Mood.FULL:
            return "452 4.3.1 disk full"
        if self.mood is Mood.SPAM:
            return "554 5.7.1 looks like spam"
        octets = envelope.content
        assert isinstance(octets, bytes)
        assert isinstance(server.transport, asyncio.WriteTransport)
        if self.mood is Mood.RESETS:
            server.transport.abort()
            return "250 nobody hears this"
        if self.mood is Mood.HANGS:
            await asyncio.sleep(3600)
        who = getattr(session.auth_data, "login", None)
        self.taken.append(
            Taken(
                tls=session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
                user=who.decode() if who else None,
                sender=str(envelope.mail_from),
                to=envelope.rcpt_tos[0],
                octets=octets,
                recipients=tuple(envelope.rcpt_tos),
                options=tuple(envelope.mail_options),
            )
        )
        if self.mood is Mood.BREAKS_OFF:
            server.transport.abort()
        while self.holds:  # noqa: ASYNC110 the test may run in another thread
            await asyncio.sleep(0.02)
        await asyncio.sleep(self.pause)
        return "250 2.0.0 taken"

    def messages(self) -> list[EmailMessage]:
        """Read all that was taken."""
        return [each.message for each in self.taken]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Names the files of a self-signed certificate and its key."""

    chain: Path
    key: Path


def certificate(folder: Path, host: str = "localhost") -> Certificate:
    """Make a self-signed certificate for a host name."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2040, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / f"{host}.pem", folder / f"{host}.key")
    files.chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@contextmanager
def running(
    shown: Certificate | None,
    *,
    implicit: bool = False,
    sign_in: bool = True,
    port: int | None = None,
    utf8: bool = True,
) -> Iterator[Ledger]:
    """Run a server on 127.0.0.1 (`localhost` by its certificate); without a certificate it has no TLS."""
    ledger = Ledger(port=port or free_port("127.0.0.1"))
    context = None
    if shown is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown.chain, shown.key)
    controller = Controller(
        ledger,
        hostname="127.0.0.1",
        port=ledger.port,
        ssl_context=context if implicit else None,
        tls_context=None if implicit else context,
        require_starttls=context is not None and not implicit,
        enable_SMTPUTF8=utf8,
        authenticator=_sign_in,
        auth_required=sign_in and not implicit,  # aiosmtpd takes only STARTTLS for TLS, and warns
        auth_require_tls=not implicit and context is not None,
    )
    controller.start()
    try:
        yield ledger
    finally:
        controller.stop()


def _sign_in(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    # handled=False lets aiosmtpd answer 535 itself; otherwise a refused client waits for ever.
    return AuthResult(success=good, handled=False, auth_data=data)
