"""Accepting a finding until a day, so that nobody is reminded of it; never one that blocks sending."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.check.catalogue import DIAGNOSES, similar_codes
from letterhead.core.domain.domain import Domain, Event, EventKind, RecordChange
from letterhead.core.findings.acceptance import (
    LONGEST,
    MOST_ACCEPTED,
    MOST_REASON,
    AcceptedFinding,
    add_acceptance,
    identity_of,
)
from letterhead.core.findings.diagnosis import Acceptance, Finding, Severity
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.domains import RACES, FindDomainNeeds, StoreForDomains, find_domain, new_busy_fault
from letterhead.ports.store.domains import DomainUpdate

SOON = timedelta(hours=1)  # the shortest acceptance


class AcceptanceNeeds(FindDomainNeeds, AuditNeeds, Protocol):
    """What accepting a finding needs."""

    @property
    def store(self) -> StoreForDomains: ...


class AcceptanceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A finding to accept, as somebody asks for it; `host` says which, where the domain has it at several names."""

    code: str
    until: str
    reason: str
    host: str | None = None


class AcceptanceState(StrEnum):
    """Whether an acceptance counts, and why it does not."""

    COUNTS = "accepted"
    ENDED = "ended"
    NOT_FOUND = "not-found"  # the last check did not find it: the acceptance counts if it comes back
    BLOCKING = "blocking"  # it blocks sending by now


class AcceptedView(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted finding and whether its acceptance counts; `title` is that of its diagnosis."""

    accepted: AcceptedFinding
    state: AcceptanceState
    title: str


async def accept_finding(
    deps: AcceptanceNeeds, account_id: str, raw: str, request: AcceptanceRequest, actor: Actor
) -> list[AcceptedView]:
    """Accept a finding of the domain's last check until a time; return all that the domain has accepted.

    Again for the same finding, it takes the place of the one before. Faults: `not-found` for the domain, or where the
    last check has no such finding; `finding-blocking` where it blocks sending; `parameter-invalid`; `conflict` where
    the domain has too many, or others change it at the same time.
    """
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        acceptance = _read_request(request, actor, deps.now())
        findings = await _last_findings(deps, domain)
        chosen = _choose(domain, findings, request)
        accepted = add_acceptance(domain.accepted, chosen, acceptance)
        if len(accepted) > MOST_ACCEPTED:
            raise Fault(
                Kind.CONFLICT,
                f"{domain.sender} has {len(domain.accepted)} accepted findings, and may have {MOST_ACCEPTED}.",
                f"Look at GET /domains/{domain.sender}/accepted-findings, and withdraw one.",
            )
        words = f"{chosen[0].title} ({request.code}), until {acceptance.until:%Y-%m-%d %H:%M} UTC"
        event = _event(EventKind.FINDING_ACCEPTED, request.code, words, acceptance.at)
        if await deps.store.save(DomainUpdate(domain=replace(domain, accepted=accepted), events=(event,))):
            subject = f"{domain.sender} {request.code} at {chosen[0].host} until {acceptance.until:%Y-%m-%d}"
            await deps.store.audit(audit_row(deps, actor, "finding.accept", subject))
            return _views(accepted, findings, acceptance.at)
    raise new_busy_fault(raw)


async def list_accepted(deps: AcceptanceNeeds, account_id: str, raw: str) -> list[AcceptedView]:
    """List what a domain has accepted, also what ended in the last 30 days; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return await view_accepted(deps, domain)


async def view_accepted(deps: AcceptanceNeeds, domain: Domain) -> list[AcceptedView]:
    """Return what a domain has accepted, with the state of each."""
    if not domain.accepted:
        return []
    return _views(domain.accepted, await _last_findings(deps, domain), deps.now())


async def withdraw_acceptance(
    deps: AcceptanceNeeds, account_id: str, raw: str, code: str, host: str | None, actor: Actor
) -> None:
    """Withdraw the acceptance of a finding: at one name, or wherever it was accepted.

    Faults: `not-found`, `conflict` where others change the domain at the same time.
    """
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        kept = tuple(each for each in domain.accepted if each.code != code or host not in (None, each.host))
        if len(kept) == len(domain.accepted):
            raise Fault(
                Kind.NOT_FOUND,
                f"{domain.sender} has not accepted {code[:80]!r}{f' at {host[:253]!r}' if host else ''}.",
                f"Look at GET /domains/{domain.sender}/accepted-findings for what it has accepted.",
            )
        event = _event(EventKind.FINDING_UNACCEPTED, code, f"{DIAGNOSES[code].title} ({code})", deps.now())
        if await deps.store.save(DomainUpdate(domain=replace(domain, accepted=kept), events=(event,))):
            row = audit_row(deps, actor, "finding.unaccept", f"{domain.sender} {code}")
            await deps.store.audit(row)
            return
    raise new_busy_fault(raw)


async def _last_findings(deps: AcceptanceNeeds, domain: Domain) -> Sequence[Finding]:
    last = (await deps.store.last_checks([domain.id])).get(domain.id)
    return last.findings if last else ()


def _read_request(request: AcceptanceRequest, actor: Actor, now: datetime) -> Acceptance:
    """Read until when and why; Fault `parameter-invalid`."""
    reason = " ".join(request.reason.split())
    if not reason or len(reason) > MOST_REASON or not reason.isprintable():
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"The reason is empty, longer than {MOST_REASON} characters, or has signs that can't be printed.",
            "Say in a sentence why the finding is accepted.",
        )
    try:
        until = datetime.fromisoformat(request.until)
    except ValueError as error:
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"{request.until[:40]!r} is no day and no time.",
            "Write a day such as 2027-03-01, or a time such as 2027-03-01T09:00:00Z.",
        ) from error
    until = (until.replace(tzinfo=UTC) if until.tzinfo is None else until.astimezone(UTC)).replace(microsecond=0)
    if not now + SOON <= until <= now + LONGEST:
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"{request.until[:40]} is not within the next {LONGEST.days} days.",
            f"Name a day from {now + timedelta(days=1):%Y-%m-%d} to {now + LONGEST:%Y-%m-%d}.",
        )
    return Acceptance(by=actor.name, reason=reason, at=now, until=until)


def _choose(domain: Domain, findings: Sequence[Finding], request: AcceptanceRequest) -> list[Finding]:
    """Return the findings that are meant, all at one name; Faults as `accept_finding`."""
    code = request.code
    if code not in DIAGNOSES:
        near = ", ".join(similar_codes(code))
        fix = f"Do you mean {near}?" if near else "docs/findings lists all codes, and so does letterhead explain."
        raise Fault(Kind.PARAMETER_INVALID, f"There is no finding with the code {code[:80]!r}.", fix)
    found = [each for each in findings if each.code == code and request.host in (None, each.host)]
    hosts = sorted({each.host for each in found})
    if not found:
        raise Fault(
            Kind.NOT_FOUND,
            f"The last check of {domain.sender} did not find {code}"
            f"{f' at {request.host[:253]}' if request.host else ''}.",
            f"Look at GET /domains/{domain.sender} for what it found, or have it checked with "
            f"POST /domains/{domain.sender}/check.",
        )
    if len(hosts) > 1:
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"The last check of {domain.sender} found {code} at {len(hosts)} names: {', '.join(hosts[:10])}.",
            "Say with host which one is accepted.",
        )
    if any(each.severity is Severity.BLOCKING for each in found):
        raise Fault(
            Kind.FINDING_BLOCKING,
            f"{code} at {hosts[0]} blocks sending, so it can't be accepted.",
            f"Put it right: {found[0].fix}",
        )
    return found


def _views(accepted: Sequence[AcceptedFinding], findings: Sequence[Finding], now: datetime) -> list[AcceptedView]:
    severities = {identity_of(each): each.severity for each in findings}
    views = []
    for each in accepted:
        severity = severities.get(each.identity)
        if each.acceptance.until <= now:
            state = AcceptanceState.ENDED
        elif severity is None:
            state = AcceptanceState.NOT_FOUND
        else:
            state = AcceptanceState.BLOCKING if severity is Severity.BLOCKING else AcceptanceState.COUNTS
        title = DIAGNOSES[each.code].title if each.code in DIAGNOSES else each.code
        views.append(AcceptedView(accepted=each, state=state, title=title))
    return views


def _event(kind: EventKind, code: str, words: str, now: datetime) -> Event:
    was, is_now = ("present", "accepted") if kind is EventKind.FINDING_ACCEPTED else ("accepted", "present")
    return Event(kind=kind, at=now, detail=words, change=RecordChange(record=code, was=was, now=is_now))
