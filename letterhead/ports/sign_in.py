"""Sign-in by OpenID Connect."""

from typing import Protocol

import msgspec

from letterhead.core.accounts.accounts import Scope


class SignInAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what ties one attempt to sign in to one browser; `back` is where the provider leads it to afterwards."""

    back: str
    state: str
    nonce: str
    verifier: str
    challenge: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Says who signed in elsewhere, by the provider's own name, of which account they are said to be, and what they
    may do in it."""

    subject: str
    account_id: str | None
    scope: Scope


class SignIn(Protocol):
    """Has people signed in by somebody else, by OpenID Connect."""

    async def address(self, attempt: SignInAttempt) -> str:
        """Gives the provider's address to lead a browser to; Fault `provider-failed`."""
        ...

    async def person(self, attempt: SignInAttempt, code: str) -> Person:
        """Exchanges a code for who signed in; Faults `unauthorized`, `provider-failed`."""
        ...
