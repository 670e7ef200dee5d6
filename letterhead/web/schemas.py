"""JSON schemas of the API: the bodies, query parameters and responses of the contract.

An optional field that has no value is absent, never null.
"""
# Long because it is the one list of all shapes: fields, no code.

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from letterhead.core.dns.answers import Snapshot
from letterhead.core.domain.profile import MOST_LABELS
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.languages.negotiation import PageLanguage
from letterhead.core.public.representation import PublicDomain, PublicProgress, Status, VerificationRecord

RecordName = Literal["dkim", "mail_from_spf", "mail_from_mx", "dmarc"]


class Out(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of the schemas of responses."""


class In(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of the schemas of requests: an unknown field is refused by its name."""


# --- domains ---------------------------------------------------------------------------------------------------


class Health(Out, frozen=True, kw_only=True):
    """Summary of the last check of a domain; what is accepted is in `codes`, and not in the counts."""

    can_send: bool
    checked_at: datetime | UnsetType = UNSET
    blocking: int
    warnings: int
    tips: int
    inconclusive: int
    codes: tuple[str, ...]
    accepted: Annotated[tuple[str, ...], Meta(description="Those of the codes that are accepted.")] | UnsetType = UNSET


class SenderDomain(PublicDomain, frozen=True, kw_only=True):
    """One sender domain of the account."""

    private_dkim_key: str | UnsetType = msgspec.field(default=UNSET, name="privateDKIMKey")
    private_ed25519_key: (
        Annotated[str, Meta(description="Base64 of the PKCS#8 DER, while DNS serves its record everywhere.")]
        | UnsetType
    ) = UNSET
    health: Health | UnsetType = UNSET


class RecordCheck(Out, frozen=True, kw_only=True):
    """The result of the last check for one planned record; `perspectives` are the servers that lack the value."""

    id: RecordName | Literal["dkim_next", "dkim_ed25519", "dkim_ed25519_next"]
    label: str
    required: bool
    found: bool
    host: str
    record_type: Literal["TXT", "MX", "CNAME"]
    expected: str
    observed: tuple[str, ...] | UnsetType = UNSET
    verdict: Literal["present", "wrong", "absent", "unanswered"]
    agreed: bool
    perspectives: tuple[str, ...] | UnsetType = UNSET


_NEXT_KEY = Meta(
    description="During a change of keys: how the new key's record stands. With delegated keys always: the other CNAME."
)
_ED25519_KEYS = Meta(description="How the record of the Ed25519 key stands, and of the one that is to follow it.")


class ProviderSays(Out, frozen=True, kw_only=True):
    """The mail provider's own last report on the domain.

    `dkim` and `mailFrom` are the same for every provider, `dkimSaid` and `mailFromSaid` verbatim what it reports;
    `checkedAt` is when it last queried DNS, as it reports, `seenAt` when we asked it.
    """

    name: str
    presence: Literal["absent", "ours", "foreign"] | UnsetType = UNSET
    dkim: str | UnsetType = UNSET
    dkim_said: str | UnsetType = UNSET
    mail_from: str | UnsetType = UNSET
    mail_from_said: str | UnsetType = UNSET
    selector: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    obstacle: Literal["not-found", "other-value", "dns-silent", "its-own"] | UnsetType = UNSET
    checked_at: datetime | UnsetType = UNSET
    seen_at: datetime | UnsetType = UNSET


class ContactOut(Out, frozen=True, kw_only=True):
    """A domain's contact: `waiting` for its confirmation, `confirmed`, or `ended` by the person there."""

    email: str
    state: Literal["waiting", "confirmed", "ended"]
    asked_at: datetime
    confirmed_at: datetime | UnsetType = UNSET
    copy_account: bool
    language: PageLanguage


class DomainDetail(SenderDomain, frozen=True, kw_only=True):
    """One sender domain in full: the fields of the list, each record's result, the findings and the next check."""

    unicode: str
    mail_from: str | UnsetType = UNSET
    zone: str | UnsetType = UNSET
    can_send: bool
    progress: PublicProgress
    stops_sending_at: datetime | UnsetType = UNSET
    verified_at: datetime | UnsetType = UNSET
    note: Annotated[str, Meta(description="What the account keeps about it.")] | UnsetType = UNSET
    labels: Annotated[dict[str, str], Meta(description="By key.")] | UnsetType = UNSET
    contact: ContactOut | UnsetType = UNSET
    checked_at: datetime | UnsetType = UNSET
    next_check_at: datetime | UnsetType = UNSET
    check_reason: str | UnsetType = UNSET
    last_check_age: (
        Annotated[int, Meta(description="Seconds; only where the last check answers for one on request.")] | UnsetType
    ) = UNSET
    checkable_at: (
        Annotated[datetime, Meta(description="From then on a check on request is made; with `lastCheckAge` alone.")]
        | UnsetType
    ) = UNSET
    attempts: int
    covers_subdomains: Annotated[bool, Meta(description="Whether its key signs mail from the names below it too.")]
    records: tuple[RecordCheck, ...]
    next_key: Annotated[RecordCheck, _NEXT_KEY] | UnsetType = UNSET
    ed25519_keys: Annotated[tuple[RecordCheck, ...], _ED25519_KEYS] | UnsetType = UNSET
    findings: tuple[Finding, ...]
    provider: ProviderSays
    snapshot: Annotated[Snapshot, Meta(description="All that the last check saw, as it was seen.")] | UnsetType = UNSET


class DomainDnsCheck(Out, frozen=True, kw_only=True):
    """The result of a check of DNS that changed nothing."""

    sender: str
    records: tuple[RecordCheck, ...]
    next_key: Annotated[RecordCheck, _NEXT_KEY] | UnsetType = UNSET
    ed25519_keys: Annotated[tuple[RecordCheck, ...], _ED25519_KEYS] | UnsetType = UNSET
    can_start_verification: bool
    checked_at: datetime
    findings: tuple[Finding, ...]


class OldSelector(Out, frozen=True, kw_only=True):
    """A selector that was rotated out and whose record may still be in DNS."""

    selector: str
    host: str
    replaced_at: datetime
    safe_to_remove_at: datetime
    safe_to_remove: bool


class DkimRotation(Out, frozen=True, kw_only=True):
    """The progress of a domain's DKIM key rotation; `selector` is that of the key that signs now."""

    sender: str
    step: Literal["none", "waiting", "seen", "switched", "removable"]
    waits_for: str
    selector: str
    next_selector: str | UnsetType = UNSET
    record: Annotated[VerificationRecord, Meta(description="The new key's record.")] | UnsetType = UNSET
    started_at: datetime | UnsetType = UNSET
    looked_at: datetime | UnsetType = UNSET
    missing_at: Annotated[tuple[str, ...], Meta(description="Servers without the new key.")] | UnsetType = UNSET
    silent: Annotated[tuple[str, ...], Meta(description="Servers that did not answer.")] | UnsetType = UNSET
    switches_at: Annotated[datetime, Meta(description="At the earliest.")] | UnsetType = UNSET
    rotated_at: datetime | UnsetType = UNSET
    old_selectors: tuple[OldSelector, ...]


class ExistingSpf(Out, frozen=True, kw_only=True):
    """The SPF records at the domain itself; `merged` is the one record that replaces several."""

    records: tuple[str, ...] = ()
    merged: str | UnsetType = UNSET


class ExistingAlias(Out, frozen=True, kw_only=True):
    """A CNAME at a name that would be used."""

    host: str
    target: str


class ExistingDmarc(Out, frozen=True, kw_only=True):
    """The DMARC policy in force for the domain, and the name that publishes it."""

    policy: Literal["none", "quarantine", "reject"]
    host: str
    inherited: bool
    record: str


class DomainPreflight(Out, frozen=True, kw_only=True):
    """The state of DNS before a domain is added; nothing was changed.

    `mailFrom` is free; it is absent where no name tried is free. `mailFromTaken` are the names that are in use.
    `wildcard` is what DNS answers for names that nobody published. `silent` names the queries without an answer.
    """

    sender: str
    checked_at: datetime
    zone: str | UnsetType = UNSET
    dns_host: str | UnsetType = UNSET
    nameservers: tuple[str, ...]
    spf: ExistingSpf
    mx: tuple[str, ...]
    cnames: tuple[ExistingAlias, ...]
    dmarc: ExistingDmarc | UnsetType = UNSET
    wildcard: tuple[str, ...]
    dnssec: Literal["signed", "unsigned", "bogus", "unknown"]
    negative_ttl: int | UnsetType = UNSET
    mail_from: str | UnsetType = UNSET
    mail_from_taken: tuple[str, ...]
    silent: tuple[str, ...]


# --- the operator's view of the mail provider ------------------------------------------------------------------


class Apply(In, frozen=True, kw_only=True):
    """Whether to apply the changes; by default they are only reported."""

    apply: bool = False


class DifferenceOut(Out, frozen=True, kw_only=True):
    """One difference between the state at the mail provider and the state in our store."""

    sender: str
    account_id: str | UnsetType = UNSET
    differs: Literal[
        "missing", "foreign", "key-replaced", "mail-from-off", "gave-up", "word-changed", "orphan", "stranger"
    ]
    detail: str
    repair: str
    mended: bool


class ReconciliationOut(Out, frozen=True, kw_only=True):
    """The result of a comparison with the mail provider; `unread` counts unclaimed identities that were not read."""

    held: int
    listed: int
    unread: int
    differences: tuple[DifferenceOut, ...]


class Change(Out, frozen=True, kw_only=True):
    """The present value, and the value after the change."""

    now: str | UnsetType = UNSET
    then: str | UnsetType = UNSET


class AdoptionOut(Out, frozen=True, kw_only=True):
    """The changes that adopting an identity makes."""

    sender: str
    account_id: str
    owner: Change
    selector: Change
    mail_from: Change
    adopted: bool


class Done(Out, frozen=True, kw_only=True):
    """Confirmation that the request was carried out."""

    success: bool


class MessageBody(Out, frozen=True, kw_only=True):
    """A message for a person."""

    message: str


def _text(example: str, description: str) -> Meta:
    """Describe a field that the core parses itself, so that it can answer with its own codes."""
    return Meta(description=description, extra_json_schema={"type": "string", "examples": [example]})


class NewDomain(In, frozen=True, kw_only=True):
    """A request for a sender domain."""

    sender: Annotated[object, _text("acme.dev", "The domain alone, not an address.")]
    selector: Annotated[object, _text("lh1", "A DKIM selector of your own; made for you otherwise.")] = UNSET
    mail_from: Annotated[object, _text("bounce", "The MAIL FROM domain, as a label or a full name.")] = UNSET
    private_key: Annotated[str, Meta(description="An RSA private key of your own (PEM).")] | UnsetType = UNSET
    dkim_mode: Annotated[
        Literal["direct", "delegated"],
        Meta(description="Who publishes the keys: the customer each one, or we, behind two CNAMEs published once."),
    ] = "direct"
    start_verification: bool = True
    accept_short_key: Annotated[
        bool, Meta(description="Takes a privateKey of 1024 to 2047 bits, for one that signs mail already.")
    ] = False
    covers_subdomains: (
        Annotated[
            bool,
            Meta(description="Whether its key signs mail from the names below it too; as the account says otherwise."),
        ]
        | UnsetType
    ) = UNSET


class NewRotation(In, frozen=True, kw_only=True):
    """A request for a key rotation; selector and key are generated where they are absent."""

    selector: Annotated[object, _text("lh2", "A selector never used before for this domain.")] = UNSET
    private_key: Annotated[str, Meta(description="An RSA private key of your own (PEM).")] | UnsetType = UNSET


LabelsWanted = Annotated[
    tuple[str, ...],
    Meta(max_length=MOST_LABELS, description="Only domains with this label, as key:value; repeated: with all of them."),
]


class DomainsQuery(In, frozen=True, kw_only=True):
    """Filters and page of a list of domains."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many, with any parameter; Link leads on.")] = 100
    cursor: Annotated[str, Meta(max_length=400, description="Where to go on, from a Link header.")] | UnsetType = UNSET
    status: Annotated[Status, Meta(description="Only domains with this status.")] | UnsetType = UNSET
    q: Annotated[str, Meta(max_length=253, description="Only domains with this in their name.")] | UnsetType = UNSET
    problem: (
        Annotated[str, Meta(max_length=100, description="Only domains whose last check found this: a finding's code.")]
        | UnsetType
    ) = UNSET
    label: LabelsWanted = ()
    expand: Annotated[Literal["health"], Meta(description="Sums up each domain's last check.")] | UnsetType = UNSET
    refresh: Annotated[bool, Meta(description="Asks the provider before answering.")] = False


class DomainDetailQuery(In, frozen=True, kw_only=True):
    """How to wait for a change of one domain."""

    wait: Annotated[
        int,
        Meta(ge=0, le=60, description="Seconds to wait for a change, since If-None-Match or since the request."),
    ] = 0


# --- API keys and accounts -------------------------------------------------------------------------------------

ShortText = Annotated[str, Meta(min_length=1, max_length=200)]


_Limit = Annotated[int, Meta(ge=0, le=2**53 - 1)] | None


class LimitsIn(In, frozen=True, kw_only=True):
    """Limits of an account to set; null is unlimited, an absent one stays as it is."""

    domains: _Limit | UnsetType = UNSET
    requests_per_month: _Limit | UnsetType = UNSET
    pending_claims: Annotated[
        _Limit | UnsetType, Meta(description="Domains that were never proven; 10,000 where it is null.")
    ] = UNSET


EmailText = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]


class NewAccount(In, frozen=True, kw_only=True):
    """A request for an account."""

    name: ShortText
    email: EmailText
    limits: LimitsIn | UnsetType = UNSET


_COVERS = Meta(
    description="Whether new domains cover the names below them; null: as the installation says. "
    "Domains that are there keep what they have."
)


class AccountChange(In, frozen=True, kw_only=True):
    """Changes to an account; an absent field stays as it is."""

    name: ShortText | UnsetType = UNSET
    email: EmailText | UnsetType = UNSET
    limits: LimitsIn | UnsetType = UNSET
    covers_subdomains: Annotated[bool | UnsetType | None, _COVERS] = UNSET


class OwnAccountChange(In, frozen=True, kw_only=True):
    """Changes that a caller makes to its own account."""

    reminders: (
        Annotated[bool, Meta(description="Whether reminders are mailed to the account's address.")] | UnsetType
    ) = UNSET
    email: (
        Annotated[str, Meta(max_length=254, description="The new address, which counts once it is confirmed.")]
        | UnsetType
    ) = UNSET
    covers_subdomains: Annotated[bool | UnsetType | None, _COVERS] = UNSET


class LimitsOut(Out, frozen=True, kw_only=True):
    """Limits of an account; an absent one is unlimited."""

    domains: int | UnsetType = UNSET
    requests_per_month: int | UnsetType = UNSET
    pending_claims: int | UnsetType = UNSET


class AccountOut(Out, frozen=True, kw_only=True):
    """An account; `key` is its first API key, shown only when the account is created.

    `emailReachable` is false where no mail can reach `email`, as at localhost: then reminders reach nobody.
    `confirmationSentTo` is the new address that a link to confirm it was just mailed to. `coversSubdomains` is absent
    where the installation says whether new domains cover the names below them.
    """

    account_id: str
    name: str
    email: str
    email_reachable: bool
    confirmation_sent_to: str | UnsetType = UNSET
    limits: LimitsOut
    reminders: bool
    covers_subdomains: bool | UnsetType = UNSET
    created_at: datetime
    key: str | UnsetType = UNSET


class Used(Out, frozen=True, kw_only=True):
    """How much of a limit is used; without `allowed` it is unlimited."""

    used: int
    allowed: int | UnsetType = UNSET
    resets_at: datetime | UnsetType = UNSET


class UsageOut(Out, frozen=True, kw_only=True):
    """The usage of the account."""

    domains: Used
    requests_per_month: Used
    pending_claims: Used


class AuditQuery(In, frozen=True, kw_only=True):
    """Filter and page of the audit log."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] = 100
    cursor: Annotated[int, Meta(ge=0, le=2**53 - 1, description="Where to go on, from a Link header.")] | UnsetType = (
        UNSET
    )
    account_id: Annotated[str, Meta(max_length=100, description="Only what this account did.")] | UnsetType = UNSET


class AuditOut(Out, frozen=True, kw_only=True):
    """One entry of the audit log: `actor` is a key's id, `operator` or `worker`; `action` is noun.verb."""

    at: datetime
    actor: str
    account_id: str | UnsetType = UNSET
    action: str
    subject: str
    address: str | UnsetType = UNSET
    tracking_id: str | UnsetType = UNSET
    count: Annotated[int, Meta(description="How many equal entries within an hour it is.")] | UnsetType = UNSET
    last_at: Annotated[datetime, Meta(description="When the last of them was.")] | UnsetType = UNSET


MONTH = "^2[0-9]{3}-(0[1-9]|1[0-2])$"


class AuditMonthQuery(In, frozen=True, kw_only=True):
    """Page of a month of the audit log."""

    month: Annotated[str, Meta(pattern=MONTH, description="A closed month, as in 2026-11.")] = ""
    limit: Annotated[int, Meta(ge=1, le=5000, description="At most so many; Link leads on.")] = 1000
    cursor: Annotated[int, Meta(ge=0, le=2**53 - 1, description="Where to go on, from a Link header.")] = 0


class AuditMonthFile(In, frozen=True, kw_only=True):
    """The file that a month of the audit log was written to."""

    month: Annotated[str, Meta(pattern=MONTH, description="The month, as in 2026-11.")]
    rows: Annotated[int, Meta(ge=1, description="How many lines the file has.")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="Its digest, in hexadecimal digits.")]


class AuditDetached(Out, frozen=True, kw_only=True):
    """How far moving a month out has come: ask again while `hasMore`."""

    month: str
    rows: int
    sha256: str
    deleted: int
    has_more: bool


class RewrapQuery(In, frozen=True, kw_only=True):
    """Page of the secrets to rewrap."""

    after: Annotated[str, Meta(max_length=600, description="Where to go on, from the answer before.")] = ""
    limit: Annotated[int, Meta(ge=1, le=500, description="At most so many.")] = 200


class Rewrapped(Out, frozen=True, kw_only=True):
    """How many secrets were read and rewrapped; without `after` these were the last."""

    looked_at: int
    rewrapped: int
    after: str | UnsetType = UNSET


# --- the service itself ----------------------------------------------------------------------------------------


class Part(Out, frozen=True, kw_only=True):
    """The state of one part of the service."""

    ok: bool
    detail: str


class Readiness(Out, frozen=True, kw_only=True):
    """Whether the service is ready, and the state of its parts."""

    ready: bool
    store: Part
    worker: Part
    resolvers: Part
    disk: Part | UnsetType = UNSET
    relay: Part | UnsetType = UNSET
    proxy: Part | UnsetType = UNSET
