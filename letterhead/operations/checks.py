"""Knows how a domain is looked at: ask DNS and the provider, let the core judge, write down what follows.

No transaction is open while we wait for the network. A lost race throws the work away; a crash lets the lease run out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from letterhead.core.check import check as checkup
from letterhead.core.check.check import CheckJudgement
from letterhead.core.check.fingerprint import check_fingerprint, has_all_required
from letterhead.core.dns.answers import Delegated, NoData, NxDomain, Question, Reply, Seen, View, snapshot_of
from letterhead.core.domain import lifecycle, provider_findings, record_changes
from letterhead.core.domain.domain import Domain, Effect, Transition, is_wholly_verified, status
from letterhead.core.domain.evidence import Evidence, RecordState, record_state
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_identity import IdentityReport, IdentityUnknown
from letterhead.core.findings.diagnosis import Finding, History
from letterhead.core.names.domain_names import DomainName, registrable
from letterhead.core.plan.plan import Plan, RecordId, RecordResult, Verdict
from letterhead.core.rotation import delegated_keys, propagation, rotation, second_key
from letterhead.core.schedule import check_schedule
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.operations import claims
from letterhead.operations.dns_questions import allowance, ask_until_answered, load_check_context, load_history
from letterhead.operations.domains import RACES, find_domain, is_busy, plan_of
from letterhead.operations.provider_work import owner_tag
from letterhead.ports.deps import Deps
from letterhead.ports.store.domains import CheckContext, CheckResult, DomainUpdate

ON_DEMAND_EVERY = timedelta(seconds=5)
Turn = Callable[[], Awaitable[None]]
MAIL_FROM = (RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)


class DnsCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a look found that changed nothing."""

    sender: str
    checked_at: datetime
    examination: CheckJudgement

    @property
    def can_start(self) -> bool:
        """Says whether all that is required is there."""
        standings = self.examination.standings
        return all(each.verdict is Verdict.PRESENT for each in standings if each.record.required)


class CheckData(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one check saw of DNS, by which plan, and when; and the findings that do not follow from that."""

    plan: Plan
    seen: Seen
    stands: CheckJudgement
    history: History
    at: datetime
    outage: tuple[Finding, ...] = ()
    beside_dns: tuple[Finding, ...] = ()

    def checkup(self, deps: Deps) -> CheckResult:
        """Judges what was seen by the rules of all topics."""
        found = checkup.list_findings(self.plan, self.seen, self.stands, deps.hosts, self.history)
        return CheckResult(
            taken_at=self.at,
            standings=self.stands.standings,
            findings=(*self.outage, *found, *self.beside_dns),
            snapshot=snapshot_of(self.seen, self.at),
        )

    def basis(self, deps: Deps) -> str | None:
        """Says what all findings follow from, where that is what is seen and planned alone."""
        if self.asides or not has_all_required((*self.stands.standings, *self.stands.served)):
            return None
        return check_fingerprint(deps.rules, self.plan, self.seen, self.history)

    @property
    def asides(self) -> bool:
        """Says whether anything was found that does not follow from what DNS told."""
        return bool(self.outage or self.beside_dns)


async def _at_once() -> None:
    """Lets work run without waiting for a turn."""


async def check(
    deps: Deps, domain: Domain, *, thorough: bool | None = None, told: CheckContext | None = None, turn: Turn = _at_once
) -> bool:
    """Checks one domain and writes what follows; false where it changed meanwhile and the work was thrown away.

    `told` is what is known beside the domain, where it came with it; `turn` waits before what takes the CPU.
    """
    told = told or await load_check_context(deps, domain)
    plan, history = plan_of(deps, domain), load_history(deps, domain, told)
    watched = told.watched_until is not None and deps.now() < told.watched_until
    full = watched or _wants_all(domain) if thorough is None else thorough

    same = False

    def as_before(seen: Seen) -> bool:
        nonlocal same
        same = told.basis is not None and told.basis == check_fingerprint(deps.rules, plan, seen, history)
        return same

    limits = allowance(deps.policy.check_seconds)
    looking = ask_until_answered(deps.resolver, plan, history, thorough=full, allowed=limits, enough=as_before)
    seen, word = await _with_word(deps, domain, looking)
    await turn()
    stands = checkup.all_present(plan) if same else checkup.judge_all(plan, seen)
    evidence = await _evidence(deps, domain, stands, word)
    saw = CheckData(plan=plan, seen=seen, stands=stands, history=history, at=deps.now())
    return await _follow(deps, domain, saw, evidence, Way(same=same, watched=watched))


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Says whether a check saw what the last one saw, and whether somebody has the set-up page open."""

    same: bool
    watched: bool


async def _follow(deps: Deps, domain: Domain, saw: CheckData, evidence: Evidence, way: Way) -> bool:
    """Writes what follows from a check; where nothing does, only that it was made."""
    contest = await claims.contest(deps, domain, evidence, saw.at) if evidence.held_elsewhere else None
    if contest is not None and contest.taken_from is not None:
        evidence = claims.after_transfer(evidence)
    step = _step(domain, contest.challenger if contest is not None else domain, saw, evidence)
    outcome = _outcome(deps, domain, step, saw, page_open=way.watched and to_come(step.domain, saw.stands.standings))
    words = tuple(provider_findings.findings(domain, evidence, saw.at))
    saw = replace(saw, outage=await _silence(deps, domain, evidence), beside_dns=words)
    if way.same and contest is None and not saw.asides and _quiet(domain, outcome):
        kept = await deps.store.confirm(outcome.domain, saw.at)
    else:
        saw = replace(saw, stands=checkup.judge_all(saw.plan, saw.seen)) if way.same else saw
        notices = await claims.notices(deps, step, saw.at)
        outcome = replace(outcome, checkup=saw.checkup(deps), basis=saw.basis(deps), notices=notices)
        kept = await (deps.store.save(outcome) if contest is None else claims.settle(deps, contest, outcome))
    deps.meter.count_check(status(outcome.domain) if kept else "lost")
    return kept


async def _with_word(
    deps: Deps, domain: Domain, looking: Coroutine[Any, Any, dict[Question, tuple[Reply, ...]]]
) -> tuple[Seen, IdentityReport | None]:
    """Asks the provider beside DNS, unless it was never told: an unproven claim never touches its account."""
    if domain.told_at is None:
        return await looking, None
    seen, word = await asyncio.gather(looking, deps.provider.identity_report(domain.sender, owner_tag(deps, domain)))
    return seen, word


def _step(domain: Domain, challenger: Domain, saw: CheckData, evidence: Evidence) -> Transition:
    """Says what follows for the domain; `challenger` is the same after a contest for its name."""
    noted = record_changes.note_changes(challenger, saw.stands.standings, saw.at)
    keys = _keys(domain, saw.plan, evidence, saw.seen)
    step = rotation.advance(lifecycle.advance(noted.domain, evidence, saw.at), keys, saw.at)
    step = second_key.advance(domain, step, saw.seen, saw.at)
    owed = _owed(domain, step.domain, saw.stands)
    return replace(step, events=(*noted.events, *step.events), effects=(*step.effects, *owed))


def _quiet(before: Domain, outcome: DomainUpdate) -> bool:
    """Says whether nothing follows from a check but that it was made."""
    after = outcome.domain
    tells = outcome.events or outcome.effects or outcome.shed or outcome.signed_before is not None
    return not tells and (status(after), after.held) == (status(before), before.held)


def _owed(before: Domain, after: Domain, examination: CheckJudgement) -> tuple[Effect, ...]:
    """Says that our own zone must be written: what it shall hold has changed, or it lost what it should hold."""
    lost = any(each.agreed and each.verdict in (Verdict.ABSENT, Verdict.WRONG) for each in examination.served)
    return (Effect.PUBLISH,) if lost else delegated_keys.pending_effects(before, after)


def _wants_all(domain: Domain) -> bool:
    # A routine look asks for no alias without a key behind it: while one is missing that is told all the same.
    lacks_alias = domain.slots is not None and dict(domain.verdicts).get(RecordId.DKIM_NEXT) is not Verdict.PRESENT
    follows = rotation.wants_all(domain) or second_key.wants_all(domain)
    return domain.dkim.state is not HealthState.VERIFIED or follows or lacks_alias


def _keys(domain: Domain, plan: Plan, evidence: Evidence, seen: Seen) -> rotation.KeyObservation:
    """Gathers what was seen of the domain's keys."""
    new = [each for each in (*plan.records, *plan.served) if each.id is RecordId.DKIM_NEXT]
    return rotation.KeyObservation(
        active=evidence.dkim,
        propagation=propagation.joint_propagation(new, seen),
        old=rotation.old_record_states(domain, seen),
        held_elsewhere=evidence.held_elsewhere,
    )


async def _evidence(deps: Deps, domain: Domain, stands: CheckJudgement, word: IdentityReport | None) -> Evidence:
    """Gathers what was learnt; the provider is asked late where DNS has only now proven the claim."""
    dkim, mail_from = _sights(stands)
    if word is None and dkim is RecordState.PRESENT:
        word = await deps.provider.identity_report(domain.sender, owner_tag(deps, domain))
    # A holder that has lost the name since it was read has another version by now, and what it learns is thrown away.
    holder = domain.id if domain.held else await deps.store.holder(domain.sender)
    elsewhere = holder is not None and holder != domain.id
    return Evidence(dkim=dkim, mail_from=mail_from, provider=word, held_elsewhere=elsewhere)


async def _silence(deps: Deps, domain: Domain, evidence: Evidence) -> tuple[Finding, ...]:
    """Says that the silence is our own where this check was silent and others before it were."""
    silence = await deps.store.resolver_outage() if evidence.dkim is RecordState.UNANSWERED else None
    return (
        (resolver_outage.finding(domain.sender, silence),)
        if silence is not None and resolver_outage.is_resolver_outage(silence)
        else ()
    )


def _sights(examination: CheckJudgement) -> tuple[RecordState, RecordState | None]:
    dkim = [each for each in (*examination.standings, *examination.served) if each.record.id is RecordId.DKIM]
    mail_from = [each for each in examination.standings if each.record.id in MAIL_FROM]
    return record_state(dkim), record_state(mail_from) if mail_from else None


def to_come(domain: Domain, standings: Sequence[RecordResult]) -> bool:
    """Says whether something on the set-up page is still to come: a state, or a record that is only recommended."""
    present = all(each.verdict is Verdict.PRESENT for each in standings)
    return not (present and is_wholly_verified(domain))


def _outcome(deps: Deps, before: Domain, step: Transition, saw: CheckData, *, page_open: bool) -> DomainUpdate:
    forgotten = _forgotten_at(saw.seen, saw.at)
    due, reason = check_schedule.next_check(step.domain, saw.at, jitter(deps), page_open, forgotten)
    domain = replace(step.domain, next_check_at=due, check_reason=reason, zone=_zone(deps, saw.seen, step.domain))
    return DomainUpdate(
        domain=domain,
        events=step.events,
        effects=step.effects,
        signed_before=before.selector if before.selector != domain.selector else None,
        shed=rotation.keys_to_destroy(before, domain),
    )


def jitter(deps: Deps) -> float:
    """Throws a number between -1 and 1."""
    return int.from_bytes(deps.random_octets(4)) / 2**31 - 1


def _zone(deps: Deps, seen: Seen, domain: Domain) -> str | None:
    """Names the zone that holds the domain, as seen; else as known before. A registry's is nobody's to edit."""
    own = registrable(DomainName(domain.sender), deps.names).ascii
    for reply in seen.get(Question(name=domain.sender, rdtype="NS", view=View.DELEGATION), ()):
        if isinstance(reply.answer, Delegated) and f".{reply.answer.zone}".endswith(f".{own}"):
            return reply.answer.zone
    return domain.zone


def _forgotten_at(seen: Seen, now: datetime) -> datetime | None:
    """Says when the resolvers forget that the key was missing, where they alone could be asked."""
    keys = [each for each in seen if each.rdtype in ("TXT", "CNAME") and "._domainkey." in each.name]
    replies = [reply for question in keys if question.view is View.EVERY_SERVER for reply in seen[question]]
    stand_ins = [reply.answer for reply in replies if reply.perspective.view is View.RECURSIVE]
    negative = [answer.negative_ttl for answer in stand_ins if isinstance(answer, NxDomain | NoData)]
    return now + timedelta(seconds=min(negative)) if negative else None


async def check_now(deps: Deps, account_id: str, raw: str) -> None:
    """Looks at a domain now and writes what follows; asked again within 5 s, the last look stands."""
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        last = (await deps.store.last_checks([domain.id])).get(domain.id)
        if last is not None and deps.now() - last.taken_at < ON_DEMAND_EVERY:
            return
        if await check(deps, domain, thorough=True):
            return
    raise is_busy(raw)


async def dns_check(deps: Deps, account_id: str, raw: str) -> DnsCheck:
    """Looks at DNS now and changes nothing."""
    domain = await find_domain(deps, account_id, raw)
    plan = plan_of(deps, domain)
    history = load_history(deps, domain, await load_check_context(deps, domain))
    seen = await ask_until_answered(
        deps.resolver, plan, history, thorough=True, allowed=allowance(deps.policy.check_seconds)
    )
    examination = checkup.examine(plan, seen, deps.hosts, history)
    return DnsCheck(sender=domain.sender, checked_at=deps.now(), examination=examination)


async def refresh(deps: Deps, domains: Sequence[Domain]) -> None:
    """Asks the provider for its word on every domain that it was told of; Fault where it can't be asked."""
    for domain in domains:
        if domain.told_at is not None:
            await _refresh_one(deps, domain)


async def _refresh_one(deps: Deps, domain: Domain) -> None:
    word = await deps.provider.identity_report(domain.sender, owner_tag(deps, domain))
    if isinstance(word, IdentityUnknown):
        raise Fault(
            Kind.PROVIDER_FAILED,
            f"The mail provider could not be asked about {domain.sender}: {word.detail}",
            f"{word.fix or 'Ask again in a minute.'} Without refresh=true the last known state is answered.",
            provider=deps.provider.name,
            provider_code=word.provider_code,
        )
    evidence = Evidence(dkim=RecordState.UNANSWERED, mail_from=RecordState.UNANSWERED, provider=word)
    now = deps.now()
    step = lifecycle.advance(domain, evidence, now)
    # A lost race means that somebody else has just looked: their word is as fresh as ours.
    # Nobody asked DNS: that is no inconclusive check.
    after = replace(step.domain, last_sync=now, attempts=domain.attempts)
    await deps.store.save(DomainUpdate(domain=after, events=step.events, effects=step.effects))
