"""Knows how DNS is looked at for a plan: the core asks, the resolver answers, until the core wants nothing more."""

import asyncio

from letterhead.core import checkup, rotation
from letterhead.core.answers import Question, Reply
from letterhead.core.diagnosis import History
from letterhead.core.domain import Domain
from letterhead.core.plan import Plan
from letterhead.ports import Allowance, Deps

MAX_ROUNDS = 12  # an SPF tree may be ten includes deep (RFC 7208 4.6.4)
PACKETS = 64  # design: a full check sends at most so many


async def look(
    deps: Deps, plan: Plan, *, thorough: bool, history: History | None = None
) -> dict[Question, tuple[Reply, ...]]:
    """Asks DNS in rounds, bounded in packets, time and rounds."""
    history = history or known(deps)
    allowance = Allowance(packets=PACKETS, until=asyncio.get_running_loop().time() + deps.policy.check_seconds)
    seen: dict[Question, tuple[Reply, ...]] = {}
    for _ in range(MAX_ROUNDS):
        wanted = checkup.next_questions(plan, seen, thorough=thorough, history=history)
        if not wanted:
            break
        seen |= await deps.resolver.ask(wanted, allowance)
    return seen


def known(deps: Deps, domain: Domain | None = None) -> History:
    """Gathers what the judging wants to know beside the answers; of a domain the old selectors that can go."""
    return History(
        old_selectors=rotation.removable(domain) if domain is not None else (),
        taken_at=deps.now(),
        special_use=deps.names.allow_special_use,
    )
