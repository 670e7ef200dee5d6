"""The keys that sign Domain Connect links: made, listed with the TXT records that publish them, and deleted.

Several may live at a time, so that one can be replaced: links are signed by the newest whose public key DNS serves.
"""

import asyncio
from typing import Final, Protocol

import msgspec

from letterhead.core.dns.answers import View
from letterhead.core.dns.lookup import NoRecords, seen_records, txt_question
from letterhead.core.dns.records import Txt
from letterhead.core.domain_connect.apply_query import KEY_NAME, is_published, key_texts
from letterhead.core.domain_connect.template import ServiceProvider
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.dns_questions import allowance
from letterhead.ports.keyring import Keyring
from letterhead.ports.resolver import Resolver
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.secrets import SecretStore

PLACE: Final = "domain-connect|"  # before the names of these keys among the installation's secrets
MOST_KEYS: Final = 4
SECONDS: Final = 5.0


class StoreForSigningKeys(SecretStore, AccountStore, Protocol):
    """The installation's secrets, and the audit."""


class SigningKeyNeeds(AuditNeeds, Protocol):
    """What the operations on these keys need."""

    @property
    def store(self) -> StoreForSigningKeys: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def resolver(self) -> Resolver: ...
    @property
    def service_provider(self) -> ServiceProvider | None: ...


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key: its name below the key domain, the TXT records that publish it, and whether DNS serves these.

    `problem` says what DNS has instead; None for `is_published` where DNS did not answer.
    """

    name: str
    host: str
    texts: tuple[str, ...]
    is_published: bool | None
    problem: str | None = None


def find_service_provider(deps: SigningKeyNeeds) -> ServiceProvider:
    """Return the operator as a service provider; Fault `conflict` where that is not set."""
    if deps.service_provider is None:
        raise Fault(
            Kind.CONFLICT,
            "This installation is no Domain Connect service provider: LETTERHEAD_DOMAIN_CONNECT_PROVIDER is not set.",
            "Set it to a domain of your own, as docs/domain-connect.md says.",
        )
    return deps.service_provider


async def list_keys(deps: SigningKeyNeeds) -> list[SigningKey]:
    """List the keys, the oldest first, each with what DNS serves of it; Fault `conflict` where nothing is set."""
    provider = find_service_provider(deps)
    names = sorted(await deps.store.installation_secret_names(PLACE), key=_number)
    return [await _show_key(deps, provider, name.removeprefix(PLACE)) for name in names]


async def make_key(deps: SigningKeyNeeds, actor: Actor) -> SigningKey:
    """Make a key beside those that there are; Fault `conflict` where nothing is set, or there are MOST_KEYS already."""
    provider = find_service_provider(deps)
    pair = await asyncio.to_thread(deps.keyring.make_pair)
    while True:
        names = await deps.store.installation_secret_names(PLACE)
        if len(names) >= MOST_KEYS:
            raise Fault(
                Kind.CONFLICT,
                f"There are {len(names)} Domain Connect keys already.",
                "Delete one that signs no more: letterhead domain-connect delete-key NAME.",
            )
        place = f"{PLACE}{KEY_NAME}{max(map(_number, names), default=0) + 1}"
        sealed = deps.keyring.seal(pair.private_key, place)
        if await deps.store.installation_secret(place, sealed) == sealed:  # else another process was first
            break
    name = place.removeprefix(PLACE)
    await deps.store.audit(audit_row(deps, actor, "domain-connect-key.make", name))
    return await _show_key(deps, provider, name)


async def delete_key(deps: SigningKeyNeeds, name: str, actor: Actor) -> None:
    """Delete a key; Fault `not-found`, and `conflict` for the newest one, whose number must not be used again."""
    names = await deps.store.installation_secret_names(PLACE)
    place = f"{PLACE}{name}"
    if place not in names:
        raise _not_found(name)
    if place == max(names, key=_number):
        raise Fault(
            Kind.CONFLICT,
            f"{name} is the newest Domain Connect key: links could not be signed any more.",
            "Make a new one first, publish it, and delete this one then.",
        )
    await deps.store.delete_installation_secret(place)
    await deps.store.audit(audit_row(deps, actor, "domain-connect-key.delete", name))


async def find_signing_key(deps: SigningKeyNeeds) -> str | None:
    """Return the name of the newest key that DNS serves; None where it serves none."""
    return next((each.name for each in reversed(await list_keys(deps)) if each.is_published), None)


async def sign(deps: SigningKeyNeeds, name: str | None, query: str) -> tuple[str, str] | None:
    """Sign the query of a link; return the signature in base64, and the name of the key.

    Where that key was deleted meanwhile, the newest that DNS serves signs; None where it serves none.
    """
    while name is not None:
        try:
            key = await _open_key(deps, name)
        except Fault as fault:
            if fault.kind is not Kind.NOT_FOUND:
                raise
            name = await find_signing_key(deps)
        else:
            return await asyncio.to_thread(deps.keyring.sign_rs256, key, query.encode()), name
    return None


async def _open_key(deps: SigningKeyNeeds, name: str) -> Secret:
    sealed = await deps.store.installation_secret(f"{PLACE}{name}")
    if sealed is None:
        raise _not_found(name)
    return deps.keyring.unseal(sealed, f"{PLACE}{name}")


def _not_found(name: str) -> Fault:
    return Fault(
        Kind.NOT_FOUND,
        f"There is no Domain Connect key {name[:80]!r}.",
        "Look at GET /domain-connect for those that there are.",
    )


async def _show_key(deps: SigningKeyNeeds, provider: ServiceProvider, name: str) -> SigningKey:
    public_key = deps.keyring.public_key(await _open_key(deps, name))
    host = f"{name}.{provider.key_domain}"
    asked = txt_question(host)
    assert asked.view is View.ONE_RESOLVER  # noqa: S101 as DNS hosts ask
    found = seen_records(await deps.resolver.ask([asked], allowance(SECONDS)), asked)
    served: bool | None = None
    problem: str | None = None
    if found is NoRecords.VOID:
        served, problem = False, f"{host} has no TXT record."
    elif found is NoRecords.UNKNOWN:
        problem = f"DNS did not say what is at {host}."
    else:
        served = is_published(public_key, [each.text for each in found if isinstance(each, Txt)])
        problem = None if served else f"{host} has TXT records that are not this key."
    return SigningKey(name=name, host=host, texts=key_texts(public_key), is_published=served, problem=problem)


def _number(name: str) -> int:
    digits = name.rpartition("v")[2]
    return int(digits) if digits.isdigit() else 0
