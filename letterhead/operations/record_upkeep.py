"""Write what a zone owes by a kept credential: the next key of a rotation, and records that vanished from it.

A credential that its DNS host does not take is reported once, and not used again until another one is kept.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.core.dns.records import RRset
from letterhead.core.domain.domain import Domain, Event, EventKind
from letterhead.core.plan.plan import PlannedRecord
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.core.zone_changes.changes import Action, PlannedChange
from letterhead.core.zone_changes.dns_plan import MOST_KEPT, DnsPlan, PlanState
from letterhead.core.zone_changes.owed_records import (
    NEXT_KEYS,
    RETRY_AFTER,
    find_unfinished,
    is_put_off,
    may_resume,
    names_held_back,
    owed_records,
)
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import WORKER, audit_row
from letterhead.operations.dns_credentials import DnsCredentialNeeds
from letterhead.operations.dns_plans import apply_plan, plan_now
from letterhead.operations.domains import RACES, plan_of
from letterhead.operations.hosted_zones import GivenAccess, open_zone, unseal_credential
from letterhead.operations.ids import new_id
from letterhead.ports.store.dns_credentials import StoredDnsCredential
from letterhead.ports.store.domains import DomainUpdate

LOOK_EVERY: Final = timedelta(minutes=2)
LEASE: Final = timedelta(minutes=5)  # renewed for each domain, which takes two minutes at most
NOTHING_TO_WRITE: Final = timedelta(minutes=10)  # what is owed is refused, or stands there and is not seen yet
MOST_DOMAINS: Final = 50  # of one zone that are read together, and that are written in one look

log = structlog.get_logger()


class OwingDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain with the records that it owes, and its newest automatic plan where that is unfinished."""

    domain: Domain
    owed: tuple[PlannedRecord, ...]
    unfinished: DnsPlan | None


async def claim_zones(deps: DnsCredentialNeeds, held: PlacesHeld) -> Sequence[StoredDnsCredential]:
    """Lease kept credentials whose zones are to be looked after, those first whose account has the fewest places."""
    now = deps.now()
    return await deps.store.claim_dns_credentials(now, now + LEASE, now + LOOK_EVERY, held)


async def look_after_zone(deps: DnsCredentialNeeds, stored: StoredDnsCredential) -> None:
    """Write what the domains that the account holds in a zone owe; never raises what a DNS host causes."""
    kept, lease, later = stored.credential, stored.lease_until, None
    rrsets: Sequence[RRset] | None = None
    written = 0
    async for owing in owing_domains(deps, kept):
        until = deps.now() + LEASE
        if lease is None or not await deps.store.renew_dns_credential(kept.id, lease, until):
            return
        lease = until
        try:
            if rrsets is None:
                rrsets = await open_zone(deps, kept.zone, kept.host, unseal_credential(deps, stored)).read()
            if await _write_owed(deps, kept, owing, rrsets):
                written += 1
            else:
                later = NOTHING_TO_WRITE
        except Fault as fault:
            log.warning("records.not-written", domain=owing.domain.sender, host=kept.host, kind=fault.kind)
            if fault.kind is Kind.DNS_HOST_REFUSED:
                await _report_refused(deps, stored, owing.domain, fault)
                return
            later = RETRY_AFTER
            break
        if written == MOST_DOMAINS:
            later = None
            break
    if lease is not None:
        await deps.store.release_dns_credential(kept.id, lease, None if later is None else deps.now() + later)


async def owing_domains(deps: DnsCredentialNeeds, kept: DnsCredential) -> AsyncIterator[OwingDomain]:
    """Yield the domains of a zone that owe records now."""
    after = ""
    while page := await deps.store.held_in_zone(kept.account_id, kept.zone, MOST_DOMAINS, after):
        for domain in page:
            ids = owed_records(domain, put_back=kept.put_back)
            if not ids:
                continue
            plans = await deps.store.dns_plans(domain.id)
            held = names_held_back(plans, deps.now())
            planned = [each for each in plan_of(deps, domain).records if each.id in ids]
            owed = {(each.host, each.rdtype): each for each in planned if (each.host, each.rdtype) not in held}
            unfinished = find_unfinished(plans)
            if owed and (unfinished is None or not is_put_off(unfinished, owed, deps.now())):
                yield OwingDomain(domain=domain, owed=tuple(owed.values()), unfinished=unfinished)
        after = page[-1].sender


async def _write_owed(
    deps: DnsCredentialNeeds, kept: DnsCredential, owing: OwingDomain, rrsets: Sequence[RRset]
) -> bool:
    """Plan and apply those records that are not in the zone; return whether there were any.

    A plan that failed, or that a killed worker left, is applied again in place of a new one.
    """
    domain, plan, ids = owing.domain, owing.unfinished, {each.id for each in owing.owed}
    changes = tuple(
        each
        for each in await plan_now(deps, domain, kept.zone, rrsets)
        if each.id in ids and each.action is Action.CREATE
    )
    if plan is None or not may_resume(plan, changes, rrsets):
        if not changes:
            return False
        plan = await _add_plan(deps, kept, domain, changes)
    actor = replace(WORKER, account_id=kept.account_id)
    access = GivenAccess(host="", credential_id=kept.id)
    await apply_plan(deps, kept.account_id, domain.sender, plan.id, access, actor)
    await deps.store.note_dns_credential(kept.id, deps.now(), None)
    await _add_event(deps, domain, EventKind.RECORDS_WRITTEN, _said(plan.writes, kept.zone, kept.host))
    return True


async def _add_plan(
    deps: DnsCredentialNeeds, kept: DnsCredential, domain: Domain, changes: tuple[PlannedChange, ...]
) -> DnsPlan:
    now, actor = deps.now(), replace(WORKER, account_id=kept.account_id)
    plan = DnsPlan(
        id=new_id(deps, "plan"),
        account_id=kept.account_id,
        domain_id=domain.id,
        host=kept.host,
        zone=kept.zone,
        state=PlanState.PLANNED,
        changes=changes,
        created_at=now,
        changed_at=now,
        automatic=True,
    )
    row = audit_row(deps, actor, "dns-plan.make", f"{domain.sender} {plan.id} at {kept.host}, by {kept.id}")
    await deps.store.add_dns_plan(plan, MOST_KEPT, row)
    return plan


def _said(changes: Sequence[PlannedChange], zone: str, host: str) -> str:
    told = [
        f"the {each.rdtype} record at {each.owner} was {'published' if each.id in NEXT_KEYS else 'put back'}"
        for each in changes
    ]
    return f"{', '.join(told)} in the zone {zone} at {host}, by the credential that is kept for it"


async def _report_refused(deps: DnsCredentialNeeds, stored: StoredDnsCredential, domain: Domain, fault: Fault) -> None:
    kept, code = stored.credential, (fault.provider_code or fault.kind)[:80]
    if not await deps.store.note_dns_credential(kept.id, deps.now(), code):
        return
    said = (
        f"{kept.host} did not take the credential that is kept for the zone {kept.zone} ({code}): nothing is written "
        "by it until another one is kept"
    )
    await _add_event(deps, domain, EventKind.CREDENTIAL_REFUSED, said)


async def _add_event(deps: DnsCredentialNeeds, domain: Domain, kind: EventKind, said: str) -> None:
    for _ in range(RACES):
        fresh = await deps.store.domain_by_id(domain.id)
        if fresh is None:
            return
        event = Event(kind=kind, at=deps.now(), detail=said)
        if await deps.store.save(DomainUpdate(domain=fresh, events=(event,))):
            return
