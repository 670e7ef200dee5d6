"""Knows how to keep a secret out of sight: nothing that prints, logs or serialises a `Secret` shows it."""

import re
from typing import Final, NoReturn


class Secret:
    """Wraps octets that must never be shown; `reveal(secret)` alone gives them back."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets: Final = octets

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def reveal(secret: Secret) -> bytes:
    """Gives the octets of a secret; a test guards who calls this."""
    return secret._octets


# As a line of PEM looks, or any piece of it: long, of letters in both cases, and with what no English word has.
_LIKE_A_KEY: Final = re.compile(
    r"(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*[0-9+/])[A-Za-z0-9+/_-]{20,}={0,2}", re.ASCII
)
_SHOWN: Final = 6


def without_keys(text: str) -> str:
    """Cuts out of a text what may be a piece of a key that somebody put in the wrong place."""
    return _LIKE_A_KEY.sub(lambda found: f"{found[0][:_SHOWN]}…", text)
