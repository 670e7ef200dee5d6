"""Sign mail as an operator's own server would, with the key that the API shows, and verify it as a receiver does."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import dkim
import dns.exception
import dns.rdatatype
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from tests.rigs.dns_lab import DnsLab

MESSAGE = (
    "From: Acme <hello@{sender}>\r\nTo: somebody@receiver.test\r\nSubject: Number {number}\r\n"
    "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{number}@{sender}>\r\n"
    "\r\nHello,\r\n\r\nthis is the message number {number}.\r\n"
)


def message(sender: str, number: int = 1) -> bytes:
    """Write a message from an address of the domain."""
    return MESSAGE.format(sender=sender, number=number).encode()


def pkcs1(private_dkim_key: str) -> bytes:
    """Return the key of an API answer as dkimpy takes it."""
    key = load_der_private_key(base64.b64decode(private_dkim_key, validate=True), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def signed(text: bytes, sender: str, selector: str, private_dkim_key: str) -> bytes:
    """Sign a message as the domain."""
    head: bytes = dkim.sign(text, selector.encode(), sender.encode(), pkcs1(private_dkim_key))
    return head + text


def txt_of(lab: DnsLab) -> Callable[[bytes, int], bytes | None]:
    """Make the look-up that a receiver does: at the resolver, over the wire."""

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        try:
            reply = lab.ask(name.decode().rstrip("."), "TXT", timeout=10)
        except dns.exception.Timeout:
            return None
        texts = [rdata for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset]
        return b"".join(texts[0].strings) if texts else None

    return look_up


def verdicts(lab: DnsLab, text: bytes) -> dict[str, bool]:
    """Say of each of a message's signatures, by its algorithm, whether a receiver takes it."""
    judged = dkim.DKIM(text)
    found = [value for name, value in judged.headers if name.lower() == b"dkim-signature"]
    algorithms = [re.sub(rb"\s", b"", re.findall(rb"a=([^;]*)", value)[0]).decode() for value in found]
    return {algorithm: _takes(lab, text, at) for at, algorithm in enumerate(algorithms)}


def _takes(lab: DnsLab, text: bytes, at: int) -> bool:
    try:
        return bool(dkim.DKIM(text).verify(idx=at, dnsfunc=txt_of(lab)))
    except dkim.DKIMException:
        return False


def verifies(lab: DnsLab, text: bytes) -> bool:
    """Say whether a receiver takes the message's signature."""
    try:
        return bool(dkim.verify(text, dnsfunc=txt_of(lab)))
    except dkim.DKIMException:
        return False


# --- signatures as good or bad as a test wants them ------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A key of a test's own."""

    key: rsa.RSAPrivateKey

    @property
    def record(self) -> str:
        """Return its record."""
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(spki).decode()}"

    @property
    def pem(self) -> bytes:
        """Return it as dkimpy takes it."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    @staticmethod
    @lru_cache
    def of_bits(bits: int) -> "Pair":
        """Make another key, of this size."""
        return Pair(rsa.generate_private_key(65537, bits))


OWN = Pair(rsa.generate_private_key(65537, 2048))


def sealed(
    text: bytes,
    pair: Pair,
    sender: str,
    selector: str,
    *,
    canon: tuple[str, str] = ("relaxed", "relaxed"),
    covers: Sequence[str] = ("from", "to", "subject", "date", "message-id"),
    length: int | None = None,
    tags: Mapping[str, str] | None = None,
    after: str = "",
) -> bytes:
    """Sign a message by code of its own; `tags` replace those that belong there, `after` stands behind the last."""
    head, _, body = text.partition(b"\r\n\r\n")
    body = _body(body, canon[1])
    covered = body if length is None else body[:length]
    given = {
        "v": "1", "a": "rsa-sha256", "c": "/".join(canon), "d": sender, "s": selector, "h": ":".join(covers),
        **({} if length is None else {"l": str(length)}),
        "bh": base64.b64encode(hashlib.sha256(covered).digest()).decode(), **(tags or {}),
    }  # fmt: skip
    field = ("DKIM-Signature: " + "; ".join(f"{name}={value}" for name, value in given.items()) + "; b=").encode()
    fields = [each for each in re.split(rb"\r\n(?![ \t])", head) if each]
    left = list(reversed(fields))  # RFC 6376 5.4.2: from the bottom up, each once
    named = [left.pop(_place(left, name)) for name in covers]
    what = b"".join(_field(each, canon[0]) + b"\r\n" for each in named) + _field(field + after.encode(), canon[0])
    made = pair.key.sign(what, padding.PKCS1v15(), SHA256())
    return field + base64.b64encode(made) + after.encode() + b"\r\n" + text


def _place(fields: list[bytes], name: str) -> int:
    return next(at for at, each in enumerate(fields) if each.lower().startswith(f"{name}:".encode()))


def _field(raw: bytes, how: str) -> bytes:
    if how == "simple":
        return raw
    name, _, value = raw.partition(b":")
    return name.lower() + b":" + b" ".join(value.split())


def _body(body: bytes, how: str) -> bytes:
    if how == "relaxed":
        body = b"\r\n".join(re.sub(rb"[ \t]+", b" ", line).rstrip() for line in body.split(b"\r\n"))
    return re.sub(rb"(?:\r\n)*\Z", b"\r\n", body, count=1)
