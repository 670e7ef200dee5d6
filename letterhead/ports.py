"""Knows what the operations need of the outside world, as protocols; knows no implementation of any."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from letterhead.core.answers import Question, Reply
from letterhead.core.identity import IdentityWish, ProviderWord, ReturnPath
from letterhead.core.secret import Secret


@dataclass(slots=True)
class Allowance:
    """Bounds what one check may send and how long it may take; counts down as it is used.

    `until` is in seconds of the event loop's clock.
    """

    packets: int
    until: float


class Resolver(Protocol):
    """Asks DNS."""

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Asks all questions side by side and answers every one of them; DNS trouble is a value, never raised."""
        ...


class Provider(Protocol):
    """Speaks to one mail provider. Trouble is a `Fault` with `provider` and `provider_code`, but for `look`."""

    @property
    def name(self) -> str:
        """Names the provider, as in an error's `provider`."""
        ...

    @property
    def return_path(self) -> ReturnPath | None:
        """Says what a MAIL FROM domain must point at; nothing where no MAIL FROM is planned."""
        ...

    async def look(self, sender: str, owner: str) -> ProviderWord:
        """Tells the provider's word on a domain; trouble is `IdentityUnknown`, never raised."""
        ...

    async def register(self, wish: IdentityWish, private_key: Secret) -> ProviderWord:
        """Makes the provider hold what is wished: idempotent, and never over somebody else's identity."""
        ...

    async def restart(self, wish: IdentityWish, private_key: Secret) -> ProviderWord:
        """Starts the provider's own look at DNS again, where it had given up."""
        ...

    async def withdraw(self, sender: str, owner: str) -> None:
        """Deletes our identity; one that is gone already, or somebody else's, is left alone."""
        ...


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one RSA key: `public_key` is base64 of the SPKI DER (the `p=` of RFC 6376), the private PKCS#8 DER."""

    public_key: str
    private_key: Secret


class Keyring(Protocol):
    """Makes keys and keeps them sealed at rest."""

    def make_pair(self) -> KeyPair:
        """Makes an RSA-2048 key; takes some 50 ms of CPU, so call it in a thread."""
        ...

    def read_pem(self, pem: str) -> KeyPair:
        """Reads a customer's own private key (PKCS#1 or PKCS#8 PEM); Fault `key-invalid` names the problem."""
        ...

    def seal(self, secret: Secret, purpose: str) -> bytes:
        """Encrypts a secret bound to its purpose (`purpose|account|domain|selector`): elsewhere it does not open."""
        ...

    def unseal(self, sealed: bytes, purpose: str) -> Secret:
        """Decrypts what `seal` made for the same purpose; Fault `keyring-wrong` where it does not open."""
        ...

    def rewrapped(self, sealed: bytes) -> bytes | None:
        """Wraps a sealed secret's data key with the first key-encryption key; nothing where it is so already."""
        ...
