"""Keys of a domain: read or made, under which selector, and sealed for what."""

import asyncio
import base64
from typing import Protocol

from letterhead.core.dkim.key_record import rsa_bits
from letterhead.core.domain.domain import Domain, Ed25519Key
from letterhead.core.names.domain_names import show_foreign
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.operations.ids import IdNeeds
from letterhead.operations.key_pool import PooledKeyNeeds, new_pooled_key
from letterhead.ports.deps import OperationSettings
from letterhead.ports.keyring import PooledKey
from letterhead.ports.provider import Provider
from letterhead.ports.store.domains import NewDomainKey


class DomainKeyNeeds(PooledKeyNeeds, Protocol):
    """What making a domain's second key needs."""

    @property
    def policy(self) -> OperationSettings: ...


class ProviderNeeds(Protocol):
    """What checking a customer's own key needs."""

    @property
    def provider(self) -> Provider: ...


async def read_own_key(deps: PooledKeyNeeds, pem: str | None, *, is_in_use: bool = False) -> PooledKey | None:
    """Read a customer's own private key, where one was sent; Fault `key-invalid`.

    A key that signs mail already (`is_in_use`) may be a short one.
    """
    if pem is None:
        return None
    return new_pooled_key(deps, await asyncio.to_thread(deps.keyring.read_pem, pem, is_in_use=is_in_use))


def check_key_limits(deps: ProviderNeeds, selector: str, key: PooledKey | None) -> None:
    """Refuse what the provider does not take, before the customer publishes it; Fault `selector-…` or `key-invalid`."""
    provider, limits = deps.provider.name, deps.provider.key_limits
    if "." in selector and not limits.dotted_selectors:
        detail = f"{show_foreign(selector)} has a dot, and the mail provider ({provider}) takes no such selector."
        raise Fault(Kind.SELECTOR_INVALID, detail, f"Type it without dots, such as {selector.replace('.', '-')}.")
    bits = rsa_bits(base64.b64decode(key.public_key)) if key is not None else None
    if bits is not None and bits > limits.largest_bits:
        most = limits.largest_bits
        detail = f"The private key has {bits} bits; the mail provider ({provider}) takes at most {most}."
        fix = f"Make a new one with `openssl genrsa -out key.pem {most}`, or leave the key out and Letterhead makes it."
        raise Fault(Kind.KEY_INVALID, detail, fix)


def new_second_key(deps: DomainKeyNeeds) -> tuple[Ed25519Key, Secret] | None:
    """Make an Ed25519 key at a selector of its own, where the operator wants that."""
    if not deps.policy.ed25519:
        return None
    pair = deps.keyring.make_ed25519()
    return Ed25519Key(selector=new_selector(deps), public_key=pair.public_key), pair.private_key


def seal_second_key(
    deps: PooledKeyNeeds, domain: Domain, made: tuple[Ed25519Key, Secret] | None
) -> NewDomainKey | None:
    """Seal a new Ed25519 key for its domain."""
    if made is None:
        return None
    key, secret = made
    return NewDomainKey(selector=key.selector, sealed=deps.keyring.seal(secret, key_purpose(domain, key.selector)))


def new_selector(deps: IdNeeds) -> str:
    """Make a selector that nobody can guess and that does not come twice: `lh` and 40 random bits."""
    return "lh" + base64.b32encode(deps.random_octets(5)).decode().lower()


def key_purpose(domain: Domain, selector: str | None = None) -> str:
    """Return what a private key is sealed for: its claim and selector, so that in another row it does not open."""
    # Delegated keys of every claim have the same two selectors: the token tells them apart.
    claim = f".{domain.key_delegation.token}" if domain.key_delegation else ""
    return f"dkim|{domain.account_id}|{domain.sender}|{selector or domain.selector}{claim}"
