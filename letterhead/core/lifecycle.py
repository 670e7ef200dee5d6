"""Knows a sender domain's life: its states, what moves it between them, and what the provider is owed.

The rules are two tables, `RULES` (moves) and `DUTIES` (work at the provider); `docs/lifecycle.md` is made from them.
Knows nothing of how DNS was asked, of other accounts' claims beyond "somebody else holds the name", or of storage.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.identity import Identity, Presence, ProviderWord, Word
from letterhead.core.plan import Standing, Verdict

PENDING_FOR: Final = timedelta(hours=72)  # then an unproven claim rests as failed
GRACE: Final = timedelta(hours=72)  # from the first miss until sending stops
APART: Final = timedelta(minutes=10)  # two looks nearer than this are one piece of evidence
SETTLED_AFTER: Final = timedelta(hours=1)  # of unbroken presence
RESTART_EVERY: Final = timedelta(days=1)
MISSES_TO_LOSE: Final = 6
LOOKS_KEPT: Final = 3
# An older miss is forgotten, so that whoever comes at risk has at least a day left, and the mail that announces it.
MISS_REMEMBERED: Final = GRACE - timedelta(hours=24)


class State(StrEnum):
    """Says where in its life a watched thing is."""

    DRAFT = "draft"
    PENDING = "pending"
    VERIFIED = "verified"
    AT_RISK = "at_risk"
    FAILED = "failed"


WIRE_STATUS: Final = {
    State.DRAFT: "NOT_STARTED",
    State.PENDING: "PENDING",
    State.VERIFIED: "SUCCESS",
    State.AT_RISK: "TEMPORARY_FAILURE",
    State.FAILED: "FAILED",
}


class Sight(StrEnum):
    """Says what one check saw of one watched thing; "divided" is neither for nor against, "unanswered" is nothing."""

    PRESENT = "present"
    MISSING = "missing"
    DIVIDED = "divided"
    UNANSWERED = "unanswered"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one conclusive look: when, and whether the records were there."""

    at: datetime
    present: bool


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what must be remembered of one watched thing (DKIM, MAIL FROM) between checks.

    `since` is when the state was entered; pending's 72 h run from it. `looks` are the last 3 that count for the loss
    rule; `first_miss_at`, `misses` and `stops_sending_at` tell of the present spell at risk. `present_since` starts
    the unbroken run of presence. `provider_lost_at` is the first look at which the provider had lost it since its last
    success, `provider_lost` says that a later look agreed.
    """

    state: State
    since: datetime
    looks: tuple[Look, ...] = ()
    first_miss_at: datetime | None = None
    misses: int = 0
    stops_sending_at: datetime | None = None
    present_since: datetime | None = None
    provider_lost_at: datetime | None = None
    provider_lost: bool = False


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one account's claim to one sender domain, with all that must survive between checks.

    `sender`, `mail_from` and `zone` are lower-case A-labels without a final dot. `told_at` is when the provider was
    last owed the identity, `identity` its last real word, kept beside ours. `attempts` counts the checks in a row that
    left something unanswered. `version` belongs to storage.
    """

    id: str
    account_id: str
    sender: str
    selector: str
    public_key: str
    mail_from: str | None = None
    zone: str | None = None
    created_at: datetime
    last_sync: datetime
    dkim: Watch
    mail_from_watch: Watch | None = None
    verified_at: datetime | None = None
    held: bool = False
    told_at: datetime | None = None
    identity: Identity | None = None
    restarted_at: datetime | None = None
    tokens: tuple[str, ...] = ()
    attempts: int = 0
    next_check_at: datetime | None = None
    check_reason: str = ""
    reminder_sent_at: datetime | None = None
    version: int = 0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one check learnt; `provider` is None where the provider was not asked."""

    dkim: Sight
    mail_from: Sight | None = None
    provider: ProviderWord | None = None
    held_elsewhere: bool = False


class EventKind(StrEnum):
    """Lists what can happen to a domain, as webhooks name it, for ever."""

    DOMAIN_CREATED = "domain.created"
    DOMAIN_PENDING = "domain.pending"
    DOMAIN_VERIFIED = "domain.verified"
    DOMAIN_AT_RISK = "domain.at_risk"
    DOMAIN_RESTORED = "domain.restored"
    DOMAIN_LOST = "domain.lost"
    DOMAIN_FAILED = "domain.failed"
    DOMAIN_DELETED = "domain.deleted"
    RECORD_CHANGED = "record.changed"
    DKIM_ROTATED = "dkim.rotated"
    CLAIM_CONTESTED = "claim.contested"
    CLAIM_TRANSFERRED = "claim.transferred"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Tells one real change; `detail` is a sentence for a person."""

    kind: EventKind
    at: datetime
    detail: str


class Effect(StrEnum):
    """Names work owed at the provider; each is idempotent and follows again from the state when it was lost."""

    REGISTER = "register"  # make the identity, its key and its MAIL FROM as we wish them
    RESTART = "restart"  # it had given up: let it look again
    WITHDRAW = "withdraw"  # delete the identity, if it carries our tag


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what follows from a look or a wish: the domain after it, what to tell, what to do at the provider."""

    domain: Domain
    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()


def fresh(state: State, now: datetime) -> Watch:
    """Starts a watch without memory."""
    return Watch(state=state, since=now)


def sight_of(standings: Iterable[Standing]) -> Sight:
    """Sums up the planned records of one watched thing."""
    raise NotImplementedError


def ask_verification(domain: Domain, now: datetime) -> Step:
    """Starts verification of a draft, or again of a failed domain; any other stays as it is."""
    raise NotImplementedError


def advance(domain: Domain, evidence: Evidence, now: datetime) -> Step:
    """Takes in what one check learnt."""
    raise NotImplementedError


def delete(domain: Domain, now: datetime) -> Step:
    """Ends a claim: the identity is withdrawn; keys and rows are the caller's to shred."""
    raise NotImplementedError


def may_send(domain: Domain, now: datetime) -> bool:
    """Says whether mail may leave under the domain at this time."""
    raise NotImplementedError


def status(domain: Domain) -> str:
    """Gives the wire word of the domain."""
    return WIRE_STATUS[domain.dkim.state]


def mail_from_status(domain: Domain) -> str | None:
    """Gives the wire word of the MAIL FROM domain, or nothing where there is none or nobody asked yet."""
    watch = domain.mail_from_watch
    return None if watch is None or watch.state is State.DRAFT else WIRE_STATUS[watch.state]
