"""Knows how DNS is looked at for a plan: the core asks, the resolver answers, until the core wants nothing more."""

import asyncio

from letterhead.core import checkup
from letterhead.core.answers import Question, Reply
from letterhead.core.diagnosis import History
from letterhead.core.plan import Plan
from letterhead.ports import Allowance, Deps

MAX_ROUNDS = 12  # an SPF tree may be ten includes deep (RFC 7208 4.6.4)
PACKETS = 64  # design: a full check sends at most so many


async def look(deps: Deps, plan: Plan, *, thorough: bool) -> dict[Question, tuple[Reply, ...]]:
    """Asks DNS in rounds, bounded in packets, time and rounds."""
    allowance = Allowance(packets=PACKETS, until=asyncio.get_running_loop().time() + deps.policy.check_seconds)
    seen: dict[Question, tuple[Reply, ...]] = {}
    for _ in range(MAX_ROUNDS):
        wanted = checkup.next_questions(plan, seen, thorough=thorough, history=known(deps))
        if not wanted:
            break
        seen |= await deps.resolver.ask(wanted, allowance)
    return seen


def known(deps: Deps) -> History:
    """Gathers what the judging wants to know beside the answers."""
    return History(taken_at=deps.now(), special_use=deps.names.allow_special_use)
