"""The signature that the relay puts on a message: what it covers, and how its field is written (RFC 6376 3.5, 5.4).

Canonicalisation is relaxed for header and body, so that a server on the way may fold lines anew. Fields that readers
act on are signed once more than they are there (RFC 6376 5.4.2, 8.15): nobody can add another From or Subject.
"""

import base64
import hashlib
import textwrap
from collections import Counter
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from letterhead.core.dkim.signature import Signature, body_octets
from letterhead.core.message.message import HeaderField, Message

# Signed once more than they are there, none being there included.
ALWAYS: Final = ("from", "to", "cc", "subject", "date", "message-id", "reply-to", "in-reply-to", "references")
# Signed once more than they are there, where they are: a server on the way may have reason to add the first of them.
WHERE_THERE: Final = (
    *("sender", "mime-version", "content-type", "content-transfer-encoding"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post"),  # RFC 8058 4: one-click needs them signed
)
# Signed as they are: mailing lists and resenders put more of them before.
AS_THEY_ARE: Final = (
    *("resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-message-id"),
    *("list-help", "list-subscribe", "list-post", "list-owner", "list-archive"),
    *("content-id", "content-description", "auto-submitted"),
)
NAME: Final = "dkim-signature"
COLUMNS: Final = 72  # RFC 5322 2.1.1 recommends 78; a longer line is a name that can't be folded, far below its 998


def new_signature(message: Message, domain: str, selector: str, algorithm: str, at: datetime) -> Signature:
    """Return the signature that a message gets, still without `b=`: `head_octets` of both is what the key signs."""
    signature = Signature(
        field=HeaderField(name=NAME, raw=b""),
        domain=domain,
        selector=selector,
        algorithm=algorithm,
        identity=domain,
        signed=fields_to_sign(message),
        canon=("relaxed", "relaxed"),
        made=int(at.timestamp()),
    )
    signature = replace(signature, body_hash=hashlib.sha256(body_octets(message, signature)).digest())
    return replace(signature, field=HeaderField(name=NAME, raw=_unsigned_field(signature)))


def signed_field(signature: Signature, octets: bytes) -> bytes:
    """Return the whole field with its last line end; `octets` is what the key made of `head_octets`."""
    return signature.field.raw + "\r\n ".join(textwrap.wrap(_base64(octets), COLUMNS)).encode() + b"\r\n"


def fields_to_sign(message: Message) -> tuple[str, ...]:
    """Return the names of the fields to sign, each as often as it is signed."""
    there = Counter(field.name for field in message.fields)
    names = [name for name in ALWAYS for _ in range(there[name] + 1)]
    names += [name for name in WHERE_THERE if there[name] for _ in range(there[name] + 1)]
    return (*names, *(name for name in AS_THEY_ARE for _ in range(there[name])))


def _unsigned_field(signature: Signature) -> bytes:
    """Write the field up to `b=`, which begins a line: folding its value then changes nothing that is signed."""
    tags = {
        "v": "1",
        "a": signature.algorithm,
        "c": "/".join(signature.canon),
        "d": signature.domain,
        "i": f"@{signature.identity}",
        "q": "dns/txt",
        "s": signature.selector,
        "t": str(signature.made),
        "h": " : ".join(signature.signed),
        "bh": _base64(signature.body_hash),
    }
    text = "DKIM-Signature: " + " ".join(f"{name}={value};" for name, value in tags.items())
    lines = textwrap.wrap(text, COLUMNS, break_long_words=False, break_on_hyphens=False)
    return "\r\n ".join([*lines, "b="]).encode()


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
