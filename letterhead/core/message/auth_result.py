"""The result of authenticating a message: its name in RFC 8601 2.7, the reason for it, and the fix."""

from enum import StrEnum

import msgspec


class ResultCode(StrEnum):
    """The result codes for DKIM, SPF and DMARC (RFC 8601 2.7)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 no password
    FAIL = "fail"
    POLICY = "policy"  # good in itself, and too weak to count
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class AuthResult(msgspec.Struct, frozen=True, kw_only=True):
    """A result, why it is so, and what to do; `code` is that of the finding that explains it, where there is one."""

    result: ResultCode
    why: str
    code: str | None = None
    fix: str | None = None


def to_sentence(text: str) -> str:
    """Return a clause as a sentence: with a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}."
