"""Knows a DKIM-Signature field (RFC 6376 3.5) and which octets of a mail it covers (3.4, 3.7). Knows no key and no DNS.

Everything takes time linear to the mail: what is wrong with a signature is said, never raised.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from letterhead.core.dkim.key_record import FOLDING, KeyRecord, parse_key_record, without_whitespace
from letterhead.core.message.message import HeaderField, Message, a_label

REQUIRED: Final = ("v", "a", "b", "bh", "d", "h", "s")  # RFC 6376 3.5
CANONS: Final = ("simple", "relaxed")
_BLANKS: Final = re.compile(rb"[ \t]+")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_LENGTH: Final = re.compile(r"[0-9]{1,76}")  # RFC 6376 3.5


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a signature as it was read; `trouble` says why it can't be judged, then the rest is what could be read.

    `domain` and `selector` are A-labels in lower case, `identity` the domain of `i=`, `signed` the names of the fields
    that it covers, `length` how much of the body, times are in seconds since 1970.
    """

    field: HeaderField
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    identity: str = ""
    signed: tuple[str, ...] = ()
    canon: tuple[str, str] = ("simple", "simple")
    body_hash: bytes = b""
    octets: bytes = b""
    length: int | None = None
    expires: int | None = None
    made: int | None = None
    trouble: str | None = None

    @property
    def host(self) -> str:
        """Names where its key is published."""
        return f"{self.selector}._domainkey.{self.domain}"


def read(field: HeaderField) -> Signature:
    """Reads a DKIM-Signature field."""
    tags = parse_key_record(field.value.decode("latin-1"))  # one grammar of tag lists for both (RFC 6376 3.2)
    if tags is None:
        return Signature(field=field, trouble="it is not a list of parts such as d=acme.dev with a ; between them")
    known = Signature(
        field=field,
        domain=a_label(_utf8(tags.get("d"))) or "",
        selector=_selector(_utf8(tags.get("s"))) or "",
        algorithm=tags.get("a").lower()[:40],
    )
    trouble = _trouble(tags, known)
    return msgspec.structs.replace(known, trouble=trouble) if trouble else _whole(tags, known)


def _utf8(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")  # RFC 8616 4: U-labels may stand there


def _selector(text: str) -> str | None:
    found = a_label(f"{text}._domainkey.test")  # one label is none of a_label's names
    return found.removesuffix("._domainkey.test") if found else None


def _trouble(tags: KeyRecord, known: Signature) -> str | None:
    """Says what is wrong with the form of a signature."""
    names = tags.names
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        return f"it lacks {missing[0]}="
    if len(set(names)) != len(names):
        return "it has a part twice"
    if tags.get("v") != "1":
        return "its version is not v=1"
    if not known.domain or not known.selector or len(known.host) > 253:
        return "its d= or s= is no name that DNS can hold"
    if _base64(tags.get("bh")) is None or not _base64(tags.get("b")):
        return "its b= or bh= is not base64"
    if not 0 < len(_canon(tags)) < 3 or set(_canon(tags)) - set(CANONS):
        return "its c= is none of simple and relaxed"
    if "dns/txt" not in tags.items("q", "dns/txt"):
        return "its key is not to be looked up in DNS (q=)"
    if not all(_NUMBER.fullmatch(tags.get(name, "0")) for name in ("t", "x")) or not _LENGTH.fullmatch(
        tags.get("l", "0")
    ):
        return "its t=, x= or l= is no number"
    return None


def _canon(tags: KeyRecord) -> list[str]:
    return tags.get("c", "simple").lower().split("/")


def _whole(tags: KeyRecord, known: Signature) -> Signature:
    canon = [*_canon(tags), "simple"]  # RFC 6376 3.5: the body's is simple where only the header's is named
    return msgspec.structs.replace(
        known,
        identity=a_label(_utf8(tags.get("i", known.domain)).rpartition("@")[2]) or "",
        signed=tuple(name.strip(FOLDING).lower() for name in tags.get("h").split(":")),
        canon=(canon[0], canon[1]),
        body_hash=_base64(tags.get("bh")) or b"",
        octets=_base64(tags.get("b")) or b"",
        length=_number(tags, "l"),
        expires=_number(tags, "x"),
        made=_number(tags, "t"),
    )


def _number(tags: KeyRecord, name: str) -> int | None:
    return int(tags.get(name)) if tags.tag(name) else None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(without_whitespace(text), validate=True)
    except (binascii.Error, ValueError):  # ValueError: other than ASCII
        return None


# --- what is signed --------------------------------------------------------------------------------------------


def body_octets(message: Message, signature: Signature) -> bytes:
    """Gives the octets of the body that the signature's `bh=` is the hash of."""
    body = _ended(message.body if signature.canon[1] == "simple" else _relaxed_body(message.body))
    if body == b"\r\n" and signature.canon[1] == "relaxed":
        body = b""  # RFC 6376 3.4.4: of nothing but empty lines nothing is left
    return body if signature.length is None else body[: signature.length]


def _relaxed_body(body: bytes) -> bytes:
    """Reduce the white space of a body as RFC 6376 3.4.4 does, and end its last line."""
    flat = body.replace(b"\t", b" ")
    while b"  " in flat:  # halves each run: far cheaper than an expression that looks at every octet
        flat = flat.replace(b"  ", b" ")
    return (flat + b"\r\n").replace(b" \r\n", b"\r\n")


def _ended(body: bytes) -> bytes:
    """Ends a body in one line end: RFC 6376 3.4.3, where an empty body becomes one too."""
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n"


def head_octets(message: Message, signature: Signature) -> bytes:
    """Gives the octets of the header that `b=` signs: the fields of `h=`, then the signature without its `b=`."""
    relaxed = signature.canon[0] == "relaxed"
    chosen = b"".join(_canonical(field.raw, relaxed) + b"\r\n" for field in _chosen(message, signature))
    return chosen + _canonical(_unsigned(signature.field), relaxed)


def _chosen(message: Message, signature: Signature) -> Iterator[HeaderField]:
    """Picks the fields that are named, from the bottom up; a name more often than there are fields picks nothing."""
    below: dict[str, list[HeaderField]] = {name: [] for name in signature.signed}
    for field in message.fields:
        if field.name in below:
            below[field.name].append(field)
    for name in signature.signed:
        if below[name]:
            yield below[name].pop()  # RFC 6376 5.4.2


def _canonical(raw: bytes, relaxed: bool) -> bytes:
    """Writes a field as RFC 6376 3.4.1 or 3.4.2 has it, without its last line end."""
    if not relaxed:
        return raw
    name, _, value = raw.partition(b":")
    flat = _BLANKS.sub(b" ", value.replace(b"\r\n", b""))
    return name.strip(b" \t").lower() + b":" + flat.strip(b" ")


def _unsigned(field: HeaderField) -> bytes:
    """Takes the value of `b=` out of a signature, with all white space around it (RFC 6376 3.7)."""
    at = 0
    for part in field.value.split(b";"):
        name, _, value = part.partition(b"=")
        at += len(part) + 1
        if name.strip(FOLDING.encode()) == b"b":
            head = len(field.raw) - len(field.value)
            end = head + at - 1
            return field.raw[: end - len(value)] + field.raw[end:]
    return field.raw
