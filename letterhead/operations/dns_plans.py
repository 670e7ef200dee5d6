"""Write a domain's records in its zone at the DNS host: plan, apply, undo; each step is audited, no credential kept."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from msgspec.structs import replace

from letterhead.core.dns.answers import (
    DELEGATION_LOOKUP,
    Delegated,
    Found,
    NoData,
    NxDomain,
    Question,
    Reply,
    View,
    answering,
)
from letterhead.core.dns.lookup import is_in_zone
from letterhead.core.dns.records import RRset
from letterhead.core.domain.domain import Domain
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.zone_changes.changes import WRITTEN, Action, PlannedChange, is_same, rrset_changes
from letterhead.core.zone_changes.dns_plan import CUT_OFF, MAY_APPLY, MAY_UNDO, MOST_KEPT, WORK, DnsPlan, PlanState
from letterhead.core.zone_changes.plan_changes import (
    ZoneContext,
    changes_left,
    find_drift,
    from_zone,
    keep_standing,
    outside_questions,
    plan_changes,
    plan_undo,
    zone_before,
)
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.daily_limits import DailyLimitNeeds, count_daily
from letterhead.operations.dns_questions import DnsNeeds, ask_within, domain_allowance
from letterhead.operations.domains import RACES, DomainViewNeeds, find_domain, plan_of
from letterhead.operations.hosted_zones import (
    GivenAccess,
    HostedZoneNeeds,
    OpenZone,
    open_credential,
    open_zone,
)
from letterhead.operations.ids import IdNeeds, new_id
from letterhead.ports.resolver import Resolver
from letterhead.ports.store.accounts import AccountStore, AuditRow
from letterhead.ports.store.dns_credentials import DnsCredentialStore
from letterhead.ports.store.dns_plans import DnsPlanStore
from letterhead.ports.store.domains import DomainStore, DomainUpdate
from letterhead.ports.store.leases import LeaseStore

PLANS_A_DAY: Final = 2_000  # plans made, applied or undone: each leaves rows in the audit for ever
ROUNDS: Final = 6  # of questions to other zones: SPF records that include others, mostly two deep
SERVE_SECONDS: Final = 20.0  # for which a request waits until every nameserver answers
POLLS: Final = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)  # seconds between two questions to the nameservers


class StoreForDnsPlans(DnsCredentialStore, DnsPlanStore, DomainStore, LeaseStore, AccountStore, Protocol):
    """Plans, their domains, how often an account makes some, and the audit."""


class DnsPlanNeeds(DomainViewNeeds, DnsNeeds, IdNeeds, AuditNeeds, DailyLimitNeeds, HostedZoneNeeds, Protocol):
    """What planning, applying and undoing need."""

    @property
    def store(self) -> StoreForDnsPlans: ...
    @property
    def resolver(self) -> Resolver: ...
    @property
    def hosts(self) -> tuple[DnsHost, ...]: ...


async def list_plans(deps: DnsPlanNeeds, account_id: str, raw: str) -> list[DnsPlan]:
    """Return a domain's plans, the newest first; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return await deps.store.dns_plans(domain.id)


async def find_plan(deps: DnsPlanNeeds, account_id: str, raw: str, plan_id: str) -> DnsPlan:
    """Return one plan of a domain; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return await _plan_of_domain(deps, domain, plan_id)


async def _plan_of_domain(deps: DnsPlanNeeds, domain: Domain, plan_id: str) -> DnsPlan:
    plan = await deps.store.dns_plan(domain.id, plan_id[:100])
    if plan is None:
        raise Fault(
            Kind.NOT_FOUND,
            f"{domain.sender} has no plan {plan_id[:100]!r}: its newest {MOST_KEPT} are kept.",
            f"Look at GET /domains/{domain.sender}/dns-plans for those that there are.",
        )
    return plan


async def make_plan(deps: DnsPlanNeeds, account_id: str, raw: str, given: GivenAccess, actor: Actor) -> DnsPlan:
    """Read the zone at the DNS host and plan what to write; nothing is written.

    Faults: `not-found`, `conflict` where another account holds the name, `too-many-requests`, those of `open_zone`.
    """
    domain = await find_domain(deps, account_id, raw)
    await count_daily(deps, account_id, "changes of zones", PLANS_A_DAY)
    name = await find_zone(deps, domain)
    host, credential = await open_credential(deps, account_id, name, given)
    rrsets = await open_zone(deps, name, host, credential).read()
    await refuse_held(deps, domain)
    changes = await plan_now(deps, domain, name, rrsets)
    now = deps.now()
    refused = [each for each in changes if each.action is Action.REFUSE]
    is_refused = bool(refused) and not any(each.action in WRITTEN for each in changes)
    plan = DnsPlan(
        id=new_id(deps, "plan"),
        account_id=account_id,
        domain_id=domain.id,
        host=host,
        zone=name,
        state=PlanState.REFUSED if is_refused else PlanState.PLANNED,
        changes=changes,
        created_at=now,
        changed_at=now,
        said=f"{len(refused)} of {len(changes)} records are refused." if refused else "",
    )
    row = audit_row(deps, actor, "dns-plan.make", f"{domain.sender} {plan.id} at {host}: {_summary(changes)}")
    await deps.store.add_dns_plan(plan, MOST_KEPT, row)
    return plan


async def refuse_held(deps: DnsPlanNeeds, domain: Domain) -> None:
    """Raise Fault `conflict` where another account holds the name: its records stand in the zone, in use.

    Called once the zone was read: nobody else learns of it than who has the zone's credential.
    """
    if await deps.store.holder(domain.sender) in (None, domain.id):
        return
    raise Fault(
        Kind.CONFLICT,
        f"Another account of this installation holds {domain.sender}, and its records stand in the zone.",
        "Write them from that account. If nothing is sent by it any more, delete the domain there, then ask again.",
    )


async def find_zone(deps: DnsPlanNeeds, domain: Domain) -> str:
    """Return the zone that holds a domain, as DNS delegates it; at or below the name that was registered."""
    registered = domain.zone or domain.sender
    asked = Question(name=domain.sender, rdtype="NS", view=View.DELEGATION)
    replies = await ask_within(deps.resolver, [asked], domain_allowance(deps, domain))
    found = [each.answer.zone for each in answering(replies.get(asked, ())) if isinstance(each.answer, Delegated)]
    return next((zone for zone in found if is_in_zone(zone, registered)), registered)


async def plan_now(deps: DnsPlanNeeds, domain: Domain, name: str, rrsets: Sequence[RRset]) -> tuple[PlannedChange, ...]:
    """Return what to write in a zone as it is now, with what other zones say; in a thread, since zones may be large."""
    plan = plan_of(deps, domain)
    keys = tuple(each.public_key for each in domain.old_keys if each.public_key)
    seen: dict[Question, tuple[Reply, ...]] = {}
    allowed = domain_allowance(deps, domain)
    for _ in range(ROUNDS):
        context = ZoneContext(zone=name, outside=seen, own_keys=keys, hosts=tuple(deps.hosts))
        wanted = await asyncio.to_thread(outside_questions, plan, rrsets, context)
        if not wanted:
            break
        seen = seen | await ask_within(deps.resolver, wanted, allowed)
    context = ZoneContext(zone=name, outside=seen, own_keys=keys, hosts=tuple(deps.hosts))
    return await asyncio.to_thread(plan_changes, plan, rrsets, context)


def _summary(changes: Iterable[PlannedChange]) -> str:
    """Return what is done about each record, for the audit."""
    return ", ".join(f"{each.action} {each.rdtype} {each.owner}" for each in changes)


# --- apply ----------------------------------------------------------------------------------------------------------


async def apply_plan(
    deps: DnsPlanNeeds, account_id: str, raw: str, plan_id: str, given: GivenAccess, actor: Actor
) -> DnsPlan:
    """Write what a plan says, if the zone is still as the plan saw it; begun before and cut off, only what is left.

    Faults: `not-found`, `conflict` where the plan can't be applied or somebody is at it, `zone-changed` with nothing
    written, `too-many-requests`, those of `open_zone`; the plan then says what became of it.
    """
    domain, plan = await _startable(deps, account_id, raw, plan_id, MAY_APPLY, "applied")
    zone, rrsets = await _read_again(deps, domain, plan, given)
    seen = zone_before(plan.changes, rrsets) if plan.state in CUT_OFF else rrsets
    await _refuse_drift(deps, domain, plan, seen, actor)
    left = changes_left(plan.changes, rrsets)
    before = [each for each in plan.writes if each not in left]
    if plan.state is PlanState.PLANNED:  # what stands there now is somebody else's work
        plan = replace(plan, changes=keep_standing(plan.changes, rrsets))
    action = f"{domain.sender} {plan.id} at {plan.host}: {_summary(left) or 'nothing is left to write'}"
    plan = await _begin(deps, plan, PlanState.APPLYING, audit_row(deps, actor, "dns-plan.apply", action))
    await _write(deps, zone, plan, from_zone(left, rrsets), domain, actor)
    said = f"Written: {_summary(left)}." if left else "All of it stood there already."
    said += f" Before that stood there already: {_summary(before)}." if left and before else ""
    row = audit_row(deps, actor, "dns-plan.written", f"{domain.sender} {plan.id} at {plan.host}")
    plan = await _save(deps, replace(plan, state=PlanState.WRITTEN, said=said, busy_until=None, missing_at=()), row)
    await _check_soon(deps, domain)
    return plan


async def _write(
    deps: DnsPlanNeeds, zone: OpenZone, plan: DnsPlan, left: Sequence[PlannedChange], domain: Domain, actor: Actor
) -> None:
    """Write, then read the zone again: what a host says that it did is not what it has. Record a failure, and raise it.

    Applying or undoing again reads the zone before anything else.
    """
    if not left:
        return
    try:
        await zone.write(rrset_changes(left))
        lacking = changes_left(left, await zone.read())
        if lacking:
            raise Fault(
                Kind.DNS_HOST_FAILED,
                f"{plan.host} took the change of {plan.zone} and does not have it: {_summary(lacking)}.",
                "Apply the plan again in a minute; if it stays so, look at the zone in the pages of the DNS host.",
                provider=plan.host,
            )
    except Exception as error:
        said = await _describe_failure(zone, left, error)
        row = audit_row(deps, actor, "dns-plan.failed", f"{domain.sender} {plan.id} at {plan.host}: {said}")
        await _save(deps, replace(plan, state=PlanState.FAILED, said=said, busy_until=None), row)
        raise


async def _refuse_drift(
    deps: DnsPlanNeeds, domain: Domain, plan: DnsPlan, rrsets: Sequence[RRset], actor: Actor
) -> None:
    """Raise Fault `zone-changed` where the zone, or what the domain needs, is no longer as the plan saw it."""
    drifted = {f"{each.rdtype} {each.owner}" for each in find_drift(plan.changes, rrsets)}
    fresh = {each.id: each for each in await plan_now(deps, domain, plan.zone, rrsets)}
    for each in changes_left(plan.changes, rrsets):
        again = fresh.get(each.id)
        if again is None or again.action not in WRITTEN or not is_same(again.after, each.after):
            drifted.add(f"{each.rdtype} {each.owner}")
    if not drifted:
        return
    names = ", ".join(sorted(drifted))
    await deps.store.audit(audit_row(deps, actor, "dns-plan.drift", f"{domain.sender} {plan.id}: {names}"))
    begun = plan.state is not PlanState.PLANNED
    raise Fault(
        Kind.ZONE_CHANGED,
        f"The zone {plan.zone} is no longer as the plan saw it: {names}. Nothing was written"
        f"{' now; some of the plan may have been written before' if begun else ''}.",
        f"Make a new plan with POST /domains/{domain.sender}/dns-plan and look at what it says.",
    )


# --- undo -----------------------------------------------------------------------------------------------------------


async def undo_plan(
    deps: DnsPlanNeeds, account_id: str, raw: str, plan_id: str, given: GivenAccess, actor: Actor
) -> DnsPlan:
    """Put back what stood there before a plan; what somebody has changed since is left, record by record.

    Faults: as `apply_plan`; `zone-changed` where nothing at all can be put back.
    """
    domain, plan = await _startable(deps, account_id, raw, plan_id, MAY_UNDO, "undone")
    zone, rrsets = await _read_again(deps, domain, plan, given)
    undone = plan_undo(plan.changes, rrsets, cut_off=plan.state in CUT_OFF)
    refused = [each for each in undone if each.action is Action.REFUSE]
    if undone and len(refused) == len(undone):
        names = ", ".join(f"{each.rdtype} {each.owner}" for each in refused)
        await deps.store.audit(audit_row(deps, actor, "dns-plan.drift", f"{domain.sender} {plan.id}: {names}"))
        detail = f"Somebody has changed every record of this plan since: {names}. Nothing was put back."
        raise Fault(Kind.ZONE_CHANGED, detail, "Change them by hand, or leave them.")
    action = f"{domain.sender} {plan.id} at {plan.host}: {_summary(undone)}"
    plan = await _begin(deps, plan, PlanState.UNDOING, audit_row(deps, actor, "dns-plan.undo", action), undone)
    await _write(deps, zone, plan, [each for each in undone if each.action in WRITTEN], domain, actor)
    said = f"{len(refused)} of {len(undone)} records were left, since somebody has changed them." if refused else ""
    said = said if undone else "The plan wrote nothing, so there was nothing to put back."
    row = audit_row(deps, actor, "dns-plan.undone", f"{domain.sender} {plan.id} at {plan.host}")
    plan = await _save(deps, replace(plan, state=PlanState.UNDONE, said=said, busy_until=None, missing_at=()), row)
    await _check_soon(deps, domain)
    return plan


# --- states ---------------------------------------------------------------------------------------------------------


async def _startable(
    deps: DnsPlanNeeds, account_id: str, raw: str, plan_id: str, states: frozenset[PlanState], done: str
) -> tuple[Domain, DnsPlan]:
    domain = await find_domain(deps, account_id, raw)
    plan = await _plan_of_domain(deps, domain, plan_id)
    if plan.is_busy(deps.now()):
        left = int((plan.busy_until - deps.now()).total_seconds()) + 1 if plan.busy_until else 1
        detail = f"Somebody is at work on this plan ({plan.state})."
        raise Fault(Kind.CONFLICT, detail, f"Look again in a moment; a process that was killed holds it {left} s more.")
    if plan.state not in states:
        detail = f"This plan is {plan.state}, so it can't be {done}."
        raise Fault(Kind.CONFLICT, detail, f"Make a new plan with POST /domains/{domain.sender}/dns-plan.")
    return domain, plan


async def _read_again(
    deps: DnsPlanNeeds, domain: Domain, plan: DnsPlan, given: GivenAccess
) -> tuple[OpenZone, tuple[RRset, ...]]:
    """Read the zone of a plan before it is written again."""
    if given.host not in ("", plan.host):
        detail = f"The plan is for {plan.host}, not for {given.host[:40]!r}."
        raise Fault(Kind.PARAMETER_INVALID, detail, "Leave host away, or make a new plan for the other host.")
    access = replace(given, host=plan.host)
    _, credential = await open_credential(deps, plan.account_id, plan.zone, access)
    await count_daily(deps, plan.account_id, "changes of zones", PLANS_A_DAY)
    zone = open_zone(deps, plan.zone, plan.host, credential)
    rrsets = await zone.read()
    await refuse_held(deps, domain)
    return zone, rrsets


async def _begin(
    deps: DnsPlanNeeds, plan: DnsPlan, state: PlanState, row: AuditRow, undone: tuple[PlannedChange, ...] = ()
) -> DnsPlan:
    """Record that work begins, before anything is written: whoever is killed leaves that behind."""
    return await _save(deps, replace(plan, state=state, busy_until=deps.now() + WORK, said="", undone=undone), row)


async def _save(deps: DnsPlanNeeds, plan: DnsPlan, row: AuditRow | None) -> DnsPlan:
    changed = replace(plan, changed_at=deps.now())
    if not await deps.store.save_dns_plan(changed, row):
        detail = "Somebody else is at work on this plan, or it was deleted with its domain."
        raise Fault(Kind.CONFLICT, detail, "Look at the plan again.")
    return replace(changed, version=plan.version + 1)


async def _describe_failure(zone: OpenZone, left: Sequence[PlannedChange], error: Exception) -> str:
    """Return what to say of a writing that failed: why, and what of it the zone has, where that can be read."""
    code = error.kind if isinstance(error, Fault) else Kind.DNS_HOST_FAILED
    try:
        lacking = changes_left(left, await zone.read())
    except Fault:
        return f"Writing failed ({code}), and what of it was written could not be read."
    done = _summary(each for each in left if each not in lacking) or "nothing"
    return f"Writing failed ({code}). Written: {done}. Not written: {_summary(lacking) or 'nothing'}."


async def _check_soon(deps: DnsPlanNeeds, domain: Domain) -> None:
    """Bring the next check of a domain forward; one that nobody asked to verify is not checked."""
    for _ in range(RACES):
        current = await deps.store.domain_by_id(domain.id)
        if current is None or current.next_check_at is None:
            return
        due = replace(current, next_check_at=deps.now(), check_reason="records written")
        if await deps.store.save(DomainUpdate(domain=due)):
            return


# --- what the nameservers answer ------------------------------------------------------------------------------------


async def wait_until_served(deps: DnsPlanNeeds, plan: DnsPlan, seconds: float = SERVE_SECONDS) -> DnsPlan:
    """Ask every nameserver of the zone until all answer with what was written, at most so many seconds.

    Return the plan as `served`, or as it is with those that do not answer with it yet.
    """
    domain = await deps.store.domain_by_id(plan.domain_id)
    if plan.state is not PlanState.WRITTEN or domain is None:
        return plan
    until = asyncio.get_running_loop().time() + seconds
    for pause in (*POLLS, *[POLLS[-1]] * int(seconds)):
        missing = await find_missing(deps, domain, plan)
        if not missing or asyncio.get_running_loop().time() + pause > until:
            break
        await asyncio.sleep(pause)
    after = replace(plan, state=PlanState.WRITTEN if missing else PlanState.SERVED, missing_at=missing)
    return after if after == plan else await _save(deps, after, None)


async def find_missing(deps: DnsPlanNeeds, domain: Domain, plan: DnsPlan) -> tuple[str, ...]:
    """Return the nameservers that do not answer with what a plan has written, by name."""
    asked = {Question(name=each.owner, rdtype=each.rdtype, view=View.EVERY_SERVER): each for each in plan.writes}
    if not asked:
        return ()
    try:
        replies = await ask_within(deps.resolver, asked, domain_allowance(deps, domain))
    except Fault:  # our own limit of packets to a server: ask again later
        return ("not asked yet",)
    missing: dict[str, None] = {}
    for question, change in asked.items():
        for reply in replies.get(question, ()):
            match reply.answer:
                case Found(rrset=rrset, aliases=()) if is_same(replace(rrset, owner=change.owner), change.after):
                    continue
                case NoData() | NxDomain() if change.after is None:
                    continue
            unknown = reply.perspective.server == DELEGATION_LOOKUP
            missing["no nameserver answered" if unknown else reply.perspective.server] = None
        if not replies.get(question):
            missing["no nameserver answered"] = None
    return tuple(missing)
