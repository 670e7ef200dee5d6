"""Conversion of core values to rows and back. Times are whole milliseconds since 1970 UTC, and are read as such.

A domain and a check are stored whole, as JSON; the other columns are those that SQL selects by.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.adapters.storage.engine import DatabaseRow, SqlValue, storable
from letterhead.core.accounts.accounts import Account
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import (
    Domain,
    Effect,
    Event,
    EventKind,
    KeyDelegation,
    RecordChange,
    failing_since,
    is_refused,
)
from letterhead.core.domain.domain import status as wire_status
from letterhead.core.domain.subdomain_cover import child_zone
from letterhead.core.schedule.check_schedule import queue_of
from letterhead.core.schedule.shares import PlacesHeld, quarter_of
from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.accounts import AuditRow, StoredAuditRow
from letterhead.ports.store.domains import CheckContext, CheckResult, DomainEvent, DomainUpdate
from letterhead.ports.store.leases import Intent
from letterhead.ports.store.monitoring import AccountDomain

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

Values = dict[str, SqlValue]

_domain = msgspec.json.Decoder(Domain)
_check = msgspec.json.Decoder(CheckResult)
_change = msgspec.json.Decoder(RecordChange)
_strings = msgspec.json.Decoder(tuple[str, ...])
_slots = msgspec.json.Decoder(KeyDelegation)


def ms(at: datetime) -> int:
    """Return a time as it is stored."""
    return (at - EPOCH) // MILLISECOND


def maybe_ms(at: datetime | None) -> int | None:
    """Return a time that may be absent as it is stored."""
    return None if at is None else ms(at)


def time(stored: int) -> datetime:
    """Read a stored time."""
    return EPOCH + stored * MILLISECOND


def maybe_time(stored: int | None) -> datetime | None:
    """Read a stored time that may be absent."""
    return None if stored is None else time(stored)


def maybe_int(value: bool | None) -> int | None:
    """Return a truth that may be absent as it is stored."""
    return None if value is None else int(value)


def json(value: object) -> str:
    """Return a core value as stored JSON."""
    return msgspec.json.encode(value).decode()


def maybe_json(value: object | None) -> str | None:
    """Return a core value that may be absent as stored JSON."""
    return None if value is None else json(value)


def change(stored: str | None) -> RecordChange | None:
    """Read which record changed, if one did."""
    return None if stored is None else _change.decode(stored)


# accounts


def account_values(account: Account) -> Values:
    """Return the columns of an account that can change, and its id."""
    return {
        "id": account.id,
        "name": account.name,
        "email": account.email,
        "domains": account.limits.domains,
        "requests": account.limits.requests_per_month,
        "pending": account.limits.pending_claims,
        "reminders": int(account.reminders),
        "covers": maybe_int(account.covers_subdomains),
    }


def limits(row: DatabaseRow) -> Limits:
    """Read an account's limits."""
    return Limits(
        domains=row["domains_limit"], requests_per_month=row["requests_limit"], pending_claims=row["pending_limit"]
    )


def account(row: DatabaseRow) -> Account:
    """Read an account."""
    return Account(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        limits=limits(row),
        created_at=time(row["created_at"]),
        reminders=bool(row["reminders"]),
        covers_subdomains=None if row["covers"] is None else bool(row["covers"]),
    )


def audit_values(row: AuditRow) -> Values:
    """Return the columns of a row of the audit log."""
    return msgspec.structs.asdict(row) | {"at": ms(row.at)}


def audit(row: DatabaseRow) -> StoredAuditRow:
    """Read a row of the audit log."""
    audited = AuditRow(
        at=time(row["at"]),
        actor=row["actor"],
        account_id=row["account_id"],
        action=row["action"],
        subject=row["subject"],
        address=row["address"],
        tracking_id=row["tracking_id"],
    )
    last_at = audited.at if row["last_at"] is None else time(row["last_at"])
    return StoredAuditRow(number=row["id"], row=audited, count=1 + row["repeats"], last_at=last_at)


# domains


def domain_values(domain: Domain) -> Values:
    """Return the columns of a domain that can change, and its id."""
    return {
        "id": domain.id,
        "status": wire_status(domain),
        "held": int(domain.is_holder),
        "path": path(domain.sender),
        "queue": queue_of(domain).value,
        "next_check_at": maybe_ms(domain.next_check_at),
        "version": domain.version,
        "failing_since": maybe_ms(failing_since(domain)),
        "refused": int(is_refused(domain)),
        "cut": child_zone(domain),
        "life": json(domain),
    }


def path(sender: str) -> bytes:
    """Return a name with its labels in reverse order, so that all names below it begin with it."""
    return b"".join(label + b"." for label in reversed(sender.encode().split(b".")))


def due_values(domain: Domain) -> Values:
    """Return the columns that change with the next check, and the id."""
    return {"id": domain.id, "next_check_at": maybe_ms(domain.next_check_at), "life": json(domain)}


def domain(row: DatabaseRow) -> Domain:
    """Read a domain."""
    return _domain.decode(row["life"])


def next_version(domain: Domain) -> Domain:
    """Return the domain as its next version."""
    return replace(domain, version=domain.version + 1)


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What a check that found nothing new writes; a JSON row of the `confirm_…` statements, which name its fields."""

    whose: str
    was: int
    version: int
    queue: int
    due: int | None
    failing: int | None
    refused: int
    life: str
    at: int


def new_confirmation(domain: Domain, at: datetime) -> Confirmation:
    """Return the next version of a domain for confirmation; `domain.version` is the one that was read."""
    updated = next_version(domain)
    return Confirmation(
        whose=updated.id,
        was=domain.version,
        version=updated.version,
        queue=queue_of(updated).value,
        due=maybe_ms(updated.next_check_at),
        failing=maybe_ms(failing_since(updated)),
        refused=int(is_refused(updated)),
        life=json(updated),
        at=ms(at),
    )


def account_domain(row: DatabaseRow) -> AccountDomain:
    """Read a domain with its account's name."""
    return AccountDomain(domain=domain(row), account_name=row["account_name"], refusal=row["refusal"])


def check_context(row: DatabaseRow) -> CheckContext:
    """Read what a check needs in addition to its domain."""
    used = _strings.decode(row["used"] or "[]")
    return CheckContext(
        watched_until=maybe_time(row["until"]),
        used_selectors=used,
        fingerprint=row["basis"],
        codes=_strings.decode(row["codes"] or "[]"),
    )


def check_result(row: DatabaseRow) -> CheckResult:
    """Read a domain's last check; its time is that of the latest check that found the same."""
    found = stored_check(row)
    heard_at = maybe_time(row["heard_at"])
    # Only a check that nobody answered is later than `heard_at`; a clock that was ahead wrote any other.
    if heard_at is None or found.is_unanswered or abs(heard_at - found.taken_at) < MILLISECOND:
        return found
    return replace(found, taken_at=heard_at)


def stored_check(row: DatabaseRow) -> CheckResult:
    """Read a check from its JSON."""
    return _check.decode(row["body"])


def check_values(domain: Domain, check: CheckResult, fingerprint: str | None) -> Values:
    """Return the columns of a domain's last check."""
    taken_at = ms(check.taken_at)
    return {
        "domain_id": domain.id,
        "zone": domain.zone or domain.sender,
        "heard_at": None if check.is_unanswered else taken_at,
        "silent_since": taken_at if check.is_unanswered else None,
        "version": next_version(domain).version,
        "basis": fingerprint,
        "codes": json(check.codes),
        "body": json(check),
    }


def problem(code: str) -> str:
    """Return a finding's code as it appears in the JSON of a check."""
    return f'"code":{json(storable(code))}'


def resolver_outage(row: DatabaseRow) -> ResolverOutage | None:
    """Read how many zones stopped answering, and since when."""
    return ResolverOutage(zones=row["zones"], since=time(row["since"])) if row["zones"] else None


def event_values(domain: Domain, event: Event, event_id: str, check_id: str | None) -> Values:
    """Return the columns of an event."""
    return {
        "id": event_id,
        "domain_id": domain.id,
        "account_id": domain.account_id,
        "sender": domain.sender,
        "kind": event.kind.value,
        "at": ms(event.at),
        "detail": event.detail,
        "changed": maybe_json(event.change),
        "record": event.change.record if event.change is not None else None,
        "evidence_id": check_id,
    }


def domain_event(row: DatabaseRow) -> DomainEvent:
    """Read an event."""
    return DomainEvent(
        id=row["id"],
        domain_id=row["domain_id"],
        account_id=row["account_id"],
        sender=row["sender"],
        event=Event(
            kind=EventKind(row["kind"]), at=time(row["at"]), detail=row["detail"], change=change(row["changed"])
        ),
        check_id=row["evidence_id"],
    )


# work


def share_values(held: PlacesHeld | None, limit: int) -> Values:
    """Return the parameters of a claim that shares places by account; without `held`, any may take all."""
    if held is None:
        return {"quarter": limit, "held": "{}", "served": "{}"}
    return {"quarter": quarter_of(held.places), "held": json(held.by_account), "served": json(held.served)}


def intent_values(domain: Domain, effect: Effect) -> Values:
    """Return the columns of a new intent."""
    return {
        "domain_id": domain.id,
        "account_id": domain.account_id,
        "sender": domain.sender,
        "effect": effect.value,
        "slots": maybe_json(domain.key_delegation),
    }


def time_of(update: DomainUpdate) -> datetime | None:
    """Return the time of a change: that of its events or of its check, else of the provider's report."""
    if update.events:
        return update.events[-1].at
    return update.check.taken_at if update.check is not None else update.domain.last_sync


def intent(row: DatabaseRow) -> Intent:
    """Read an intent."""
    return Intent(
        id=str(row["id"]),
        effect=Effect(row["effect"]),
        domain_id=row["domain_id"],
        account_id=row["account_id"],
        sender=row["sender"],
        attempts=row["attempts"],
        key_delegation=_slots.decode(row["slots"]) if row["slots"] else None,
        traceparent=row["traceparent"],
    )


def pooled_key(row: DatabaseRow) -> PooledKey:
    """Read a key made ahead."""
    return PooledKey(id=row["id"], public_key=row["public_key"], sealed=row["sealed"])
