"""Schemas of events, webhooks and their deliveries, to the letter of the contract."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.dns.answers import Snapshot
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.public.representation import PublicChange
from letterhead.web.schemas import In, Out, RecordCheck

EventName = Literal[
    "domain.created", "domain.pending", "domain.verified", "domain.at_risk", "domain.restored", "domain.lost",
    "domain.failed", "domain.deleted", "record.changed", "dkim.rotated", "claim.contested", "claim.transferred",
]  # fmt: skip


class PageQuery(In, frozen=True, kw_only=True):
    """Says which page of a list is wanted."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] = 100
    cursor: (
        Annotated[str, Meta(pattern="^[0-9a-f-]{36}$", description="Where to go on, from a Link header.")] | UnsetType
    ) = UNSET


class EventsQuery(PageQuery, frozen=True, kw_only=True):
    """Says which of the account's events are wanted."""

    sender: Annotated[str, Meta(max_length=253, description="Only those of this name, as an A-label.")] | UnsetType = (
        UNSET
    )


class EventOut(Out, frozen=True, kw_only=True):
    """Tells one thing that happened; `id` is also the webhook's, `checkId` names the check that it follows from."""

    id: str
    kind: EventName
    at: datetime
    detail: str
    domain: str
    change: PublicChange | UnsetType = UNSET
    check_id: str | UnsetType = UNSET


class CheckOut(Out, frozen=True, kw_only=True):
    """Tells of a check that an event follows from."""

    id: str
    checked_at: datetime
    records: tuple[RecordCheck, ...]
    findings: tuple[Finding, ...]
    snapshot: Annotated[Snapshot, Meta(description="All that the check saw, as it was seen.")]


class EventDetail(EventOut, frozen=True, kw_only=True):
    """Tells one thing that happened, with the check that it follows from."""

    check: CheckOut | UnsetType = UNSET


def _word(description: str, *examples: str) -> Meta:
    return Meta(max_length=4096, description=description, extra_json_schema={"examples": list(examples)})


class WebhookIn(In, frozen=True, kw_only=True):
    """Says where messages go, and of which events."""

    webhook: Annotated[str, _word("An https:// URL with a public host.", "https://hooks.acme.dev/letterhead")]
    events: Annotated[
        tuple[str, ...],
        Meta(max_length=100, description="Names of events, or `*` for all.", extra_json_schema={"examples": [["*"]]}),
    ]


class WebhookOut(Out, frozen=True, kw_only=True):
    """Tells of a webhook; `oldSecretEndsAt` is there while a secret before this one still signs too."""

    id: str
    webhook: str
    events: tuple[EventName | Literal["*"], ...]
    secret: str
    created_at: datetime
    old_secret_ends_at: datetime | UnsetType = UNSET
    disabled_at: datetime | UnsetType = UNSET
    disabled_why: str | UnsetType = UNSET


class Webhooks(Out, frozen=True, kw_only=True):
    """Lists webhooks."""

    endpoints: tuple[WebhookOut, ...]


class AttemptOut(Out, frozen=True, kw_only=True):
    """Tells one attempt: the status if there was an answer, its first words or what went wrong instead."""

    at: datetime
    milliseconds: int
    status: int | UnsetType = UNSET
    said: str


class DeliveryOut(Out, frozen=True, kw_only=True):
    """Tells of one message with every attempt, the oldest first; `id` is its `webhook-id`, the event's own."""

    id: str
    kind: EventName | Literal["webhook.test"]
    at: datetime
    detail: str
    state: Literal["pending", "delivered", "failed"]
    next_attempt_at: datetime | UnsetType = UNSET
    attempts: tuple[AttemptOut, ...]
