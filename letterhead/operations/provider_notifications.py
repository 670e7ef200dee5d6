"""Knows what follows from a notice that the mail provider sends by itself: a look is brought forward, nothing else."""

from datetime import timedelta
from typing import Final

from letterhead.core.domain.health import HealthState
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Deps

AGAIN: Final = timedelta(minutes=1)  # between a domain's last look and one that a notice asks for: there may be many


async def accept_notification(deps: Deps, body: bytes) -> None:
    """Takes one notice; unknown names are passed over.

    Faults: `not-found` where none are expected, else those of `ports.Notices`.
    """
    if deps.notifications is None:
        raise Fault(
            Kind.NOT_FOUND,
            "No notices of a mail provider are taken here.",
            "Name the topics that they come from in LETTERHEAD_SES_NOTICE_TOPICS: docs/ses.md.",
        )
    for sender in sorted(await deps.notifications.read(body)):
        await _look_soon(deps, sender)


async def _look_soon(deps: Deps, sender: str) -> None:
    """Brings the next look at whoever holds a name forward; the look alone moves its state."""
    holder = await deps.store.holder(sender)
    domain = await deps.store.domain_by_id(holder) if holder else None
    if domain is None or domain.dkim.state is HealthState.DRAFT:
        return
    now = deps.now()
    last = (await deps.store.last_checks([domain.id])).get(domain.id)
    await deps.store.check_sooner(domain.id, now if last is None else max(now, last.taken_at + AGAIN))
