"""A sender domain as it is stored between checks, its events, and the transitions that change it."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.domain.health import WIRE_STATUS, HealthState, RecordHealth
from letterhead.core.domain.provider_identity import Identity, Presence, ProviderStatus
from letterhead.core.findings.acceptance import AcceptedFinding
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
    """The place in the operator's own zone that serves the keys of a claim; `token` is that claim's alone, for ever."""

    zone: str
    token: str


class Ed25519Key(msgspec.Struct, frozen=True, kw_only=True):
    """A second DKIM key (RFC 8463), by which mail is signed in addition to the first while it is `live`.

    `public_key` is base64 of its 32 octets. `seen_since` is the first check of those in a row that found its record on
    every server; `live` is true once that is long enough ago.
    """

    selector: str
    public_key: str
    seen_since: datetime | None = None
    live: bool = False


class Rotation(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED_ROTATION):
    """A DKIM key that is to take over once every server has it.

    `seen_since` is the first check of those in a row that found it on every server. `missing_at` and `unreachable` name
    the servers that had no such key at the last check, `checked_at`, and those that did not answer; `by_resolvers` is
    true where resolvers were asked in place of servers. `ed25519` is the Ed25519 key that comes with it.
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
    """A selector that was rotated out; `safe` once no mail signed with it is under way any more.

    `public_key` is the key that was at it, of RSA or Ed25519; not known of those that an older version rotated out.
    """

    selector: str
    replaced_at: datetime
    safe: bool = False
    public_key: str = ""


class RaisedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A blocking finding that stays while the domain stays verified; for each code there is one.

    `since` is the first check of those in a row that found it. `raised_at` is when an event reported it, `absent_since`
    the first of the conclusive checks in a row that did not find it any more. `thorough` is true where only thorough
    checks have found it: these ask the domain's servers, and the others its resolvers, so that neither kind shows that
    what the other kind found is gone.
    """

    code: str
    since: datetime
    thorough: bool = False
    raised_at: datetime | None = None
    absent_since: datetime | None = None


class Domain(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED_DOMAIN):
    """One account's claim to one sender domain, with all that must survive between checks.

    `sender`, `mail_from` and `zone` are lower-case A-labels without a final dot. `dkim` and `mail_from_health` are the
    health of the DKIM record and of the MAIL FROM records. `registered_at` is when the identity was last to be
    registered at the provider, `identity` is the provider's last report. `attempts` counts the checks in a row that
    left something unanswered. `challenger_only_since` is since when a challenger's record is seen without the holder's;
    `contested_at` is when a holder was last warned of another valid claim. `verdicts` are the last conclusive ones, by
    planned record; `published` are those that a check once found right. `selector` is that of the key that signs,
    `rotation` the key that is to follow, `old_keys` those before whose records are still in DNS, `rotated_at` the
    last change. `key_delegation` is set where the customer publishes CNAMEs to keys in the operator's zone.
    `ed25519` is the second key, where there is one. `raised` are the blocking findings that no state tells of.
    `accepted` are the findings that the account accepts. `is_slow` says that DNS took long to answer its last check.
    `called_by` is the span, for traces, of the request that added it, until its first check. `version` belongs to
    storage.
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
    published: tuple[RecordId, ...] = ()
    rotation: Rotation | None = None
    old_keys: tuple[OldKey, ...] = ()
    rotated_at: datetime | None = None
    key_delegation: KeyDelegation | None = None
    ed25519: Ed25519Key | None = None
    raised: tuple[RaisedFinding, ...] = ()
    accepted: tuple[AcceptedFinding, ...] = ()
    is_slow: bool = False
    called_by: str | None = None
    version: int = 0


class EventKind(StrEnum):
    """What can happen to a domain, as webhooks name it, for ever."""

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
    FINDING_RAISED = "finding.raised"
    FINDING_CLEARED = "finding.cleared"
    FINDING_ACCEPTED = "finding.accepted"
    FINDING_UNACCEPTED = "finding.unaccepted"
    RECORDS_WRITTEN = "records.written"
    CREDENTIAL_REFUSED = "credential.refused"


class RecordChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one planned record's verdict, of the status of `mail_from`, or of a finding: there, accepted or gone.

    `record` is then the code of the finding.
    """

    record: str
    was: str
    now: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One real change; `detail` is a sentence for a person, `change` comes with `record.changed` and `finding.…`."""

    kind: EventKind
    at: datetime
    detail: str
    change: RecordChange | None = None

    @property
    def finding(self) -> str | None:
        """The code of the finding that was raised, cleared or accepted, or is accepted no longer."""
        return self.change.record if self.kind in _OF_FINDINGS and self.change is not None else None


_OF_FINDINGS: Final = (
    EventKind.FINDING_RAISED,
    EventKind.FINDING_CLEARED,
    EventKind.FINDING_ACCEPTED,
    EventKind.FINDING_UNACCEPTED,
)


class Effect(StrEnum):
    """Work to do at the provider or at the DNS host; each is idempotent, and follows again from the state if lost."""

    REGISTER = "register"  # make the identity, its key and its MAIL FROM as they should be
    RESTART = "restart"  # the provider had given up: let it check again
    WITHDRAW = "withdraw"  # delete the identity, if it carries our tag
    PUBLISH = "publish"  # make the operator's own zone serve the keys that the claim needs, and no others


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a check or a request: the domain after it, the events, the work to do outside."""

    domain: Domain
    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()


def status(domain: Domain) -> str:
    """Return the status of the domain as the API has it."""
    return WIRE_STATUS[domain.dkim.state]


def mail_from_status(domain: Domain) -> str | None:
    """Return the status of the MAIL FROM domain as the API has it; None where there is none, or nobody asked yet."""
    health = domain.mail_from_health
    return None if health is None or health.state is HealthState.DRAFT else WIRE_STATUS[health.state]


def is_wholly_verified(domain: Domain) -> bool:
    """Tell whether DKIM and, where there is one, the MAIL FROM domain are verified."""
    both = (domain.dkim, domain.mail_from_health)
    return all(health is None or health.state is HealthState.VERIFIED for health in both)


def failing_since(domain: Domain) -> datetime | None:
    """Return since when the domain fails, None where it does not.

    It fails while DKIM or MAIL FROM is at risk or failed, and while a blocking finding was raised and not cleared.
    """
    both = (domain.dkim, domain.mail_from_health)
    since = [
        health.first_miss_at or health.since
        for health in both
        if health is not None and health.state in (HealthState.AT_RISK, HealthState.FAILED)
    ]
    since += [each.since for each in domain.raised if each.raised_at is not None]
    return min(since, default=None)


def is_refused(domain: Domain) -> bool:
    """Tell whether the provider refuses the domain, has given up on it, or has its name under somebody else's tag."""
    identity = domain.identity
    if identity is None:
        return False
    reported = (identity.dkim, identity.mail_from) if domain.mail_from else (identity.dkim,)
    no = (ProviderStatus.REFUSED, ProviderStatus.GAVE_UP)
    return identity.presence is Presence.FOREIGN or any(each in no for each in reported)
