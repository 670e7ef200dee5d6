"""Ask DNS for a plan: the core names the questions, the resolver answers, until the core has none left."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from letterhead.core.check import check
from letterhead.core.check.check import CheckJudgement
from letterhead.core.dns.answers import Perspective, Question, Reply, Seen, Unanswered, View, Why
from letterhead.core.domain.domain import Domain
from letterhead.core.findings.diagnosis import History
from letterhead.core.names.domain_names import DomainName, NameRules, is_suffix
from letterhead.core.plan import cname_answers
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import Plan
from letterhead.core.rotation import rotation
from letterhead.ports.deps import Clock
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.ports.store.domains import CheckContext, DomainStore

MAX_ROUNDS = 12  # an SPF tree may be ten includes deep (RFC 7208 4.6.4)
OLD_SELECTORS = 4  # each costs a question; a few are enough to remind the customer of records left behind
PACKETS = 64  # a full check sends at most so many (docs/threat-model.md: hostile DNS answers)
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


class DnsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask DNS for: the records of a plan and what the findings need besides; `thorough` asks every server."""

    plan: Plan
    history: History
    thorough: bool = True


def allowance(seconds: float = SECONDS) -> Allowance:
    """Return what one check may send, and until when."""
    return Allowance(packets=PACKETS, until=asyncio.get_running_loop().time() + seconds)


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
    the core takes more CPU than is allowed, no record has an answer.
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
            answers |= await resolver.ask(unknown, allowed)
            answers |= cname_answers.implied_answers(request.plan, answers)
            if enough(answers):
                break
    return answers


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
