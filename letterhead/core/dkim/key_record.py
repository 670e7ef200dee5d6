"""The text of a DKIM key record (RFC 6376 3.6.1), parsed into tags, and the public key in it."""

import base64
import binascii
import re
from functools import lru_cache

import msgspec

MAX_TEXT = 4096  # characters: no real record is near it, and what is longer is not parsed
FOLDING = " \t\r\n"  # RFC 6376 2.8: no other white space folds
WEAK_BITS = 2048  # RFC 8301 3.2: signers should use at least so many
LEAST_BITS = 1024  # RFC 8301 3.2: verifiers must not take fewer
ALGORITHMS = ("rsa", "ed25519")  # RFC 6376 3.3, RFC 8463 4
SERVICES = ("*", "email", "tlsrpt")  # RFC 6376 3.6.1, RFC 8460 3
ED25519_OCTETS = 32

_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")  # RFC 6376 3.2
_RSA_ALGORITHM = bytes.fromhex("06092a864886f70d010101")  # RFC 3279 2.3.1: rsaEncryption
_SEQUENCE, _INTEGER, _BIT_STRING = 0x30, 0x02, 0x03


class KeyTag(msgspec.Struct, frozen=True, kw_only=True):
    """One tag without the white space around it; `span` is its start and end in the text."""

    name: str
    value: str
    span: tuple[int, int]


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of a key record in their order."""

    tags: tuple[KeyTag, ...]

    def tag(self, name: str) -> KeyTag | None:
        """Return the first tag of a name."""
        for tag in self.tags:  # a loop: this is asked some hundred times in a check
            if tag.name == name:
                return tag
        return None

    def get(self, name: str, default: str = "") -> str:
        """Return the value of the first tag of a name."""
        tag = self.tag(name)
        return default if tag is None else tag.value

    def items(self, name: str, default: str) -> list[str]:
        """Return the items of a tag whose value is a list, as in `h=sha1:sha256`."""
        return [item.strip(FOLDING) for item in self.get(name, default).split(":")]

    @property
    def names(self) -> list[str]:
        """Return the names of the tags in their order."""
        return [tag.name for tag in self.tags]

    @property
    def first_duplicate(self) -> KeyTag | None:
        """Return the first tag that repeats an earlier one: the whole list is invalid then (RFC 6376 3.2)."""
        names: set[str] = set()
        for tag in self.tags:
            if tag.name in names:
                return tag
            names.add(tag.name)
        return None

    @property
    def has_late_version(self) -> bool:
        """Return whether the version is there and not the first tag (RFC 6376 3.6.1)."""
        return "v" in self.names[1:]

    @property
    def has_other_version(self) -> bool:
        """Return whether the version is not exactly DKIM1 (RFC 6376 3.6.1)."""
        return self.get("v", "DKIM1") != "DKIM1"

    @property
    def is_for_mail(self) -> bool:
        """Return whether the key may sign mail (`s=`, RFC 6376 3.6.1)."""
        return bool({"*", "email"} & set(self.items("s", "*")))

    @property
    def allows_sha256(self) -> bool:
        """Return whether the key may be used with sha256 (`h=`, RFC 6376 3.6.1)."""
        return "sha256" in self.items("h", "sha256")


@lru_cache(maxsize=8)  # the rules of one check all ask for the same two or three
def parse_key_record(text: str) -> KeyRecord | None:
    """Parse a tag list (RFC 6376 3.2); return None where the text is none, or longer than `MAX_TEXT`."""
    if len(text) > MAX_TEXT:
        return None
    tags: list[KeyTag] = []
    start = 0
    parts = text.split(";")
    if not parts[-1].strip(FOLDING):  # one semicolon may end the list; anywhere else, nothing between two is no tag
        parts.pop()
    for part in parts:
        name, equals, value = (each.strip(FOLDING) for each in part.partition("="))
        if not equals or not _TAG_NAME.fullmatch(name):
            return None
        span = start + len(part) - len(part.lstrip(FOLDING)), start + len(part.rstrip(FOLDING))
        tags.append(KeyTag(name=name, value=value, span=span))
        start += len(part) + 1
    return KeyRecord(tags=tuple(tags)) if tags else None


def without_whitespace(text: str) -> str:
    """Remove all folding white space, which base64 may have anywhere (RFC 6376 3.6.1)."""
    return re.sub(r"[ \t\r\n]+", "", text)


def key_octets(record: KeyRecord) -> bytes | None:
    """Decode the key of `p=`; return None where it is not base64."""
    try:
        return base64.b64decode(without_whitespace(record.get("p")), validate=True)
    except (binascii.Error, ValueError):  # ValueError: other than ASCII
        return None


def is_usable(record: KeyRecord, algorithm: str = "rsa") -> bool:
    """Return whether a verifier accepts this key for mail signed with it and sha256 (RFC 6376 3.6.1, RFC 8463 3)."""
    return record.is_for_mail and record.get("k", "rsa") == algorithm and _is_good(record)


def is_usable_by_any(record: KeyRecord) -> bool:
    """Return whether a verifier accepts this key for mail signed by some algorithm that is known."""
    return any(is_usable(record, algorithm) for algorithm in ALGORITHMS)


def is_retired(record: KeyRecord) -> bool:
    """Return whether a record says that its key must not be used any more: an empty `p=` (RFC 6376 3.6.1)."""
    return record.tag("p") is not None and not record.get("p")


def is_legal(record: KeyRecord) -> bool:
    """Return whether a record is right in itself, also where it is retired or not for mail."""
    if is_retired(record):
        known = record.get("k", "rsa") in ALGORITHMS
        return known and not (record.first_duplicate or record.has_late_version or record.has_other_version)
    return bool(set(SERVICES) & set(record.items("s", "*"))) and _is_good(record)


def _is_good(record: KeyRecord) -> bool:
    """Return whether the record has a whole key of the algorithm that it names, usable with sha256."""
    if record.first_duplicate or record.has_late_version or record.has_other_version or not record.allows_sha256:
        return False
    octets = key_octets(record) or b""
    if record.get("k", "rsa") == "ed25519":
        return len(octets) == ED25519_OCTETS
    bits = rsa_bits(octets) if record.get("k", "rsa") == "rsa" else None
    return bits is not None and bits >= LEAST_BITS


# --- the key itself: as much DER (X.690 8) as an RSA key needs ------------------------------------------------------


def rsa_bits(octets: bytes) -> int | None:
    """Return the bits of the modulus of an RSA SubjectPublicKeyInfo (RFC 8017 A.1.1, RFC 5280 4.1), or None."""
    outer = _content(octets, _SEQUENCE)
    inner = _content(outer[0], _SEQUENCE) if outer else None
    if inner is None or not inner[0].startswith(_RSA_ALGORITHM):
        return None
    string = _content(inner[1], _BIT_STRING)
    return bare_rsa_bits(string[0][1:]) if string and string[0][:1] == b"\0" else None


def bare_rsa_bits(octets: bytes) -> int | None:
    """Return the bits of the modulus of a bare RSAPublicKey, the PKCS #1 form (RFC 8017 A.1.1), or None."""
    outer = _content(octets, _SEQUENCE)
    modulus = _content(outer[0], _INTEGER) if outer else None
    exponent = _content(modulus[1], _INTEGER) if modulus else None
    if modulus is None or exponent is None or not exponent[0]:
        return None
    return int.from_bytes(modulus[0], "big").bit_length() or None


def is_cut(key: str) -> bool:
    """Return whether base64 begins as an RSA key does and is shorter than its DER length (X.690 8.1.3)."""
    try:
        octets = base64.b64decode(key[: len(key) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return False
    begins = octets[:1] == bytes((_SEQUENCE,)) and _RSA_ALGORITHM in octets[:24]
    return begins and _content(octets, _SEQUENCE) is None


def _content(octets: bytes, tag: int) -> tuple[bytes, bytes] | None:
    """Return the content of the first DER value, and what follows it; None where it is cut or has another tag."""
    if len(octets) < 2 or octets[0] != tag:
        return None
    size, start = octets[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(octets[2:start], "big")
    end = start + size
    return (octets[start:end], octets[end:]) if end <= len(octets) else None
