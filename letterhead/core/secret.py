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


# As a line of PEM looks, or any piece of it: long, of letters in both cases, and with what no English word has. Runs
# are found first and judged after: one expression for both would look through a long run from each of its letters.
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_LIKE_A_KEY: Final = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9+/]")))
_SHOWN: Final = 6


def redact_keys(text: str) -> str:
    """Cuts out of a text what may be a piece of a key that somebody put in the wrong place."""
    return _RUN.sub(_cut, text)


def _cut(found: re.Match[str]) -> str:
    whole = found[0]
    return f"{whole[:_SHOWN]}…" if all(each.search(whole) for each in _LIKE_A_KEY) else whole
