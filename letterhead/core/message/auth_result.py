"""Knows how what a receiver finds is told: the result by its name in RFC 8601, why it is so, and what to do."""

from enum import StrEnum

import msgspec


class ResultCode(StrEnum):
    """Says what a receiver notes of a signature, or of SPF or DMARC (RFC 8601 2.7)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 no password
    FAIL = "fail"
    POLICY = "policy"  # good in itself, and too weak to count
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class AuthResult(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a result, why it is so, and what to do; `code` is the finding that explains it, where there is one."""

    result: ResultCode
    why: str
    code: str | None = None
    fix: str | None = None


def sentence(text: str) -> str:
    """Makes a whole sentence of a part of one."""
    return f"{text[0].upper()}{text[1:]}."
