"""Knows how to keep a secret out of sight: nothing that prints, logs or serialises a `Secret` shows it."""

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
