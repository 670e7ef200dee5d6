"""Signs mail as an operator's own server would, with the key that the API shows, and verifies it as a receiver does."""

import base64
import re
from collections.abc import Callable

import dkim  # type: ignore[import-untyped]
import dns.exception
import dns.rdatatype
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from tests.rigs.dns_lab import DnsLab

MESSAGE = (
    "From: Acme <hello@{sender}>\r\nTo: somebody@receiver.test\r\nSubject: Number {number}\r\n"
    "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{number}@{sender}>\r\n"
    "\r\nHello,\r\n\r\nthis is the message number {number}.\r\n"
)


def message(sender: str, number: int = 1) -> bytes:
    """Writes a message from an address of the domain."""
    return MESSAGE.format(sender=sender, number=number).encode()


def pkcs1(private_dkim_key: str) -> bytes:
    """Gives the key of an API answer as dkimpy takes it."""
    key = load_der_private_key(base64.b64decode(private_dkim_key, validate=True), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def signed(text: bytes, sender: str, selector: str, private_dkim_key: str) -> bytes:
    """Signs a message as the domain."""
    head: bytes = dkim.sign(text, selector.encode(), sender.encode(), pkcs1(private_dkim_key))
    return head + text


def txt_of(lab: DnsLab) -> Callable[[bytes, int], bytes | None]:
    """Makes the look-up that a receiver does: at the resolver, over the wire."""

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        try:
            reply = lab.ask(name.decode().rstrip("."), "TXT", timeout=10)
        except dns.exception.Timeout:
            return None
        texts = [rdata for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset]
        return b"".join(texts[0].strings) if texts else None

    return look_up


def verdicts(lab: DnsLab, text: bytes) -> dict[str, bool]:
    """Says of each of a message's signatures, by its algorithm, whether a receiver takes it."""
    judged = dkim.DKIM(text)
    found = [value for name, value in judged.headers if name.lower() == b"dkim-signature"]
    algorithms = [re.sub(rb"\s", b"", re.search(rb"a=([^;]*)", value)[1]).decode() for value in found]  # type: ignore[index]
    return {algorithm: _takes(lab, text, at) for at, algorithm in enumerate(algorithms)}


def _takes(lab: DnsLab, text: bytes, at: int) -> bool:
    try:
        return bool(dkim.DKIM(text).verify(idx=at, dnsfunc=txt_of(lab)))
    except dkim.DKIMException:
        return False


def verifies(lab: DnsLab, text: bytes) -> bool:
    """Says whether a receiver takes the message's signature."""
    try:
        return bool(dkim.verify(text, dnsfunc=txt_of(lab)))
    except dkim.DKIMException:
        return False
