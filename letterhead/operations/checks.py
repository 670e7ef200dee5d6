"""Check a domain: ask DNS and the provider, let the core judge, write what follows.

No transaction is open while we wait for the network. A lost race throws the work away; a crash lets the lease run out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.setup_links import WATCHED_FOR
from letterhead.core.check import check as checkup
from letterhead.core.check.check import CheckJudgement
from letterhead.core.check.fingerprint import fingerprint_check, is_cacheable
from letterhead.core.dns.answers import Delegated, NoData, NxDomain, Question, Seen, View, snapshot_of
from letterhead.core.domain import lifecycle, provider_findings, raised_findings, record_changes
from letterhead.core.domain.domain import Domain, Effect, Transition, status
from letterhead.core.domain.evidence import Evidence, RecordState, record_state
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.progress import Step, add_progress, is_required, progress
from letterhead.core.domain.provider_identity import IdentityReport, IdentityUnknown
from letterhead.core.findings.diagnosis import Finding, Hides, History
from letterhead.core.names.domain_names import DomainName, registrable
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import Plan, RecordId, Verdict
from letterhead.core.rotation import delegated_keys, propagation, rotation, second_key
from letterhead.core.schedule import check_schedule
from letterhead.core.zone import resolver_outage
from letterhead.core.zone.unanswered import NOT_ASKED
from letterhead.errors import Fault, Kind
from letterhead.operations import claims
from letterhead.operations.check_log import log_check, log_status_change
from letterhead.operations.claims import ClaimNeeds
from letterhead.operations.dns_questions import (
    CheckContextNeeds,
    DnsRequest,
    allowance,
    ask_until_answered,
    examine_within,
    load_check_context,
    load_history,
)
from letterhead.operations.domains import RACES, FindDomainNeeds, find_domain, new_busy_fault, plan_of
from letterhead.operations.provider_work import owner_tag
from letterhead.ports.deps import RandomOctets
from letterhead.ports.meter import Meter
from letterhead.ports.resolver import Allowance
from letterhead.ports.store.domains import CheckContext, CheckResult, DomainUpdate

ON_DEMAND_EVERY = timedelta(seconds=5)
NextTurn = Callable[[], Awaitable[None]]
MAIL_FROM = (RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)


class CheckNeeds(ClaimNeeds, CheckContextNeeds, FindDomainNeeds, Protocol):
    """What a check needs: DNS and the provider to ask, the domains, and all that the judgement follows from."""

    @property
    def hosts(self) -> Sequence[DnsHost]: ...
    @property
    def rules_version(self) -> str: ...
    @property
    def random_octets(self) -> RandomOctets: ...
    @property
    def meter(self) -> Meter: ...


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


class CheckData(msgspec.Struct, frozen=True, kw_only=True):
    """What one check saw: the answers of DNS to the questions that the plan calls for, and the provider's report.

    `judgement` is how each planned record stands by these answers, and the findings; where the answers are those that
    the last findings follow from (`same_answers`), nothing was judged and every record is taken for present.
    `page_open` says whether somebody watches the set-up page. `outage` and `provider` are findings that do not follow
    from what DNS answered.
    """

    plan: Plan
    history: History
    seen: Seen
    same_answers: bool
    judgement: CheckJudgement
    evidence: Evidence
    at: datetime
    page_open: bool
    thorough: bool
    outage: tuple[Finding, ...] = ()
    provider: tuple[Finding, ...] = ()

    @property
    def follows_from_dns(self) -> bool:
        """Whether every finding follows from the plan and from what DNS answered."""
        return not (self.outage or self.provider)


class Unchanged(msgspec.Struct, frozen=True, kw_only=True):
    """A check that confirms the last one: `domain` differs in its times alone (decision 0012)."""

    domain: Domain


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A check whose result is written whole; `contest` where it decides who holds the name."""

    update: DomainUpdate
    contest: claims.ClaimContest | None = None


async def check(
    deps: CheckNeeds,
    domain: Domain,
    *,
    thorough: bool | None = None,
    context: CheckContext | None = None,
    next_turn: NextTurn | None = None,
    allowed: Allowance | None = None,
) -> bool:
    """Check one domain and write what follows; false where it changed meanwhile and the work was thrown away.

    `context` is what the check needs besides the domain, where it is loaded already; `next_turn`, where given, is
    awaited before the work that takes the CPU; `allowed` is what the check may use, where that is not the usual.
    """
    context = context or await load_check_context(deps, domain)
    data = await _observe(deps, domain, context, thorough, next_turn, allowed or allowance(deps.policy.check_seconds))
    codes = context.codes
    match await _decide(deps, domain, data):
        case Unchanged(domain=after):
            saved = await deps.store.confirm(after, data.at)
        case Changed(update=update, contest=contest):
            after = update.domain
            codes = update.check.codes if update.check is not None else ()
            saved = await (deps.store.save(update) if contest is None else claims.save_contest(deps, contest, update))
    deps.meter.count_check(status(after) if saved else "lost")
    log_check(domain, after, codes, saved=saved)
    return saved


async def _observe(
    deps: CheckNeeds,
    domain: Domain,
    context: CheckContext,
    thorough: bool | None,
    next_turn: NextTurn | None,
    allowed: Allowance,
) -> CheckData:
    """Ask DNS and, at the same time, the provider; judge the answers unless they are the last check's."""
    plan, history = plan_of(deps, domain), load_history(deps, domain, context)
    until, now = context.watched_until, deps.now()
    page_open = until is not None and now < until <= now + 2 * WATCHED_FOR  # further ahead: written by a wrong clock
    same_answers = False

    def is_as_before(seen: Seen) -> bool:
        nonlocal same_answers
        same_answers = context.fingerprint is not None and context.fingerprint == fingerprint_check(
            deps.rules_version, plan, seen, history
        )
        return same_answers

    if thorough is None:
        thorough = page_open or _needs_full_check(domain)
    request = DnsRequest(plan=plan, history=history, thorough=thorough)
    asking = ask_until_answered(deps.resolver, request, allowed=allowed, enough=is_as_before)
    if domain.registered_at is None:  # an unproven claim never touches the provider's account
        seen, report = await asking, None
    else:
        seen, report = await asyncio.gather(
            asking, deps.provider.identity_report(domain.sender, owner_tag(deps, domain))
        )
    if next_turn is not None:
        await next_turn()
    judged = (seen, checkup.all_present(plan)) if same_answers else examine_within(allowed, request, seen, deps.hosts)
    judgement = judged[1]
    return CheckData(
        plan=plan,
        history=history,
        seen=judged[0],
        same_answers=same_answers,
        judgement=judgement,
        evidence=await _evidence(deps, domain, judgement, report),
        at=deps.now(),
        page_open=page_open,
        thorough=thorough,
    )


async def _decide(deps: CheckNeeds, domain: Domain, data: CheckData) -> Unchanged | Changed:
    """Decide what follows from a check, and whether anything does besides that it was made."""
    contest = None
    if data.evidence.is_held_elsewhere:
        contest = await claims.judge_contest(deps, domain, data.evidence, data.at)
    if contest is not None and contest.taken_from is not None:
        data = replace(data, evidence=claims.evidence_after_transfer(data.evidence))
    transition = _advance(domain, contest.challenger if contest is not None else domain, data)
    update = _update_of(deps, domain, transition, data)
    outage = await deps.store.resolver_outage() if data.evidence.dkim is RecordState.UNANSWERED else None
    if outage is not None and resolver_outage.is_resolver_outage(outage):
        data = replace(data, outage=(resolver_outage.outage_finding(domain.sender, outage),))
    data = replace(data, provider=tuple(provider_findings.findings(domain, data.evidence, data.at)))
    # Quiet: nothing follows but that the check was made.
    quiet = not (update.events or update.effects or update.keys_to_destroy or update.previous_selector is not None)
    same_state = (status(update.domain), update.domain.is_holder) == (status(domain), domain.is_holder)
    at_rest = raised_findings.is_at_rest(domain)
    if data.same_answers and contest is None and data.follows_from_dns and quiet and same_state and at_rest:
        return Unchanged(domain=update.domain)
    if data.same_answers:
        data = replace(data, judgement=checkup.examine(data.plan, data.seen, deps.hosts, data.history))
    found = data.judgement.findings
    if not data.outage:
        noted = raised_findings.note_findings(
            transition, found, data.at, is_conclusive=_is_conclusive(data, found), thorough=data.thorough
        )
        if noted is not transition:
            transition, update = noted, _update_of(deps, domain, noted, data)
    result = CheckResult(
        taken_at=data.at,
        results=data.judgement.results,
        findings=(*data.outage, *raised_findings.add_since(found, update.domain), *data.provider),
        snapshot=snapshot_of(data.seen, data.at),
    )
    fingerprint = None  # where the findings follow from more than what is planned and was seen
    if data.follows_from_dns and is_cacheable((*data.judgement.results, *data.judgement.served)):
        fingerprint = fingerprint_check(deps.rules_version, data.plan, data.seen, data.history)
    related = await claims.related_events(deps, transition, data.at)
    update = replace(update, check=result, fingerprint=fingerprint, related_events=related)
    return Changed(update=update, contest=contest)


def _is_conclusive(data: CheckData, found: Sequence[Finding]) -> bool:
    """Whether a finding that this check does not have is gone: all was answered, and nothing hides other findings."""
    answered = RecordState.UNANSWERED not in (data.evidence.dkim, data.evidence.mail_from)
    return answered and not any(
        each.code == NOT_ASKED.code or checkup.DIAGNOSES[each.code].hides is Hides.ALL for each in found
    )


def _advance(domain: Domain, challenger: Domain, data: CheckData) -> Transition:
    """Return what follows for the domain; `challenger` is the same domain after a contest for its name."""
    noted = record_changes.note_changes(challenger, data.judgement.results, data.at)
    new_keys = [each for each in (*data.plan.records, *data.plan.served) if each.id is RecordId.DKIM_NEXT]
    keys = rotation.KeyObservation(
        active=data.evidence.dkim,
        propagation=propagation.joint_propagation(new_keys, data.seen),
        old=rotation.old_record_states(domain, data.seen),
        held_elsewhere=data.evidence.is_held_elsewhere,
    )
    transition = rotation.advance(lifecycle.advance(noted.domain, data.evidence, data.at), keys, data.at)
    transition = second_key.advance(domain, transition, data.seen, data.at)
    # Our own zone is written again where it lost what it should serve, or where that has changed.
    lost = any(each.agreed and each.verdict in (Verdict.ABSENT, Verdict.WRONG) for each in data.judgement.served)
    publish = (Effect.PUBLISH,) if lost else delegated_keys.pending_effects(domain, transition.domain)
    after = add_progress(transition, data.plan, data.at)
    return replace(after, events=(*noted.events, *after.events), effects=(*after.effects, *publish))


def _update_of(deps: CheckNeeds, before: Domain, transition: Transition, data: CheckData) -> DomainUpdate:
    """Return what is written of the domain itself, with the time of its next check."""
    after = transition.domain
    due, reason = check_schedule.next_check(
        after,
        data.at,
        jitter(deps.random_octets),
        data.page_open and progress(after, data.plan, data.at).step is not Step.DONE,
        _negative_answer_ends_at(data.seen, data.at),
    )
    zone, own = after.zone, registrable(DomainName(after.sender), deps.names).ascii
    for reply in data.seen.get(Question(name=after.sender, rdtype="NS", view=View.DELEGATION), ()):
        # A registry's zone is nobody's to edit.
        if isinstance(reply.answer, Delegated) and f".{reply.answer.zone}".endswith(f".{own}"):
            zone = reply.answer.zone
            break
    return DomainUpdate(
        domain=replace(after, next_check_at=due, check_reason=reason, zone=zone),
        events=transition.events,
        effects=transition.effects,
        previous_selector=before.selector if before.selector != after.selector else None,
        keys_to_destroy=rotation.keys_to_destroy(before, after),
    )


def _needs_full_check(domain: Domain) -> bool:
    # A routine check does not ask for a CNAME that has no key behind it; while one is missing, it must be reported.
    lacks_cname = (
        domain.key_delegation is not None and dict(domain.verdicts).get(RecordId.DKIM_NEXT) is not Verdict.PRESENT
    )
    follows = rotation.wants_all(domain) or second_key.wants_all(domain)
    # What only thorough checks found, only these can confirm or clear.
    raised = any(each.thorough for each in domain.raised)
    return domain.dkim.state is not HealthState.VERIFIED or follows or lacks_cname or raised


async def _evidence(
    deps: CheckNeeds, domain: Domain, judgement: CheckJudgement, report: IdentityReport | None
) -> Evidence:
    """Return what the lifecycle goes by; the provider is asked here where DNS has only now proven the claim."""
    results = judgement.results
    dkim = record_state([each for each in (*results, *judgement.served) if each.record.id is RecordId.DKIM])
    mail_from = [each for each in results if each.record.id in MAIL_FROM]
    if report is None and dkim is RecordState.PRESENT:
        report = await deps.provider.identity_report(domain.sender, owner_tag(deps, domain))
    # A holder that has lost the name since it was read has another version by now: its result is thrown away.
    holder = domain.id if domain.is_holder else await deps.store.holder(domain.sender)
    return Evidence(
        dkim=dkim,
        mail_from=record_state(mail_from) if mail_from else None,
        provider=report,
        is_held_elsewhere=holder is not None and holder != domain.id,
        # Asked where DNS proves the claim, and never before: whoever gets this answer has the name's DNS in hand.
        is_selector_of_others=dkim is RecordState.PRESENT
        and not domain.is_holder
        and domain.key_delegation is None
        and await deps.store.is_selector_of_others(domain),
    )


def jitter(random_octets: RandomOctets) -> float:
    """Return a random number between -1 and 1."""
    return int.from_bytes(random_octets(4)) / 2**31 - 1


def _negative_answer_ends_at(seen: Seen, now: datetime) -> datetime | None:
    """Return when the resolvers forget that the key was missing (RFC 2308), where they alone could be asked."""
    keys = [each for each in seen if each.rdtype in ("TXT", "CNAME") and "._domainkey." in each.name]
    replies = [reply for question in keys if question.view is View.EVERY_SERVER for reply in seen[question]]
    stand_ins = [reply.answer for reply in replies if reply.perspective.view is View.RECURSIVE]
    negative = [answer.negative_ttl for answer in stand_ins if isinstance(answer, NxDomain | NoData)]
    return now + timedelta(seconds=min(negative)) if negative else None


async def check_now(deps: CheckNeeds, account_id: str, raw: str) -> StandingCheck | None:
    """Check a domain now and write what follows; within 5 s of the last check, return that one instead.

    Faults: `not-found`, `conflict` where others change the domain at the same time.
    """
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        last = (await deps.store.last_checks([domain.id])).get(domain.id)
        # A check from the future, made while the clock was ahead, is no recent one.
        if last is not None and abs(deps.now() - last.taken_at) < ON_DEMAND_EVERY:
            return StandingCheck(age=deps.now() - last.taken_at, next_at=last.taken_at + ON_DEMAND_EVERY)
        if await check(deps, domain, thorough=True):
            return None
    raise new_busy_fault(raw)


async def dns_check(deps: CheckNeeds, account_id: str, raw: str) -> DnsCheck:
    """Check DNS now and change nothing; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    plan = plan_of(deps, domain)
    history = load_history(deps, domain, await load_check_context(deps, domain))
    request, allowed = DnsRequest(plan=plan, history=history), allowance(deps.policy.check_seconds)
    seen = await ask_until_answered(deps.resolver, request, allowed=allowed)
    _, examination = examine_within(allowed, request, seen, deps.hosts)
    return DnsCheck(sender=domain.sender, checked_at=deps.now(), examination=examination)


async def refresh(deps: CheckNeeds, domains: Sequence[Domain]) -> None:
    """Ask the provider for its report on every domain registered there; Fault `provider-failed` where it fails."""
    for domain in domains:
        if domain.registered_at is None:
            continue
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
