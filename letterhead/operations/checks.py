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
from letterhead.core.dns.answers import Delegated, NoData, NxDomain, Question, Seen, View, snapshot_of
from letterhead.core.domain import lifecycle, provider_findings, raised_findings, record_changes
from letterhead.core.domain.domain import Domain, Effect, Transition, status
from letterhead.core.domain.evidence import Evidence, RecordState, record_state
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.progress import Step, add_progress, progress
from letterhead.core.domain.provider_identity import IdentityReport
from letterhead.core.findings.diagnosis import Finding, Hides, History
from letterhead.core.names.domain_names import DomainName, registrable
from letterhead.core.plan.plan import Plan, RecordId, Verdict
from letterhead.core.rotation import delegated_keys, propagation, rotation, second_key
from letterhead.core.schedule import check_schedule
from letterhead.core.schedule.check_schedule import CheckBurden
from letterhead.core.zone import resolver_outage
from letterhead.core.zone.unanswered import NOT_ASKED
from letterhead.operations import claims
from letterhead.operations.check_log import log_check
from letterhead.operations.claims import ClaimNeeds
from letterhead.operations.dns_questions import (
    CheckContextNeeds,
    DnsExamination,
    DnsRequest,
    JudgedAnswers,
    JudgeNeeds,
    domain_allowance,
    load_check_context,
    load_history,
)
from letterhead.operations.domains import FindDomainNeeds, plan_of
from letterhead.operations.provider_work import owner_tag
from letterhead.ports.deps import RandomOctets
from letterhead.ports.meter import Meter
from letterhead.ports.resolver import Allowance
from letterhead.ports.store.domains import CheckContext, CheckResult, DomainUpdate
from letterhead.ports.tracing import SpanKind, Tracer

NextTurn = Callable[[], Awaitable[None]]
MAIL_FROM = (RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)


class CheckNeeds(ClaimNeeds, CheckContextNeeds, JudgeNeeds, FindDomainNeeds, Protocol):
    """What a check needs: DNS and the provider to ask, the domains, and all that the judgement follows from."""

    @property
    def random_octets(self) -> RandomOctets: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def tracer(self) -> Tracer: ...


class CheckData(msgspec.Struct, frozen=True, kw_only=True):
    """What one check saw: the answers of DNS to the questions that the plan calls for, and the provider's report.

    `dns` has how each planned record stands by these answers, and the findings; `burden` is what the check cost others.
    `page_open` says whether somebody watches the set-up page. `outage` and `provider` are findings that do not follow
    from what DNS answered.
    """

    plan: Plan
    history: History
    dns: JudgedAnswers
    burden: CheckBurden
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
    """Check one domain, in a span of its own, and write what follows; false where it changed meanwhile.

    Its work is then thrown away. The span of a domain's first check is linked to that of the request that added it.

    `context` is what the check needs besides the domain, where it is loaded already; `next_turn`, where given, is
    awaited before the work that takes the CPU; `allowed` is what the check may use. Faults as `ask_within`.
    """
    known = {"letterhead.domain_id": domain.id, "letterhead.account_id": domain.account_id}
    if (called_by := domain.called_by) is not None:
        domain = replace(domain, called_by=None)
    with deps.tracer.span("check", SpanKind.INTERNAL, known, link=called_by) as span:
        context = context or await load_check_context(deps, domain)
        data = await _observe(deps, domain, context, thorough, next_turn, allowed or domain_allowance(deps, domain))
        codes = context.codes
        match await _decide(deps, domain, data):
            case Unchanged(domain=after):
                saved = await deps.store.confirm(after, data.at)
            case Changed(update=update, contest=contest):
                after = update.domain
                codes = update.check.codes if update.check is not None else ()
                saving = deps.store.save(update) if contest is None else claims.save_contest(deps, contest, update)
                saved = await saving
        outcome = status(after) if saved else "lost"
        span.set({"letterhead.outcome": outcome})
        deps.meter.count_check(outcome)
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
    if thorough is None:
        thorough = page_open or _needs_full_check(domain)
    request = DnsRequest(plan=plan, history=history, thorough=thorough)
    examination = DnsExamination(deps, domain.id, request, context.fingerprint)
    asking = examination.ask(allowed)
    if domain.registered_at is None:  # an unproven claim never touches the provider's account
        seen, report = await asking, None
    else:
        seen, report = await asyncio.gather(
            asking, deps.provider.identity_report(domain.sender, owner_tag(deps, domain))
        )
    if next_turn is not None:
        await next_turn()
    dns = examination.judge(seen, allowed)
    return CheckData(
        plan=plan,
        history=history,
        dns=dns,
        burden=CheckBurden(took=examination.took, crowd=context.crowd),
        evidence=await _evidence(deps, domain, dns.judgement, report),
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
    if data.dns.same_answers and contest is None and data.follows_from_dns and quiet and same_state and at_rest:
        return Unchanged(domain=update.domain)
    if not data.dns.judged:
        judgement = checkup.examine(data.plan, data.dns.seen, deps.hosts, data.history)
        data = replace(data, dns=replace(data.dns, judgement=judgement))
    found = data.dns.judgement.findings
    if not data.outage:
        noted = raised_findings.note_findings(
            transition, found, data.at, is_conclusive=_is_conclusive(data, found), thorough=data.thorough
        )
        if noted is not transition:
            transition, update = noted, _update_of(deps, domain, noted, data)
    result = CheckResult(
        taken_at=data.at,
        results=data.dns.judgement.results,
        findings=(*data.outage, *raised_findings.add_since(found, update.domain), *data.provider),
        snapshot=snapshot_of(data.dns.seen, data.at),
    )
    fingerprint = data.dns.fingerprint if data.follows_from_dns else None
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
    noted = record_changes.note_changes(challenger, data.dns.judgement.results, data.at)
    new_keys = [each for each in (*data.plan.records, *data.plan.served) if each.id is RecordId.DKIM_NEXT]
    keys = rotation.KeyObservation(
        active=data.evidence.dkim,
        propagation=propagation.joint_propagation(new_keys, data.dns.seen),
        old=rotation.old_record_states(domain, data.dns.seen),
        held_elsewhere=data.evidence.is_held_elsewhere,
    )
    transition = rotation.advance(lifecycle.advance(noted.domain, data.evidence, data.at), keys, data.at)
    transition = second_key.advance(domain, transition, data.dns.seen, data.at)
    # Our own zone is written again where it lost what it should serve, or where that has changed.
    lost = any(each.agreed and each.verdict in (Verdict.ABSENT, Verdict.WRONG) for each in data.dns.judgement.served)
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
        _negative_answer_ends_at(data.dns.seen, data.at),
        data.burden,
    )
    zone, own = after.zone, registrable(DomainName(after.sender), deps.names).ascii
    for reply in data.dns.seen.get(Question(name=after.sender, rdtype="NS", view=View.DELEGATION), ()):
        # A registry's zone is nobody's to edit.
        if isinstance(reply.answer, Delegated) and f".{reply.answer.zone}".endswith(f".{own}"):
            zone = reply.answer.zone
            break
    return DomainUpdate(
        domain=replace(after, next_check_at=due, check_reason=reason, zone=zone, is_slow=data.burden.is_slow),
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
