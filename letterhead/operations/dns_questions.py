"""Ask DNS for a plan: the core names the questions, the resolver answers, until the core has none left."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from letterhead.core.check import check
from letterhead.core.dns.answers import Question, Reply, Seen
from letterhead.core.domain.domain import Domain
from letterhead.core.findings.diagnosis import History
from letterhead.core.names.domain_names import DomainName, NameRules, is_suffix
from letterhead.core.plan import cname_answers
from letterhead.core.plan.plan import Plan
from letterhead.core.rotation import rotation
from letterhead.ports.deps import Clock
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.ports.store.domains import CheckContext, DomainStore

MAX_ROUNDS = 12  # an SPF tree may be ten includes deep (RFC 7208 4.6.4)
OLD_SELECTORS = 4  # each costs a question; a few are enough to remind the customer of records left behind
PACKETS = 64  # a full check sends at most so many (docs/threat-model.md: hostile DNS answers)
SECONDS = 20.0  # for all rounds of one check, where no setting says otherwise


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

    `enough` ends the rounds where the answers so far show, without being judged, that nothing more is needed.
    """
    allowed = allowed or allowance()
    answers = dict(seen or {})
    for _ in range(MAX_ROUNDS):
        wanted = check.next_questions(request.plan, answers, thorough=request.thorough, history=request.history)
        if not wanted:
            break
        answers |= check.implied_answers(wanted, answers)
        if unknown := [question for question in wanted if question not in answers]:
            answers |= await resolver.ask(unknown, allowed)
            answers |= cname_answers.implied_answers(request.plan, answers)
            if enough(answers):
                break
    return answers


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
