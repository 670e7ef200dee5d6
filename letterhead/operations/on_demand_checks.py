"""Check a domain now, or ask the provider about it now, because somebody asks for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
from msgspec.structs import replace

from letterhead.core.check.check import CheckJudgement
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.evidence import Evidence, RecordState
from letterhead.core.domain.progress import add_progress, is_required
from letterhead.core.domain.provider_identity import IdentityUnknown
from letterhead.core.findings.acceptance import mark_accepted
from letterhead.core.plan.plan import Verdict
from letterhead.errors import Fault, Kind
from letterhead.operations.check_log import log_status_change
from letterhead.operations.checks import CheckNeeds, check
from letterhead.operations.dns_questions import (
    DnsRequest,
    ask_until_answered,
    domain_allowance,
    examine_within,
    load_check_context,
    load_history,
)
from letterhead.operations.domains import RACES, find_domain, new_busy_fault, plan_of
from letterhead.operations.provider_work import owner_tag
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.store.domains import DomainUpdate

ON_DEMAND_EVERY = timedelta(seconds=5)
REFRESHES = 20  # that one request asks for: the provider takes about one call a second of all accounts


class DnsCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check that writes nothing."""

    sender: str
    checked_at: datetime
    examination: CheckJudgement

    @property
    def can_start(self) -> bool:
        """Whether all that sending requires is there."""
        required = (each for each in self.examination.results if is_required(each.record))
        return all(each.verdict is Verdict.PRESENT for each in required)


class StandingCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The age of a last check that answers for one on request, and the time from which another may be asked for."""

    age: timedelta
    next_at: datetime


async def check_now(deps: CheckNeeds, on_demand: OnDemand, account_id: str, raw: str) -> StandingCheck | None:
    """Check a domain now and write what follows; within 5 s of the last check, return that one instead.

    Those who ask at the same moment share one check. Faults: `not-found`, `conflict` where others change the domain at
    the same time, `too-many-requests`.
    """
    domain = await find_domain(deps, account_id, raw)
    standing = await _standing_check(deps, domain)
    if standing is not None:
        return standing

    async def make() -> StandingCheck | None:
        for _ in range(RACES):
            current = await find_domain(deps, account_id, domain.sender)
            standing = await _standing_check(deps, current)
            if standing is not None or await check(deps, current, thorough=True):
                return standing
        raise new_busy_fault(raw)

    return (await on_demand.checks.once(account_id, domain.sender, make)).value


async def _standing_check(deps: CheckNeeds, domain: Domain) -> StandingCheck | None:
    """Return the last check where it is recent; one from the future, made while the clock was ahead, is not."""
    last = (await deps.store.last_checks([domain.id])).get(domain.id)
    if last is None or abs(deps.now() - last.taken_at) >= ON_DEMAND_EVERY:
        return None
    return StandingCheck(age=deps.now() - last.taken_at, next_at=last.taken_at + ON_DEMAND_EVERY)


async def dns_check(deps: CheckNeeds, domain: Domain) -> DnsCheck:
    """Check DNS now and change nothing; Fault `too-many-requests` as `ask_within`."""
    plan = plan_of(deps, domain)
    history = load_history(deps, domain, await load_check_context(deps, domain))
    request, allowed = DnsRequest(plan=plan, history=history), domain_allowance(deps, domain)
    seen = await ask_until_answered(deps.resolver, request, allowed=allowed)
    _, examination = examine_within(allowed, request, seen, deps.hosts)
    marked = mark_accepted(examination.findings, domain.accepted, now := deps.now())
    return DnsCheck(sender=domain.sender, checked_at=now, examination=replace(examination, findings=marked))


async def refresh(deps: CheckNeeds, on_demand: OnDemand, account_id: str, domains: Sequence[Domain]) -> None:
    """Ask the provider for its report on domains registered there, a minute after the last time at the earliest.

    At most REFRESHES of them, those whose state is oldest. Faults: `provider-failed`, `too-many-requests`.
    """
    registered = [each for each in domains if each.registered_at is not None]
    for domain in sorted(registered, key=lambda each: each.last_sync)[:REFRESHES]:
        await on_demand.refreshes.once(account_id, domain.id, partial(refresh_domain, deps, domain), octets=lambda _: 0)


async def refresh_domain(deps: CheckNeeds, domain: Domain) -> None:
    """Ask the provider for its report on a domain, and write what follows; Fault `provider-failed`."""
    report = await deps.provider.identity_report(domain.sender, owner_tag(deps, domain))
    if isinstance(report, IdentityUnknown):
        raise Fault(
            Kind.PROVIDER_FAILED,
            f"The mail provider could not be asked about {domain.sender}: {report.detail}",
            f"{report.fix or 'Ask again in a minute.'} Without refresh=true the last known state is answered.",
            provider=deps.provider.name,
            provider_code=report.provider_code,
        )
    evidence = Evidence(dkim=RecordState.UNANSWERED, mail_from=RecordState.UNANSWERED, provider=report)
    now = deps.now()
    transition = add_progress(lifecycle.advance(domain, evidence, now), plan_of(deps, domain), now)
    # Nobody asked DNS, so this is no inconclusive check: the attempts stay as they were.
    after = replace(transition.domain, last_sync=now, attempts=domain.attempts)
    # Where this loses a race, somebody else has just asked: that report is as fresh as ours.
    if await deps.store.save(DomainUpdate(domain=after, events=transition.events, effects=transition.effects)):
        log_status_change(domain, after)
