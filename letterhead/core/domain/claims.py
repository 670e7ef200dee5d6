"""Claims of several accounts to one name: DNS decides, proof is per claim, the holder wins ties.

No account is named: a challenger never learns who holds the name, a holder never who challenges.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Effect, Event, EventKind, Transition
from letterhead.core.domain.evidence import Evidence, RecordState
from letterhead.core.domain.health import HealthState, new_health

# Between two checks that saw the challenger's record and not the holder's.
TAKES_OVER_AFTER: Final = timedelta(hours=24)
WARNED_AGAIN_AFTER: Final = timedelta(days=30)


def note_challenge(challenger: Domain, evidence: Evidence, incumbent: RecordState, now: datetime) -> Domain:
    """Note on the challenger since when only its own record is seen; no answer changes nothing."""
    if RecordState.UNANSWERED in (evidence.dkim, incumbent):
        return challenger
    alone = evidence.dkim is RecordState.PRESENT and incumbent is RecordState.MISSING
    since = challenger.challenger_only_since or now
    return replace(challenger, challenger_only_since=since if alone else None)


def is_transferred(challenger: Domain, evidence: Evidence, incumbent: RecordState, now: datetime) -> bool:
    """Tell whether this check is the second, a day after the first, that saw the challenger's record alone."""
    since = challenger.challenger_only_since
    alone = evidence.dkim is RecordState.PRESENT and incumbent is RecordState.MISSING
    return alone and not evidence.is_selector_of_others and since is not None and now - since >= TAKES_OVER_AFTER


def warn_holder(incumbent: Domain, now: datetime) -> Transition | None:
    """Return the event that warns a holder of another valid claim, at most once a month; None where it was warned."""
    warned_at = incumbent.contested_at
    if warned_at is not None and now - warned_at < WARNED_AGAIN_AFTER:
        return None
    event = Event(
        kind=EventKind.CLAIM_CONTESTED,
        at=now,
        detail="another account published a valid record for this name; yours stays while your record is there",
    )
    return Transition(domain=replace(incumbent, contested_at=now), events=(event,))


def nested_claim_event(holder: Domain, verified: Domain, now: datetime) -> Event:
    """Return the event for a holder whose name lies above or below one that another account has just verified."""
    where = "below" if verified.sender.endswith("." + holder.sender) else "above"
    return Event(
        kind=EventKind.CLAIM_CONTESTED,
        at=now,
        detail=f"another account verified {verified.sender}, a name {where} this one; this one stays yours",
    )


def release_hold(incumbent: Domain, now: datetime) -> Transition:
    """End the holder's hold: its record is gone and another claim's is there; its identity is withdrawn."""
    event = Event(
        kind=EventKind.CLAIM_TRANSFERRED,
        at=now,
        detail="only another account's record was seen for 24 h, so the name went to it",
    )
    after = replace(
        incumbent,
        dkim=new_health(HealthState.FAILED, now),
        mail_from_health=incumbent.mail_from_health and new_health(HealthState.FAILED, now),
        is_holder=False,
        registered_at=None,
        rotation=None,
    )
    return Transition(domain=after, events=(event,), effects=(Effect.WITHDRAW,) if incumbent.registered_at else ())


def take_hold(challenger: Domain, now: datetime) -> Transition:
    """Give the challenger the hold; its state follows from the evidence of the same check."""
    event = Event(
        kind=EventKind.CLAIM_TRANSFERRED,
        at=now,
        detail="only this account's record was seen for 24 h, so the name came to it",
    )
    return Transition(domain=replace(challenger, is_holder=True, challenger_only_since=None), events=(event,))
