"""JSON schemas of events, webhooks and their deliveries."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.accounts.key_bounds import MOST_DOMAINS
from letterhead.core.dns.answers import Snapshot
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.public.representation import PublicChange
from letterhead.web.schemas import In, Out, RecordCheck

EventName = Literal[
    "domain.created", "domain.pending", "domain.verified", "domain.at_risk", "domain.restored", "domain.lost",
    "domain.failed", "domain.deleted", "record.changed", "dkim.rotated", "claim.contested", "claim.transferred",
    "finding.raised", "finding.cleared", "finding.accepted", "finding.unaccepted", "records.written",
    "credential.refused",
]  # fmt: skip


class PageQuery(In, frozen=True, kw_only=True):
    """Page of a list."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] = 100
    cursor: (
        Annotated[str, Meta(pattern="^[0-9a-f-]{36}$", description="Where to go on, from a Link header.")] | UnsetType
    ) = UNSET


class EventsQuery(PageQuery, frozen=True, kw_only=True):
    """Filter and page of a list of the account's events."""

    sender: Annotated[str, Meta(max_length=253, description="Only those of this name, as an A-label.")] | UnsetType = (
        UNSET
    )


class EventOut(Out, frozen=True, kw_only=True):
    """One event; `id` is also the `webhook-id` of its messages, `checkId` names the check that caused it."""

    id: str
    kind: EventName
    at: datetime
    detail: str
    domain: str
    change: PublicChange | UnsetType = UNSET
    finding: Annotated[str, Meta(description="With `finding.…`: the code of the finding.")] | UnsetType = UNSET
    check_id: str | UnsetType = UNSET


class CheckOut(Out, frozen=True, kw_only=True):
    """A check that caused an event."""

    id: str
    checked_at: datetime
    records: tuple[RecordCheck, ...]
    findings: tuple[Finding, ...]
    snapshot: Annotated[Snapshot, Meta(description="All that the check saw, as it was seen.")]


class EventDetail(EventOut, frozen=True, kw_only=True):
    """One event with the check that caused it."""

    check: CheckOut | UnsetType = UNSET


class WebhookIn(In, frozen=True, kw_only=True):
    """The URL that messages are sent to, and the events that are sent, of all domains or of some."""

    webhook: Annotated[
        str,
        Meta(
            max_length=4096,
            description="An https:// URL with a public host.",
            extra_json_schema={"examples": ["https://hooks.acme.dev/letterhead"]},
        ),
    ]
    events: Annotated[
        tuple[str, ...],
        Meta(max_length=100, description="Names of events, or `*` for all.", extra_json_schema={"examples": [["*"]]}),
    ]
    domains: (
        Annotated[
            tuple[Annotated[str, Meta(max_length=1024)], ...],
            Meta(
                min_length=1,
                max_length=MOST_DOMAINS,
                description="The sender domains whose events are sent; null for all of the account. Where it is "
                "absent, PUT leaves them as they are, and POST takes those that the key is bound to.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    covers_subdomains: Annotated[bool, Meta(description="With `domains`: of the names below them, too.")] = False


class WebhookOut(Out, frozen=True, kw_only=True):
    """A webhook; `oldSecretEndsAt` is there while the previous secret still signs too.

    Without `domains` it gets the events of the whole account.
    """

    id: str
    webhook: str
    events: tuple[EventName | Literal["*"], ...]
    domains: tuple[str, ...] | UnsetType = UNSET
    covers_subdomains: bool | UnsetType = UNSET
    secret: str
    created_at: datetime
    old_secret_ends_at: datetime | UnsetType = UNSET
    disabled_at: datetime | UnsetType = UNSET
    disabled_why: str | UnsetType = UNSET


class Webhooks(Out, frozen=True, kw_only=True):
    """A list of webhooks."""

    endpoints: tuple[WebhookOut, ...]


class AttemptOut(Out, frozen=True, kw_only=True):
    """One attempt of a delivery; `said` is the start of the response, or the error where there was none."""

    at: datetime
    milliseconds: int
    status: int | UnsetType = UNSET
    said: str


class DeliveryOut(Out, frozen=True, kw_only=True):
    """One message with every attempt, the oldest first; `id` is its `webhook-id`, the same as the event's."""

    id: str
    kind: EventName | Literal["webhook.test"]
    at: datetime
    detail: str
    state: Literal["pending", "delivered", "failed"]
    next_attempt_at: datetime | UnsetType = UNSET
    attempts: tuple[AttemptOut, ...]
