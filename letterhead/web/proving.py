"""Knows how often a domain's messages are judged for whoever asks, by a program or at a page."""

from letterhead.operations import domains, proofs
from letterhead.operations.audit import Actor
from letterhead.operations.proofs import AuthenticatedMessage, ReceivedMessage
from letterhead.web.endpoint import House
from letterhead.web.rate_limits import too_many


async def judged(house: House, account_id: str, raw: str, given: ReceivedMessage, actor: Actor) -> AuthenticatedMessage:
    """Judges a message; Faults `not-found`, `too-many-requests`."""
    domain = await domains.find_domain(house.deps, account_id, raw)
    left = house.judging.take(domain.id)
    if left < 0.0:
        raise too_many(f"proofs of {domain.sender}", house.judging.wait(left + 1.0))
    return await proofs.judge(house.deps, account_id, domain.sender, given, actor)
