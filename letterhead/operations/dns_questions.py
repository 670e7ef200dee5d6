"""Ask DNS for a plan: the core names the questions, the resolver answers, until the core has none left; then judge."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from letterhead.core.check import check
from letterhead.core.check.check import CheckJudgement
from letterhead.core.check.check_memory import CheckMemory, RememberedCheck
from letterhead.core.check.fingerprint import asked_resolvers_alone, fingerprint_check, is_cacheable
from letterhead.core.dns.answers import Perspective, Question, Reply, Seen, Unanswered, View, Why
from letterhead.core.domain.domain import Domain
from letterhead.core.findings.diagnosis import History
from letterhead.core.names.domain_names import DomainName, NameRules, is_suffix, registrable
from letterhead.core.plan import cname_answers
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import Plan
from letterhead.core.rotation import rotation
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Clock, OperationSettings
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.ports.store.domains import CheckContext, DomainStore

MAX_ROUNDS = 12  # an SPF tree may be ten includes deep (RFC 7208 4.6.4)
OLD_SELECTORS = 4  # each costs a question; a few are enough to remind the customer of records left behind
PACKETS = 64  # a full check sends at most so many (docs/threat-model.md: hostile DNS answers)
ASK_AGAIN = 10  # seconds after which a check is made again that a server's limit of packets left without a result
SECONDS = 20.0  # for all rounds of one check, where no setting says otherwise

log = logging.getLogger(__name__)
Told = TypeVar("Told")


class CheckContextNeeds(Protocol):
    """What loading the context of a check needs."""

    @property
    def store(self) -> DomainStore: ...
    @property
    def now(self) -> Clock: ...
    @property
    def names(self) -> NameRules: ...


class DnsNeeds(Protocol):
    """What deciding how much a check may ask needs."""

    @property
    def names(self) -> NameRules: ...
    @property
    def policy(self) -> OperationSettings: ...


class DnsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask DNS for: the records of a plan and what the findings need besides; `thorough` asks every server."""

    plan: Plan
    history: History
    thorough: bool = True


def allowance(seconds: float = SECONDS, *, account_id: str = "", proven: str = "") -> Allowance:
    """Return what one check may send, and until when; of whom it is, and which proven name it is of."""
    until = asyncio.get_running_loop().time() + seconds
    return Allowance(packets=PACKETS, until=until, account_id=account_id, proven=proven)


def domain_allowance(deps: DnsNeeds, domain: Domain) -> Allowance:
    """Return what a check of a domain may send."""
    proven = registrable(DomainName(domain.sender), deps.names).ascii if domain.is_holder else ""
    return allowance(deps.policy.check_seconds, account_id=domain.account_id, proven=proven)


async def ask_within(
    resolver: Resolver, questions: Iterable[Question], allowed: Allowance
) -> dict[Question, tuple[Reply, ...]]:
    """Ask DNS; Fault `too-many-requests` where a server gets no more packets from us for now: that says nothing of it.

    Nothing may be concluded from such answers, and nothing of them is written.
    """
    answers = await resolver.ask(questions, allowed)
    if allowed.is_limited:
        raise Fault(
            Kind.TOO_MANY_REQUESTS,
            "The domain was not checked: its nameservers are asked about many domains at this moment, and we send no "
            "server more than a few packets a second.",
            f"Nothing is wrong with the domain. Ask again in {ASK_AGAIN} s; a domain that was added is also checked by "
            "itself, without being asked for.",
            retry_after=ASK_AGAIN,
        )
    return answers


async def ask_until_answered(
    resolver: Resolver,
    request: DnsRequest,
    *,
    seen: Seen | None = None,
    allowed: Allowance | None = None,
    enough: Callable[[Seen], bool] = lambda _: False,
) -> dict[Question, tuple[Reply, ...]]:
    """Ask DNS in rounds, bounded in packets, time and rounds; `seen` is what was answered before.

    `enough` ends the rounds where the answers so far show, without being judged, that nothing more is needed. Where
    the core takes more CPU than is allowed, no record has an answer. Fault `too-many-requests` as `ask_within`.
    """
    allowed = allowed or allowance()
    answers = dict(seen or {})
    for _ in range(MAX_ROUNDS):
        step = partial(check.next_questions, thorough=request.thorough, history=request.history)
        wanted = run_within(allowed, request.plan, partial(step, request.plan, answers))
        if wanted is None:
            return unjudged_answers(request.plan)
        if not wanted:
            break
        answers |= check.implied_answers(wanted, answers)
        if unknown := [question for question in wanted if question not in answers]:
            answers |= await ask_within(resolver, unknown, allowed)
            answers |= cname_answers.implied_answers(request.plan, answers)
            if enough(answers):
                break
    return answers


class JudgeNeeds(Protocol):
    """What asking and judging need, besides what the domain brings."""

    @property
    def resolver(self) -> Resolver: ...
    @property
    def hosts(self) -> Sequence[DnsHost]: ...
    @property
    def rules_version(self) -> str: ...
    @property
    def check_memory(self) -> CheckMemory: ...


class JudgedAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """What DNS answered, and the judgement; `fingerprint` is None where a finding follows from more than is in it.

    `same_answers` says that the fingerprint is the stored one. Where `judged` is false, all that is required is known
    to be there, and nothing was judged.
    """

    seen: Seen
    judgement: CheckJudgement
    fingerprint: str | None = None
    same_answers: bool = False
    judged: bool = True


class DnsExamination:
    """The questions and the judgement of one check of a domain, by what is known of the check before.

    What the last full check asked, as this process remembers it, is asked at once. `stored` is the fingerprint that the
    stored findings follow from, `took` how long DNS took to answer.
    """

    def __init__(self, deps: JudgeNeeds, domain_id: str, request: DnsRequest, stored: str | None) -> None:
        self._deps, self._domain_id, self._request, self._stored = deps, domain_id, request, stored
        self._last = deps.check_memory.find(domain_id) if request.thorough else None
        self._known = {stored, self._last.fingerprint if self._last else None} - {None}
        self._resolver = _AskedOnce(deps.resolver)
        self._mark: str | None = None
        self.took = timedelta(0)

    async def ask(self, allowed: Allowance) -> Seen:
        """Ask DNS, until the answers are those of a check that is known or the core has no more questions."""
        began = time.monotonic()
        try:
            if self._last is not None:
                seen = await self._resolver.ask_as_before(self._request.plan, self._last, allowed)
                if self._is_known(seen):
                    return seen
            return await ask_until_answered(self._resolver, self._request, allowed=allowed, enough=self._is_known)
        finally:
            self.took = timedelta(seconds=time.monotonic() - began)

    def judge(self, seen: Seen, allowed: Allowance) -> JudgedAnswers:
        """Judge the answers, unless the same ones were judged before."""
        same = self._mark is not None and self._mark == self._stored
        if self._last is not None and self._mark == self._last.fingerprint:
            return JudgedAnswers(seen=seen, judgement=self._last.judgement, fingerprint=self._mark, same_answers=same)
        if same and asked_resolvers_alone(seen):
            judgement = check.all_present(self._request.plan)
            return JudgedAnswers(
                seen=seen, judgement=judgement, fingerprint=self._mark, same_answers=True, judged=False
            )
        seen, judgement = examine_within(allowed, self._request, seen, self._deps.hosts)
        fingerprint = self._fingerprint(seen) if is_cacheable(judgement, seen) else None
        if fingerprint is not None and self._request.thorough:
            last = RememberedCheck(
                asked=tuple(self._resolver.wanted), questions=tuple(seen), fingerprint=fingerprint, judgement=judgement
            )
            self._deps.check_memory.note(self._domain_id, last)
        return JudgedAnswers(
            seen=seen, judgement=judgement, fingerprint=fingerprint, same_answers=same and fingerprint == self._stored
        )

    def _is_known(self, seen: Seen) -> bool:
        if not self._known:
            return False
        self._mark = self._fingerprint(seen)
        return self._mark in self._known

    def _fingerprint(self, seen: Seen) -> str | None:
        return fingerprint_check(self._deps.rules_version, self._request.plan, seen, self._request.history)


class _AskedOnce:
    """A resolver that puts each question of one check to another resolver once, and keeps the replies."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._replies: dict[Question, tuple[Reply, ...]] = {}
        self.wanted: dict[Question, None] = {}  # in their order, without what `ask_as_before` asked in vain

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Return the replies to all questions, of which only the new ones are asked."""
        wanted = list(questions)
        self.wanted |= dict.fromkeys(wanted)
        if new := [each for each in wanted if each not in self._replies]:
            self._replies |= await self._resolver.ask(new, allowance)
        return {each: self._replies[each] for each in wanted}

    async def ask_as_before(self, plan: Plan, last: RememberedCheck, allowance: Allowance) -> Seen:
        """Ask all that the last check asked, at once, and return what it would have seen."""
        self._replies |= await self._resolver.ask(last.asked, allowance)
        seen = dict(self._replies)
        seen |= check.implied_answers([each for each in last.questions if each not in seen], seen)
        return seen | cname_answers.implied_answers(plan, seen)


def examine_within(
    allowed: Allowance, request: DnsRequest, seen: Seen, hosts: Sequence[DnsHost]
) -> tuple[Seen, CheckJudgement]:
    """Judge what was seen; where that takes more CPU than is allowed, nothing of it counts and no record is answered.

    The answers that the judgement follows from are returned with it.
    """
    plan, history = request.plan, request.history
    judged = run_within(allowed, plan, partial(check.examine, plan, seen, hosts, history))
    if judged is None:
        seen = unjudged_answers(plan)
        judged = check.examine(plan, seen, hosts, history)
    return seen, judged


def run_within(allowed: Allowance, plan: Plan, step: Callable[[], Told]) -> Told | None:
    """Run one step of the core and take its CPU time off the allowance; None where that is used up, maybe by this step.

    A step that runs can't be interrupted: this bounds the number of steps, and so how often a domain is dear. How long
    one step may take is bounded by the core: texts longer than any real record are not parsed, and SPF trees are
    followed to 16 names.
    """
    if allowed.cpu <= 0:
        return None
    began = time.thread_time()
    result = step()
    allowed.cpu -= time.thread_time() - began
    if allowed.cpu <= 0:
        log.warning("Judging the records of %s took too much CPU: this check counts as unanswered.", plan.sender)
        return None
    return result


def unjudged_answers(plan: Plan) -> dict[Question, tuple[Reply, ...]]:
    """Return answers that say of each record that it was not judged: they change no state and are cheap to judge."""
    said = Unanswered(why=Why.NOT_JUDGED, detail="that takes more CPU than one check may use")
    reply = Reply(perspective=Perspective(view=View.EVERY_SERVER, server=""), answer=said)
    records = (*plan.records, *plan.served)
    return {Question(name=each.host, rdtype=each.rdtype, view=View.EVERY_SERVER): (reply,) for each in records}


async def load_check_context(deps: CheckContextNeeds, domain: Domain) -> CheckContext:
    """Load what one check needs besides the domain."""
    return (await deps.store.load_check_contexts([domain])).get(domain.id, CheckContext())


def load_history(deps: CheckContextNeeds, domain: Domain, context: CheckContext) -> History:
    """Return what the findings follow from besides the answers.

    Only the holder of a name is told of old selectors, and only of its own: what other accounts left in DNS is not
    disclosed.
    """
    live = rotation.held_keys(domain)
    used = context.used_selectors if domain.is_holder else ()
    # Those that were rotated out come first: once their records are gone they are forgotten.
    old = [*rotation.selectors_leaving(domain), *used]
    return History(
        old_selectors=tuple(dict.fromkeys(each for each in old if each not in live))[:OLD_SELECTORS],
        present_until=domain.dkim.found_at,
        taken_at=deps.now(),
        special_use=deps.names.allow_special_use,
        public_suffix=is_suffix(DomainName(domain.sender), deps.names),
    )
