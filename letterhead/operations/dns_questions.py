"""Knows how DNS is looked at for a plan: the core asks, the resolver answers, until the core wants nothing more."""

import asyncio
from collections.abc import Callable

from letterhead.core.check import check
from letterhead.core.dns.answers import Question, Reply, Seen
from letterhead.core.domain.domain import Domain
from letterhead.core.findings.diagnosis import History
from letterhead.core.plan import cname_answers
from letterhead.core.plan.plan import Plan
from letterhead.core.rotation import rotation
from letterhead.ports.deps import Deps
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.ports.store.domains import CheckContext

MAX_ROUNDS = 12  # an SPF tree may be ten includes deep (RFC 7208 4.6.4)
OLD_SELECTORS = 4  # each costs a question: a few are enough to remind somebody of what was left there
PACKETS = 64  # a full check sends at most so many (docs/threat-model.md: hostile DNS answers)
SECONDS = 20.0  # for all rounds of one check, where no setting says otherwise


def allowance(seconds: float = SECONDS) -> Allowance:
    """Gives what one check may send, and until when."""
    return Allowance(packets=PACKETS, until=asyncio.get_running_loop().time() + seconds)


async def ask_until_answered(
    resolver: Resolver,
    plan: Plan,
    history: History,
    *,
    thorough: bool,
    seen: Seen | None = None,
    allowed: Allowance | None = None,
    enough: Callable[[Seen], bool] = lambda _: False,
) -> dict[Question, tuple[Reply, ...]]:
    """Asks DNS in rounds, bounded in packets, time and rounds; `seen` is what is known already.

    `enough` ends it where it is known, without judging, that nothing more is wanted.
    """
    allowed = allowed or allowance()
    known_by_now = dict(seen or {})
    for _ in range(MAX_ROUNDS):
        wanted = check.next_questions(plan, known_by_now, thorough=thorough, history=history)
        if not wanted:
            break
        known_by_now |= check.implied_answers(wanted, known_by_now)
        if unknown := [question for question in wanted if question not in known_by_now]:
            known_by_now |= await resolver.ask(unknown, allowed)
            known_by_now |= cname_answers.implied_answers(plan, known_by_now)
            if enough(known_by_now):
                break
    return known_by_now


async def load_check_context(deps: Deps, domain: Domain) -> CheckContext:
    """Reads what one check wants to know beside its domain."""
    return (await deps.store.load_check_contexts([domain])).get(domain.id, CheckContext())


def load_history(deps: Deps, domain: Domain, beside: CheckContext) -> History:
    """Gathers what the judging wants to know beside the answers.

    Selectors that the account left behind are told to a holder alone, and are its own: what other accounts left in DNS
    is not told.
    """
    wanted = rotation.held_keys(domain)
    used = beside.used_selectors if domain.is_holder else ()
    left = [
        *rotation.selectors_leaving(domain),
        *used,
    ]  # those that were rotated out first: they are forgotten when they go
    return History(
        old_selectors=tuple(dict.fromkeys(each for each in left if each not in wanted))[:OLD_SELECTORS],
        present_until=domain.dkim.found_at,
        taken_at=deps.now(),
        special_use=deps.names.allow_special_use,
    )
