"""Secrets that no print, log or serialiser shows, and the redaction of keys in foreign text."""

import re
from typing import Final, NoReturn


class Secret:
    """Octets that must never be shown; `reveal(secret)` alone returns them."""

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
    """Return the octets of a secret; a test guards who calls this."""
    return secret._octets


# A line of PEM, or any piece of it: long, of letters in both cases, and with what no English word has. Runs are found
# first and judged after: one expression for both would search a long run again from each of its letters.
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_LIKE_A_KEY: Final = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9+/]")))
_SHOWN: Final = 6


def redact_keys(text: str) -> str:
    """Cut out of a text what may be a piece of a key that somebody put in the wrong place."""

    def cut(found: re.Match[str]) -> str:
        run = found[0]
        return f"{run[:_SHOWN]}…" if all(each.search(run) for each in _LIKE_A_KEY) else run

    return _RUN.sub(cut, text)
