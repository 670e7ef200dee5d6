"""Knows what is remembered of a sender domain between checks, and what can be told of it. Knows no rules."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.domain.health import WIRE_STATUS, HealthState, RecordHealth
from letterhead.core.domain.provider_identity import Identity
from letterhead.core.plan.plan import RecordId, Verdict

# A domain is kept as JSON: these fields keep the names under which earlier versions wrote them.
_STORED_DOMAIN: Final = {
    "registered_at": "told_at",
    "is_holder": "held",
    "challenger_only_since": "alone_since",
    "mail_from_health": "mail_from_watch",
    "key_delegation": "slots",
}
_STORED_ROTATION: Final = {"missing_at": "lacking", "unreachable": "silent", "checked_at": "looked_at"}


class KeyDelegation(msgspec.Struct, frozen=True, kw_only=True):
    """Says where the operator's own zone serves the keys of a claim; `token` is that claim's alone, for ever."""

    zone: str
    token: str


class Ed25519Key(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a second DKIM key (RFC 8463), by which mail is signed beside the first while it is `live`.

    `public_key` is base64 of its 32 octets. `seen_since` is since when every look found its record everywhere; `live`
    says that this was long enough.
    """

    selector: str
    public_key: str
    seen_since: datetime | None = None
    live: bool = False


class Rotation(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED_ROTATION):
    """Holds a DKIM key that is to take over once DNS serves it everywhere.

    `seen_since` is since when every look found it everywhere. `lacking` and `silent` name the servers that the last
    look, at `looked_at`, found without it and those that did not answer; `by_resolvers` says that resolvers stood in.
    `ed25519` is the Ed25519 key that comes with it.
    """

    selector: str
    public_key: str
    started_at: datetime
    checked_at: datetime | None = None
    seen_since: datetime | None = None
    missing_at: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    by_resolvers: bool = False
    ed25519: Ed25519Key | None = None


class OldKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a selector that was rotated out; `safe` once no mail signed with it is under way any more.

    `public_key` is the key that was at it; not known of those that were rotated out by an older version.
    """

    selector: str
    replaced_at: datetime
    safe: bool = False
    public_key: str = ""


class Domain(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED_DOMAIN):
    """Holds one account's claim to one sender domain, with all that must survive between checks.

    `sender`, `mail_from` and `zone` are lower-case A-labels without a final dot. `registered_at` is when the provider
    was last owed the identity, `identity` is its last real report. `attempts` counts the checks in a row that left
    something unanswered. `challenger_only_since` is since when a challenger's record is seen without the holder's;
    `contested_at` is when a holder last learnt of another valid claim. `verdicts` is how each planned record stood
    when it was last answered. `selector` is that of the key that signs, `rotation` the key that is to follow,
    `old_keys` those before whose records are still in DNS, `rotated_at` the last change. `key_delegation` says where
    our own zone serves the keys, where the customer publishes CNAMEs. `ed25519` is the second key, where there is one.
    `version` belongs to storage.
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
    dkim: RecordHealth
    mail_from_health: RecordHealth | None = None
    verified_at: datetime | None = None
    is_holder: bool = False
    registered_at: datetime | None = None
    identity: Identity | None = None
    restarted_at: datetime | None = None
    tokens: tuple[str, ...] = ()
    attempts: int = 0
    next_check_at: datetime | None = None
    check_reason: str = ""
    reminder_sent_at: datetime | None = None
    challenger_only_since: datetime | None = None
    contested_at: datetime | None = None
    verdicts: tuple[tuple[RecordId, Verdict], ...] = ()
    rotation: Rotation | None = None
    old_keys: tuple[OldKey, ...] = ()
    rotated_at: datetime | None = None
    key_delegation: KeyDelegation | None = None
    ed25519: Ed25519Key | None = None
    version: int = 0


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


class RecordChange(msgspec.Struct, frozen=True, kw_only=True):
    """Says which record stood how before and how it stands now: a planned record's verdict, or `mail_from`'s status."""

    record: str
    was: str
    now: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Tells one real change; `detail` is a sentence for a person, `change` comes with `record.changed`."""

    kind: EventKind
    at: datetime
    detail: str
    change: RecordChange | None = None


class Effect(StrEnum):
    """Names work owed outside; each is idempotent and follows again from the state when it was lost."""

    REGISTER = "register"  # make the identity, its key and its MAIL FROM as we wish them
    RESTART = "restart"  # it had given up: let it look again
    WITHDRAW = "withdraw"  # delete the identity, if it carries our tag
    PUBLISH = "publish"  # make the operator's own zone serve the keys that the claim needs, and no others


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what follows from a look or a wish: the domain after it, what to tell, what to do outside."""

    domain: Domain
    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()


def status(domain: Domain) -> str:
    """Gives the wire word of the domain."""
    return WIRE_STATUS[domain.dkim.state]


def mail_from_status(domain: Domain) -> str | None:
    """Gives the wire word of the MAIL FROM domain, or nothing where there is none or nobody asked yet."""
    watch = domain.mail_from_health
    return None if watch is None or watch.state is HealthState.DRAFT else WIRE_STATUS[watch.state]


def is_wholly_verified(domain: Domain) -> bool:
    """Says whether nothing is to be waited for: DKIM and, where there is one, the MAIL FROM domain are verified."""
    watches = (domain.dkim, domain.mail_from_health)
    return all(watch is None or watch.state is HealthState.VERIFIED for watch in watches)
