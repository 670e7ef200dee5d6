"""The text of an API key, and the digest under which it is stored.

`lh_<live|test>_`, 30 base62 characters (178 bit), 6 more for a CRC-32 of all that comes before. The CRC lets a typo or
a secret scanner be served without the database; it authenticates nothing.
"""

import hashlib
import hmac
import re
import string
import zlib
from enum import StrEnum

from letterhead.core.secret import Secret, reveal

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
OCTETS_NEEDED = 32  # far more than 178 bit, so that the division by 62**30 favours no key by more than 2**-77
_RANDOM_LENGTH = 30
_CRC_LENGTH = 6
_SHOWN = 4  # characters of the random part that a list may show
_FORM = re.compile(r"lh_(live|test)_[0-9A-Za-z]{36}")


class Mode(StrEnum):
    """The use of a key, which its owner sees in the text."""

    LIVE = "live"
    TEST = "test"


def new_api_key(mode: Mode, octets: bytes) -> tuple[str, str]:
    """Return a new key from 32 random octets: its text, to be shown once, and the masked text for lists."""
    if len(octets) != OCTETS_NEEDED:
        raise ValueError(f"an API key is made from {OCTETS_NEEDED} random octets, not {len(octets)}")
    body = f"lh_{mode}_" + _base62(int.from_bytes(octets) % 62**_RANDOM_LENGTH, _RANDOM_LENGTH)
    return body + _crc(body), mask(body)


def mask(text: str) -> str:
    """Shorten a key to what a list may show: enough to tell keys apart, nothing to sign in with."""
    return text[: len("lh_live_") + _SHOWN] + "…"


def is_well_formed(text: str) -> bool:
    """Tell whether a text can be a key of this service at all, by its form and its CRC alone."""
    return bool(_FORM.fullmatch(text)) and _crc(text[:-_CRC_LENGTH]) == text[-_CRC_LENGTH:]


def digest(token: str, pepper: Secret) -> bytes:
    """Return the 32 octets under which a token is stored and found: HMAC-SHA-256 with the server's pepper."""
    return hmac.digest(reveal(pepper), token.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _crc(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CRC_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
