"""Blocking findings at a verified domain that no state tells of: when they are raised, and when they are cleared.

A zone whose DNSSEC signatures are wrong, or an SPF record that receivers can't evaluate, moves no state, and yet stops
mail. Raised and cleared are the terms for alarms of RFC 8632. Nothing is raised on one check alone, and nothing cleared
before an hour without it, so that a finding that comes and goes is reported once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Event, EventKind, RaisedFinding, RecordChange, Transition
from letterhead.core.domain.health import APART, SETTLED_AFTER, HealthState
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.plan.plan import RecordId

MAIL_FROM: Final = (RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)
_HAD_MAIL_FROM: Final = (HealthState.VERIFIED, HealthState.AT_RISK)


def is_at_rest(domain: Domain) -> bool:
    """Tell whether no finding is about to be raised or cleared, so that a check with the same answers changes none."""
    return all(each.raised_at is not None and each.absent_since is None for each in domain.raised)


def note_findings(
    transition: Transition, found: Sequence[Finding], now: datetime, *, is_conclusive: bool, thorough: bool
) -> Transition:
    """Note what a check found, and add the events of what it raises and clears; the state stays.

    `found` are the findings that follow from DNS. One that is not among them is gone only where the check is
    conclusive (all records were answered, and no finding hides others), and `thorough` as the one that found it was.
    """
    domain = transition.domain
    verified = domain.dkim.state is HealthState.VERIFIED
    blocking = {each.code: each for each in reversed(found) if each.severity is Severity.BLOCKING}
    known = {each.code for each in domain.raised}
    new = [code for code, each in blocking.items() if code not in known and _stops_mail(domain, each)]
    kept: list[RaisedFinding] = []
    events: list[Event] = []
    for raised in (*domain.raised, *(RaisedFinding(code=code, since=now, thorough=thorough) for code in new)):
        if raised.raised_at is None and not verified:
            continue  # the state tells of it, or will
        finding = blocking.get(raised.code)
        if finding is None and not (is_conclusive and raised.thorough is thorough):
            kept.append(raised)
            continue
        after, event = (
            _note_absence(raised, now)
            if finding is None
            else _note_presence(replace(raised, thorough=raised.thorough and thorough), finding, now)
        )
        kept += [after] if after is not None else []
        events += [event] if event is not None else []
    if tuple(kept) == domain.raised:
        return transition
    return replace(transition, domain=replace(domain, raised=tuple(kept)), events=(*transition.events, *events))


def _stops_mail(domain: Domain, finding: Finding) -> bool:
    """Tell whether a finding stops mail that went before: a MAIL FROM domain that never worked is being set up."""
    if finding.record not in MAIL_FROM:
        return True
    return domain.mail_from_health is not None and domain.mail_from_health.state in _HAD_MAIL_FROM


def _note_presence(raised: RaisedFinding, finding: Finding, now: datetime) -> tuple[RaisedFinding, Event | None]:
    """Raise a finding that an earlier check, at least ten minutes ago, has found too."""
    since = min(raised.since, now)  # a later one was written by a clock that was ahead
    seen = replace(raised, since=since, absent_since=None)
    if raised.raised_at is not None or now - since < APART:
        return seen, None
    words = f"{finding.title} ({finding.code}), since {_minute(since)}"
    return replace(seen, raised_at=now), _event(EventKind.FINDING_RAISED, raised.code, words, now)


def _note_absence(raised: RaisedFinding, now: datetime) -> tuple[RaisedFinding | None, Event | None]:
    """Clear a finding that no check has found for an hour; forget one that was never raised."""
    if raised.raised_at is None:
        return None, None
    absent_since = min(raised.absent_since or now, now)
    if now - absent_since < SETTLED_AFTER:
        return replace(raised, absent_since=absent_since), None
    words = f"no check for an hour has found {raised.code}, which was there since {_minute(raised.since)}"
    return None, _event(EventKind.FINDING_CLEARED, raised.code, words, now)


def _event(kind: EventKind, code: str, words: str, now: datetime) -> Event:
    was, is_now = ("absent", "present") if kind is EventKind.FINDING_RAISED else ("present", "absent")
    return Event(kind=kind, at=now, detail=words, change=RecordChange(record=code, was=was, now=is_now))


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def add_since(found: Sequence[Finding], domain: Domain) -> tuple[Finding, ...]:
    """Return the findings, with the time since which those that are noted are there."""
    since = {each.code: each.since for each in domain.raised}
    return tuple(replace(each, since=since.get(each.code)) if each.code in since else each for each in found)
