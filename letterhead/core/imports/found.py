"""Sender domains as another program or service has them, with the DKIM keys that it signs with."""

import base64
import binascii
import re
from contextlib import suppress

import msgspec

from letterhead.core.names.domain_names import parse_anywhere
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault

_RSA_ALGORITHM = bytes.fromhex("06092a864886f70d010101")  # RFC 3279 2.3.1: rsaEncryption, in a PKCS #8 key only
_ED25519_ALGORITHM = bytes.fromhex("06032b6570")  # RFC 8410 3: id-Ed25519, near the start of a PKCS #8 key
_RAW_ED25519 = (32, 64)  # octets, where rspamd keeps the seed alone, or the seed and the public key
_LINE = 64  # RFC 7468 2


class FoundKey(msgspec.Struct, frozen=True, kw_only=True):
    """A DKIM key of a source: its selector, where it was, and the private key in PEM where the source shows it.

    `kept` says why the source keeps the private key to itself, `unread` why it could not be read, each as the end of a
    sentence about the key.
    """

    selector: str
    place: str
    private_key: Secret | None = None
    kept: str = ""
    unread: str = ""


class FoundDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A sender domain of a source; the first key is the one that signs.

    `mail_from` is the MAIL FROM domain that the source uses. `is_verified` is the source's own view of it, None where
    it has none.
    """

    sender: str
    keys: tuple[FoundKey, ...] = ()
    mail_from: str | None = None
    is_verified: bool | None = None


class UnreadEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a source that names no domain to import: where it is, and why."""

    place: str
    why: str


class FoundDomains(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found at a source; each domain once."""

    domains: tuple[FoundDomain, ...]
    unread: tuple[UnreadEntry, ...] = ()


def merge_domains(found: list[FoundDomain]) -> tuple[FoundDomain, ...]:
    """Return each domain once, in the order of the names, with all its keys; what is no name stays as it is."""
    merged: dict[str, FoundDomain] = {}
    for each in found:
        sender = each.sender.rstrip(".").lower()
        with suppress(Fault):
            sender = parse_anywhere(sender).ascii
        known = merged.get(sender, FoundDomain(sender=sender))
        keys = {(key.selector.lower(), key.place): key for key in (*known.keys, *each.keys)}
        merged[sender] = FoundDomain(
            sender=sender,
            keys=tuple(keys.values()),
            mail_from=known.mail_from or each.mail_from,
            is_verified=each.is_verified if known.is_verified is None else known.is_verified,
        )
    return tuple(merged[sender] for sender in sorted(merged))


def pem_of(text: Secret) -> Secret:
    """Return a private key as PEM: what is PEM stays, base64 of a DER key gets its first and last line."""
    content = reveal(text).strip()
    if b"-----BEGIN" in content:
        return Secret(content.replace(b"\r\n", b"\n") + b"\n")
    try:
        der = Secret(base64.b64decode(re.sub(rb"\s+", b"", content), validate=True))
    except (binascii.Error, ValueError):
        return Secret(content)
    label = b"PRIVATE KEY" if _RSA_ALGORITHM in reveal(der)[:40] else b"RSA PRIVATE KEY"
    lines = [base64.b64encode(reveal(der))[at : at + _LINE] for at in range(0, len(reveal(der)) * 4 // 3 + 4, _LINE)]
    return Secret(b"\n".join((b"-----BEGIN %b-----" % label, *filter(None, lines), b"-----END %b-----\n" % label)))


def is_ed25519(pem: Secret) -> bool:
    """Return whether a private key, as `pem_of` returns it, is an Ed25519 key: of PKCS #8, or the bare octets."""
    body = re.sub(rb"-----[^-\n]*-----|\s+", b"", reveal(pem))
    try:
        der = Secret(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError):
        return False
    return len(reveal(der)) in _RAW_ED25519 or _ED25519_ALGORITHM in reveal(der)[:16]
