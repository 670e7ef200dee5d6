"""A DKIM-Signature field (RFC 6376 3.5), and the octets of a message that it signs (3.4, 3.7).

Everything takes time linear to the message: what is wrong with a signature is noted in the result, never raised.
"""

import base64
import binascii
import re
from email.errors import HeaderParseError
from email.header import decode_header
from typing import Final

import msgspec

from letterhead.core.dkim.key_record import FOLDING, KeyRecord, parse_key_record, without_whitespace
from letterhead.core.message.message import HeaderField, Message, a_label

REQUIRED: Final = ("v", "a", "b", "bh", "d", "h", "s")  # RFC 6376 3.5
CANONS: Final = ("simple", "relaxed")
_BLANKS: Final = re.compile(rb"[ \t]+")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_HEX: Final = re.compile(r"=([0-9A-F]{2})")
_FOLD: Final = re.compile(r"\r\n(?=[ \t])")
ENCODED_WORD: Final = re.compile(r"=\?[!->@-~]{1,40}\?[BbQq]\?[!->@-~]{0,80}\?=")
_LENGTH: Final = re.compile(r"[0-9]{1,76}")  # RFC 6376 3.5


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One parsed signature; `trouble` is why it can't be verified, and the rest then is what could be parsed.

    `domain` and `selector` are A-labels in lower case, `identity` the domain of `i=`, `signed` the names of the fields
    that it covers, `length` the octets of the body that it covers; times are in seconds since 1970.
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
    is_u_label: bool = False  # d= or s= is written in UTF-8
    encoded_word: str | None = None  # with which the field was rewritten
    trouble: str | None = None

    @property
    def host(self) -> str:
        """Return the name at which its key is published."""
        return f"{self.selector}._domainkey.{self.domain}"


def parse_signature(field: HeaderField) -> Signature:
    """Parse a DKIM-Signature field."""
    value = field.value.decode("latin-1")
    hit = ENCODED_WORD.search(value)
    encoded_word = hit[0] if hit else None
    if encoded_word is not None:  # RFC 2047 5: only free text may be encoded; what it says is still worth showing
        value = _decode_words(value)
    tags = parse_key_record(value)  # one grammar of tag lists for both (RFC 6376 3.2)
    if tags is None:
        no_list = "it is not a list of parts such as d=acme.dev with a ; between them"
        return Signature(field=field, encoded_word=encoded_word, trouble=no_list)
    selector = a_label(f"{_utf8(tags.get('s'))}._domainkey.test")  # a_label takes no name of one label
    signature = Signature(
        field=field,
        domain=a_label(_utf8(tags.get("d"))) or "",
        selector=selector.removesuffix("._domainkey.test") if selector else "",
        algorithm=tags.get("a").lower()[:40],
        is_u_label=not (tags.get("d").isascii() and tags.get("s").isascii()),
        encoded_word=encoded_word,
    )
    trouble = "it was rewritten as encoded words" if encoded_word else _syntax_trouble(tags, signature)
    if trouble is not None:
        return msgspec.structs.replace(signature, trouble=trouble)
    canon = [*_canonicalizations(tags), "simple"]  # RFC 6376 3.5: the body's, where only the header's is named
    return msgspec.structs.replace(
        signature,
        identity=a_label(_utf8(_decode_quoted(tags.get("i", signature.domain))).rpartition("@")[2]) or "",
        signed=tuple(name.strip(FOLDING).lower() for name in tags.get("h").split(":")),
        canon=(canon[0], canon[1]),
        body_hash=_decode_base64(tags.get("bh")) or b"",
        octets=_decode_base64(tags.get("b")) or b"",
        length=_parse_number(tags, "l"),
        expires=_parse_number(tags, "x"),
        made=_parse_number(tags, "t"),
    )


def _decode_quoted(text: str) -> str:
    """Decode dkim-quoted-printable, in which white space stands for nothing (RFC 6376 2.11)."""
    return _HEX.sub(lambda hit: chr(int(hit[1], 16)), without_whitespace(text))


def _decode_words(value: str) -> str:
    """Decode the encoded words of a value (RFC 2047 2), as far as they can be."""
    try:
        parts = decode_header(_FOLD.sub("", value))
        return "".join(text if isinstance(text, str) else text.decode("latin-1") for text, _ in parts)
    except (HeaderParseError, ValueError):  # ValueError: binascii.Error is one
        return value


def _utf8(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")  # RFC 8616 4: U-labels are allowed


def _syntax_trouble(tags: KeyRecord, signature: Signature) -> str | None:
    """Return what is wrong with the syntax of a signature; None where nothing is."""
    names = tags.names
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        return f"it lacks {missing[0]}="
    if len(set(names)) != len(names):
        return "it has a part twice"
    if tags.get("v") != "1":
        return "its version is not v=1"
    if not signature.domain or not signature.selector or len(signature.host) > 253:
        return "its d= or s= is no name that DNS can hold"
    if _decode_base64(tags.get("bh")) is None or not _decode_base64(tags.get("b")):
        return "its b= or bh= is not base64"
    if not 0 < len(_canonicalizations(tags)) < 3 or set(_canonicalizations(tags)) - set(CANONS):
        return "its c= is none of simple and relaxed"
    if "dns/txt" not in tags.items("q", "dns/txt"):
        return "its key is not to be looked up in DNS (q=)"
    if not all(_NUMBER.fullmatch(tags.get(name, "0")) for name in ("t", "x")) or not _LENGTH.fullmatch(
        tags.get("l", "0")
    ):
        return "its t=, x= or l= is no number"
    return None


def _canonicalizations(tags: KeyRecord) -> list[str]:
    return tags.get("c", "simple").lower().split("/")


def _parse_number(tags: KeyRecord, name: str) -> int | None:
    return int(tags.get(name)) if tags.tag(name) else None


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(without_whitespace(text), validate=True)
    except (binascii.Error, ValueError):  # ValueError: other than ASCII
        return None


# --- what is signed --------------------------------------------------------------------------------------------


def body_octets(message: Message, signature: Signature) -> bytes:
    """Return the octets of the body, canonicalized and cut at `l=`, of which `bh=` is the hash."""
    body = canonical_body(message, signature)
    return body if signature.length is None else body[: signature.length]


def canonical_body(message: Message, signature: Signature) -> bytes:
    """Return the whole body, canonicalized."""
    body = message.body
    if signature.canon[1] == "simple":  # RFC 6376 3.4.3: exactly one line end, of an empty body too
        body = _with_one_line_end(body)
    else:
        body = body.replace(b"\t", b" ")
        while b"  " in body:  # halves each run: far cheaper than an expression that looks at every octet
            body = body.replace(b"  ", b" ")
        body = _with_one_line_end((body + b"\r\n").replace(b" \r\n", b"\r\n"))
        if body == b"\r\n":  # RFC 6376 3.4.4: a body of nothing but empty lines is empty
            body = b""
    return body


def _with_one_line_end(body: bytes) -> bytes:
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n"


def head_octets(message: Message, signature: Signature) -> bytes:
    """Return the octets of the header that `b=` signs: the fields of `h=`, then the signature without its `b=`.

    The fields of one name are taken from the bottom up; a name more often than there are fields adds nothing
    (RFC 6376 5.4.2).
    """
    relaxed = signature.canon[0] == "relaxed"
    below: dict[str, list[HeaderField]] = {name: [] for name in signature.signed}
    for field in message.fields:
        if field.name in below:
            below[field.name].append(field)
    signed = [below[name].pop() for name in signature.signed if below[name]]
    head = b"".join(_canonicalize(field.raw, relaxed) + b"\r\n" for field in signed)
    return head + _canonicalize(_remove_signature_value(signature.field), relaxed)


def _canonicalize(raw: bytes, relaxed: bool) -> bytes:
    """Canonicalize a field (RFC 6376 3.4.1 and 3.4.2), without its last line end."""
    if not relaxed:
        return raw
    name, _, value = raw.partition(b":")
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b""))
    return name.strip(b" \t").lower() + b":" + unfolded.strip(b" ")


def _remove_signature_value(field: HeaderField) -> bytes:
    """Remove the value of `b=` from a signature, with all white space around it (RFC 6376 3.7)."""
    at = 0
    for part in field.value.split(b";"):
        name, _, value = part.partition(b"=")
        at += len(part) + 1
        if name.strip(FOLDING.encode()) == b"b":
            head = len(field.raw) - len(field.value)
            end = head + at - 1
            return field.raw[: end - len(value)] + field.raw[end:]
    return field.raw
