"""Parsers of the operator's own zone and of the TSIG key of its updates; see `values` for what they raise."""

import base64
import binascii
import re

import msgspec

from letterhead.config.values import read_host
from letterhead.core.secret import Secret

TSIG_ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")  # RFC 8945 6: those that are neither broken nor cut
_TSIG_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LEAST_TSIG = 16  # octets
_LONGEST_ZONE = 200


class TsigKey(msgspec.Struct, frozen=True):
    """A key that signs DNS updates (RFC 8945); the name is in lower case without a final dot."""

    name: str
    algorithm: str
    secret: Secret


def read_zone(text: str) -> str:
    """Parse the name of a zone; the names below it must fit into 253 characters too."""
    name = read_host(text)
    if "." not in name or len(name) > _LONGEST_ZONE:
        raise ValueError(f"is not a name of two labels or more, and of {_LONGEST_ZONE} characters at most")
    return name


def read_tsig(text: str) -> TsigKey:
    """Parse `name:algorithm:base64 of the secret`."""
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError("is not name:algorithm:secret")
    name, algorithm, secret = parts
    if not _TSIG_NAME.fullmatch(name.lower().removesuffix(".")):
        raise ValueError("has a key name that is not of letters, digits, hyphens, underscores and dots")
    if algorithm.lower() not in TSIG_ALGORITHMS:
        raise ValueError(f"has an algorithm that is none of: {', '.join(TSIG_ALGORITHMS)}")
    try:
        octets = base64.b64decode(secret, validate=True)
    except binascii.Error:
        raise ValueError("has a secret that is not base64") from None
    if len(octets) < _LEAST_TSIG:
        raise ValueError(f"has a secret of {len(octets)} octets, and at least {_LEAST_TSIG} are needed")
    return TsigKey(name.lower().removesuffix("."), algorithm.lower(), Secret(octets))
