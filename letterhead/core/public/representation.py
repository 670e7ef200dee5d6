"""Knows how a sender domain, and what happened to it, are told outside: by the API and by webhooks in one shape.

No private key has a place in it. A field that has no value is absent, never null.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from letterhead.core.domain import domain as remembered
from letterhead.core.domain.domain import Domain, Event, RecordChange
from letterhead.core.plan.plan import Plan, PlannedRecord, relative_name

Status = Literal["SUCCESS", "PENDING", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]
MailFromStatus = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE"]


class PublicStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Is a shape that goes out."""


class VerificationRecord(PublicStruct, frozen=True, kw_only=True):
    """Says one record to publish; `recordName` is relative to the zone that the customer edits, `host` is full."""

    record_type: Literal["TXT", "MX", "CNAME"]
    record_name: str
    host: str
    record_value: str
    priority: int | UnsetType = UNSET
    required: bool


class VerificationRecords(PublicStruct, frozen=True, kw_only=True, rename="lower"):
    """Says all that the customer must publish; the clients know these keys with underscores.

    They know TXT and MX alone, so that CNAMEs to delegated keys stand under keys of our own, which stay for ever.
    """

    dkim: VerificationRecord | UnsetType = UNSET
    mail_from_spf: VerificationRecord | UnsetType = UNSET
    mail_from_mx: VerificationRecord | UnsetType = UNSET
    dmarc: VerificationRecord | UnsetType = UNSET
    dkim_next: (
        Annotated[VerificationRecord, Meta(description="During a change of keys: the new key, beside the old one.")]
        | UnsetType
    ) = UNSET
    dkim_lh1: Annotated[VerificationRecord, Meta(description="With delegated keys: the first CNAME.")] | UnsetType = (
        UNSET
    )
    dkim_lh2: Annotated[VerificationRecord, Meta(description="With delegated keys: the second one.")] | UnsetType = (
        UNSET
    )
    dkim_ed25519: (
        Annotated[VerificationRecord, Meta(description="The Ed25519 key beside the RSA one, where there is one.")]
        | UnsetType
    ) = UNSET
    dkim_ed25519_next: (
        Annotated[VerificationRecord, Meta(description="During a change of keys: the Ed25519 key that comes with it.")]
        | UnsetType
    ) = UNSET


class PublicDomain(PublicStruct, frozen=True, kw_only=True):
    """Tells of one sender domain of the account."""

    sender: str
    status: Status
    last_sync: datetime
    created_at: datetime
    selector: str
    ed25519_selector: (
        Annotated[str, Meta(description="Of the Ed25519 key that signs too, while DNS serves it everywhere.")]
        | UnsetType
    ) = UNSET
    verification_tokens: tuple[str, ...] | UnsetType = UNSET
    mail_from_domain_status: MailFromStatus | UnsetType = UNSET
    reminder_sent_at: datetime | UnsetType = UNSET
    verification_records: VerificationRecords
    dkim_mode: Annotated[Literal["delegated"], Meta(description="Where we publish the keys.")] | UnsetType = UNSET


def values(each: Domain, plan: Plan) -> dict[str, Any]:
    """Gives the fields of a `ToldDomain`."""
    mail_from = remembered.mail_from_status(each)
    return {
        "sender": each.sender,
        "status": remembered.status(each),
        "last_sync": each.last_sync,
        "created_at": each.created_at,
        "selector": each.selector,
        "ed25519_selector": each.ed25519.selector if each.ed25519 and each.ed25519.live else UNSET,
        "verification_tokens": each.tokens or UNSET,
        "mail_from_domain_status": UNSET if mail_from is None else mail_from,
        "reminder_sent_at": UNSET if each.reminder_sent_at is None else each.reminder_sent_at,
        "verification_records": _records(plan),
        "dkim_mode": "delegated" if each.key_delegation else UNSET,
    }


def _records(plan: Plan) -> VerificationRecords:
    return VerificationRecords(**{_key(record): record_of(record, plan.zone) for record in plan.records})


def _key(record: PlannedRecord) -> str:
    """Gives the key that a record stands under: that of its slot where it is an alias to one."""
    return f"dkim_{record.host.partition('.')[0]}" if record.rdtype == "CNAME" else record.id.value


def record_of(record: PlannedRecord, zone: str) -> VerificationRecord:
    """Tells one record to publish."""
    return VerificationRecord(
        record_type=record.rdtype,  # type: ignore[arg-type]
        record_name=relative_name(record.host, zone),
        host=record.host,
        record_value=record.value,
        priority=UNSET if record.priority is None else record.priority,
        required=record.required,
    )


class PublicChange(PublicStruct, frozen=True, kw_only=True):
    """Says which record stood how before, and how it stands now."""

    record: Literal[
        "dkim", "dkim_next", "dkim_ed25519", "dkim_ed25519_next", "mail_from_mx", "mail_from_spf", "dmarc", "mail_from"
    ]
    was: str = msgspec.field(name="from")
    now: str = msgspec.field(name="to")


def change(each: RecordChange | None) -> PublicChange | UnsetType:
    """Tells a change."""
    return UNSET if each is None else PublicChange(record=each.record, was=each.was, now=each.now)  # type: ignore[arg-type]


class WebhookTest(PublicStruct, frozen=True, kw_only=True):
    """Says that a message is a test."""

    message: str


class WebhookMessage(PublicStruct, frozen=True, kw_only=True):
    """Is the body of a webhook: `data` is the domain as it was after the event."""

    id: str
    type: str
    timestamp: datetime
    detail: str
    change: PublicChange | UnsetType = UNSET
    data: PublicDomain | WebhookTest


def message(event_id: str, event: Event, each: Domain, plan: Plan) -> bytes:
    """Writes the body of the webhook that tells an event."""
    told = WebhookMessage(
        id=event_id,
        type=event.kind.value,
        timestamp=event.at,
        detail=event.detail,
        change=change(event.change),
        data=PublicDomain(**values(each, plan)),
    )
    return msgspec.json.encode(told)


def trial(event_id: str, kind: str, at: datetime) -> bytes:
    """Writes the body of a webhook that tests an endpoint."""
    words = "a test that somebody asked for: nothing happened to any domain"
    told = WebhookMessage(id=event_id, type=kind, timestamp=at, detail=words, data=WebhookTest(message=words))
    return msgspec.json.encode(told)
