"""Credentials of DNS hosts that are kept because somebody asked for it: sealed, for one zone, and never shown again."""

from typing import Final, Protocol

import msgspec

from letterhead.core.accounts.dns_credentials import MOST_CREDENTIALS, DnsCredential
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.daily_limits import count_daily
from letterhead.operations.dns_plans import DnsPlanNeeds, find_zone, refuse_held
from letterhead.operations.domains import find_domain
from letterhead.operations.hosted_zones import GivenAccess, credential_purpose, no_credential, open_zone
from letterhead.operations.ids import new_id
from letterhead.ports.store.dns_credentials import StoredDnsCredential

KEPT_A_DAY: Final = 500  # credentials: each is tried at its DNS host, and leaves a row in the audit for ever


class DnsCredentialNeeds(DnsPlanNeeds, Protocol):
    """What keeping credentials needs."""


async def keep_credential(
    deps: DnsCredentialNeeds, account_id: str, raw: str, given: GivenAccess, actor: Actor, *, put_back: bool = False
) -> DnsCredential:
    """Keep a credential for the zone of a domain, in place of the one before, once its host has shown the zone by it.

    Faults: `not-found`, `conflict` where the account keeps too many or another account holds the name,
    `too-many-requests`, those of `open_zone`.
    """
    domain = await find_domain(deps, account_id, raw)
    await count_daily(deps, account_id, "credentials of DNS hosts", KEPT_A_DAY)
    if given.credential is None:
        detail = "The credential to keep was not given."
        raise Fault(Kind.PARAMETER_INVALID, detail, "Send its fields as `credential`.")
    zone = await find_zone(deps, domain)
    await open_zone(deps, zone, given.host, given.credential).read()
    await refuse_held(deps, domain)
    credential = DnsCredential(
        id=new_id(deps, "dns"),
        account_id=account_id,
        zone=zone,
        host=given.host,
        fields=tuple(sorted(given.credential.fields)),
        created_at=deps.now(),
        put_back=put_back,
    )
    values = {name: reveal(secret).decode() for name, secret in given.credential.fields.items()}
    sealed = deps.keyring.seal(Secret(msgspec.json.encode(values)), credential_purpose(credential))
    row = audit_row(deps, actor, "dns-credential.keep", f"{credential.id} for {zone} at {given.host}")
    stored = StoredDnsCredential(credential=credential, sealed=sealed)
    if not await deps.store.keep_dns_credential(stored, MOST_CREDENTIALS, row):
        raise Fault(
            Kind.CONFLICT,
            f"The account keeps {MOST_CREDENTIALS} credentials of DNS hosts, and may keep no more.",
            "Delete one that is not needed with DELETE /dns-credentials/{credentialId}.",
        )
    return credential


async def list_credentials(deps: DnsCredentialNeeds, account_id: str) -> list[DnsCredential]:
    """Return an account's kept credentials by zone, without their values."""
    return await deps.store.dns_credentials(account_id)


async def delete_credential(deps: DnsCredentialNeeds, account_id: str, credential_id: str, actor: Actor) -> None:
    """Delete a kept credential; Fault `not-found`."""
    row = audit_row(deps, actor, "dns-credential.delete", credential_id[:80])
    if not await deps.store.delete_dns_credential(account_id, credential_id, row):
        raise no_credential(credential_id)


async def change_credential(
    deps: DnsCredentialNeeds, account_id: str, credential_id: str, actor: Actor, *, put_back: bool
) -> DnsCredential:
    """Set whether records of ours that vanish from the zone are put back; Fault `not-found`."""
    row = audit_row(deps, actor, "dns-credential.change", f"{credential_id[:80]} put back: {put_back}")
    if not await deps.store.change_dns_credential(account_id, credential_id, put_back, row):
        raise no_credential(credential_id)
    return await find_credential(deps, account_id, credential_id)


async def find_credential(deps: DnsCredentialNeeds, account_id: str, credential_id: str) -> DnsCredential:
    """Find one kept credential, without its values; Fault `not-found`."""
    stored = await deps.store.dns_credential(account_id, credential_id)
    if stored is None:
        raise no_credential(credential_id)
    return stored.credential
