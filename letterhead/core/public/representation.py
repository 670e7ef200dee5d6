"""A sender domain, its records and its changes as JSON: one shape for the API and for webhooks.

No private key is in it. A field that has no value is absent, never null.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from letterhead.core.domain.domain import Domain, Event, mail_from_status, status
from letterhead.core.domain.progress import Progress, is_required, progress
from letterhead.core.plan.plan import Plan, PlannedRecord, relative_name

Status = Literal["SUCCESS", "PENDING", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]
MailFromStatus = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE"]


class PublicStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of every JSON object that is sent."""


class VerificationRecord(PublicStruct, frozen=True, kw_only=True):
    """One record to publish; `recordName` is relative to the zone that the customer edits, `host` is full."""

    record_type: Literal["TXT", "MX", "CNAME"]
    record_name: str
    host: str
    record_value: str
    priority: int | UnsetType = UNSET
    required: bool


class VerificationRecords(PublicStruct, frozen=True, kw_only=True, rename="lower"):
    """All that the customer must publish; the clients know these keys with underscores.

    They know TXT and MX alone, so CNAMEs to delegated keys have keys of our own in this object, which stay for ever.
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
    """One sender domain of the account."""

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


def domain_fields(domain: Domain, plan: Plan) -> dict[str, Any]:
    """Return the fields of a `PublicDomain`."""
    mail_from = mail_from_status(domain)
    records = {}
    for record in plan.records:
        # A CNAME to a delegated key is named by its selector, since both CNAMEs stay through every change of keys.
        key = f"dkim_{record.host.partition('.')[0]}" if record.rdtype == "CNAME" else record.id.value
        records[key] = public_record(record, plan.zone)
    return {
        "sender": domain.sender,
        "status": status(domain),
        "last_sync": domain.last_sync,
        "created_at": domain.created_at,
        "selector": domain.selector,
        "ed25519_selector": domain.ed25519.selector if domain.ed25519 and domain.ed25519.live else UNSET,
        "verification_tokens": domain.tokens or UNSET,
        "mail_from_domain_status": UNSET if mail_from is None else mail_from,
        "reminder_sent_at": UNSET if domain.reminder_sent_at is None else domain.reminder_sent_at,
        "verification_records": VerificationRecords(**records),
        "dkim_mode": "delegated" if domain.key_delegation else UNSET,
    }


def public_record(record: PlannedRecord, zone: str) -> VerificationRecord:
    """Return one record to publish as JSON shows it."""
    return VerificationRecord(
        record_type=record.rdtype,  # type: ignore[arg-type]
        record_name=relative_name(record.host, zone),
        host=record.host,
        record_value=record.value,
        priority=UNSET if record.priority is None else record.priority,
        required=is_required(record),
    )


class PublicPurpose(PublicStruct, frozen=True, kw_only=True):
    """How many of the records for one purpose are published: to sign, for bounces, the policy."""

    purpose: Literal["sign", "bounce", "policy"]
    published: int
    planned: int


class PublicProgress(PublicStruct, frozen=True, kw_only=True):
    """How far the set-up is; the same count and sentence stand on the pages, in the command, in mails and in events.

    `step` is "waiting" (nothing can be sent yet), "ready" (mail can be sent, and something is left) or "done". `left`
    names what the records that are not published are for.
    """

    step: Literal["waiting", "ready", "done"]
    published: int
    planned: int
    left: tuple[Literal["sign", "bounce", "policy"], ...]
    purposes: tuple[PublicPurpose, ...]
    sentence: str


def public_progress(far: Progress) -> PublicProgress:
    """Return the progress of a domain's set-up as JSON shows it."""
    return PublicProgress(
        step=far.step.value,
        published=len(far.published),
        planned=far.planned,
        left=tuple(each.value for each in far.purposes_left),
        purposes=tuple(
            PublicPurpose(purpose=each.purpose.value, published=each.published, planned=each.planned)
            for each in far.purposes
        ),
        sentence=far.sentence,
    )


class PublicChange(PublicStruct, frozen=True, kw_only=True):
    """One record's verdict before and after a change."""

    record: Literal[
        "dkim", "dkim_next", "dkim_ed25519", "dkim_ed25519_next", "mail_from_mx", "mail_from_spf", "dmarc", "mail_from"
    ]
    was: str = msgspec.field(name="from")
    now: str = msgspec.field(name="to")


def public_change(event: Event) -> PublicChange | UnsetType:
    """Return the change of a record as JSON shows it; unset where an event is of none."""
    change = event.change
    if change is None or event.finding is not None:
        return UNSET
    return PublicChange(record=change.record, was=change.was, now=change.now)  # type: ignore[arg-type]


class WebhookTest(PublicStruct, frozen=True, kw_only=True):
    """The data of a webhook that is only a test."""

    message: str


class WebhookMessage(PublicStruct, frozen=True, kw_only=True):
    """The body of a webhook: `data` is the domain as it was after the event, `progress` how far its set-up was."""

    id: str
    type: str
    timestamp: datetime
    detail: str
    change: PublicChange | UnsetType = UNSET
    finding: str | UnsetType = UNSET
    progress: PublicProgress | UnsetType = UNSET
    data: PublicDomain | WebhookTest


def webhook_body(event_id: str, event: Event, domain: Domain, plan: Plan) -> bytes:
    """Return the body of the webhook that reports an event."""
    message = WebhookMessage(
        id=event_id,
        type=event.kind.value,
        timestamp=event.at,
        detail=event.detail,
        change=public_change(event),
        finding=event.finding or UNSET,
        progress=public_progress(progress(domain, plan, event.at)),
        data=PublicDomain(**domain_fields(domain, plan)),
    )
    return msgspec.json.encode(message)


def webhook_test_body(event_id: str, kind: str, at: datetime) -> bytes:
    """Return the body of a webhook that tests an endpoint."""
    detail = "a test that somebody asked for: nothing happened to any domain"
    message = WebhookMessage(id=event_id, type=kind, timestamp=at, detail=detail, data=WebhookTest(message=detail))
    return msgspec.json.encode(message)
