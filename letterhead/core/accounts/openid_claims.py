"""Claims of an OpenID Connect provider about a person: texts and lists of texts, by name or by path."""

from collections.abc import Mapping
from typing import Final

from letterhead.core.accounts.accounts import Scope, allows, parse_email
from letterhead.errors import Fault

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


def verified_email(claims: Mapping[str, object]) -> str | None:
    """Return the address that the provider has verified; None where it did not, as Entra ID never does.

    Whoever may type an address into their own profile could else be anybody.
    """
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return None
    try:
        return parse_email(email)
    except Fault:
        return None


def verified_domain(claims: Mapping[str, object], name: str | None) -> str | None:
    """Return the mail domain that a person belongs to, in lower case.

    With `name`, the claim of that name alone says it: Google verifies any address once, and vouches for a domain only
    by `hd`. Without, the domain of a verified address does.
    """
    if name is None:
        email = verified_email(claims)
        return None if email is None else email.rpartition("@")[2].lower()
    domain = find_claim(claims, name)
    return domain.lower() if isinstance(domain, str) and domain else None


def is_left_out(claims: Mapping[str, object], name: str) -> bool:
    """Whether a claim was too long to be sent and is to be asked elsewhere (OpenID Connect Core 1.0, 5.6.2).

    Entra ID does so with the groups of a person who is in more than 200. Its address is never followed.
    """
    elsewhere = claims.get("_claim_names")
    return name not in claims and isinstance(elsewhere, Mapping) and name in elsewhere


def claim_names(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the claims, sorted, for a log: never their values."""
    return tuple(sorted(name[:NAME_LENGTH] for name in claims)[:MOST_NAMES])
