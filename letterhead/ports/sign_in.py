"""Sign-in by OpenID Connect."""

from typing import Protocol

import msgspec

from letterhead.core.accounts.accounts import Scope


class SignInAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """The secrets that tie one attempt to sign in to one browser; `back` is the redirect URI."""

    back: str
    state: str
    nonce: str
    verifier: str
    challenge: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signed in: the provider's subject, the accounts from its claims, and the scope in those accounts.

    `email` and `email_domain` are those that the provider vouches for. `groups_left_out`: it named the groups
    elsewhere, since they are too many. `claim_names` are the names of all claims that it sent, for the log.
    """

    issuer: str
    subject: str
    account_ids: tuple[str, ...] = ()
    scope: Scope
    email: str | None = None
    email_domain: str | None = None
    groups: tuple[str, ...] = ()
    groups_left_out: bool = False
    claim_names: tuple[str, ...] = ()


class SignIn(Protocol):
    """An OpenID Connect provider."""

    async def address(self, attempt: SignInAttempt) -> str:
        """Return the authorization endpoint's URL to redirect a browser to; raise Fault `provider-failed`."""
        ...

    async def person(self, attempt: SignInAttempt, code: str) -> Person:
        """Exchange a code for the person who signed in.

        Raise Fault `unauthorized`, with a code of its own, or `provider-failed`.
        """
        ...
