"""Claims of an OpenID Connect provider about a person: texts and lists of texts, by name or by path."""

from collections.abc import Mapping
from typing import Final

from letterhead.core.accounts.accounts import Scope, allows

MOST_NAMES: Final = 60  # of claims, as a log tells them
NAME_LENGTH: Final = 80


def find_claim(claims: Mapping[str, object], name: str) -> object:
    """Return a claim by its name, or by its path through objects, as `realm_access.roles`; None where it is absent.

    A name may hold dots itself, as `https://example.com/account` does: the whole name counts first.
    """
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def claim_texts(value: object) -> tuple[str, ...]:
    """Return the texts of a claim that is one or a list of them; what is no text is left out."""
    values = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(each for each in values if isinstance(each, str) and each))


def claim_scope(value: object) -> Scope | None:
    """Return the scope that a claim says, of several the widest; None where it is absent.

    Raise ValueError where it says something and none is a scope: a guessed one would be more than the provider gave, or
    less. A list may hold other roles as well.
    """
    if value is None or value == []:
        return None
    widest: Scope | None = None
    for text in claim_texts(value):
        if text in [each.value for each in Scope] and (widest is None or allows(Scope(text), widest)):
            widest = Scope(text)
    if widest is None:
        raise ValueError("no scope")
    return widest


def claim_names(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the claims, sorted, for a log: never their values."""
    return tuple(sorted(name[:NAME_LENGTH] for name in claims)[:MOST_NAMES])
