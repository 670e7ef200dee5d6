"""Schemas of the API: the JSON that goes out and comes in, to the letter of the contract.

An optional field that has no value is absent, never null.
"""
# Long because it is the one list of all shapes: fields, no code.

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from letterhead.core.dns.answers import Snapshot
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.public.representation import PublicDomain, Status, VerificationRecord

RecordName = Literal["dkim", "mail_from_spf", "mail_from_mx", "dmarc"]


class Out(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A schema of a response."""


class In(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A schema of a request: an unknown field is refused by its name."""


# --- domains ---------------------------------------------------------------------------------------------------


class Health(Out, frozen=True, kw_only=True):
    """Sums up the last check of a domain."""

    can_send: bool
    checked_at: datetime | UnsetType = UNSET
    blocking: int
    warnings: int
    tips: int
    inconclusive: int
    codes: tuple[str, ...]


class SenderDomain(PublicDomain, frozen=True, kw_only=True):
    """Tells of one sender domain of the account."""

    private_dkim_key: str | UnsetType = msgspec.field(default=UNSET, name="privateDKIMKey")
    private_ed25519_key: (
        Annotated[str, Meta(description="Base64 of the PKCS#8 DER, while DNS serves its record everywhere.")]
        | UnsetType
    ) = UNSET
    health: Health | UnsetType = UNSET


class RecordCheck(Out, frozen=True, kw_only=True):
    """Says how one planned record stands, as the newer clients read it; `verdict` and `perspectives` are ours."""

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
    """Tells the provider's own last word on the domain, beside ours.

    `dkim` and `mailFrom` are neutral words, `dkimSaid` and `mailFromSaid` its own to the letter; `checkedAt` is when it
    says that it last looked at DNS, `seenAt` when we asked it.
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


class DomainDetail(SenderDomain, frozen=True, kw_only=True):
    """Tells all of one sender domain: beside the list's fields each record's verdict, the findings, what comes next."""

    unicode: str
    mail_from: str | UnsetType = UNSET
    zone: str | UnsetType = UNSET
    can_send: bool
    stops_sending_at: datetime | UnsetType = UNSET
    verified_at: datetime | UnsetType = UNSET
    checked_at: datetime | UnsetType = UNSET
    next_check_at: datetime | UnsetType = UNSET
    check_reason: str | UnsetType = UNSET
    attempts: int
    records: tuple[RecordCheck, ...]
    next_key: Annotated[RecordCheck, _NEXT_KEY] | UnsetType = UNSET
    ed25519_keys: Annotated[tuple[RecordCheck, ...], _ED25519_KEYS] | UnsetType = UNSET
    findings: tuple[Finding, ...]
    provider: ProviderSays
    snapshot: Annotated[Snapshot, Meta(description="All that the last check saw, as it was seen.")] | UnsetType = UNSET


class DomainDnsCheck(Out, frozen=True, kw_only=True):
    """Tells what a look at DNS found that changed nothing."""

    sender: str
    records: tuple[RecordCheck, ...]
    next_key: Annotated[RecordCheck, _NEXT_KEY] | UnsetType = UNSET
    ed25519_keys: Annotated[tuple[RecordCheck, ...], _ED25519_KEYS] | UnsetType = UNSET
    can_start_verification: bool
    checked_at: datetime
    findings: tuple[Finding, ...]


class OldSelector(Out, frozen=True, kw_only=True):
    """Tells of a selector that was rotated out and whose record may still be in DNS."""

    selector: str
    host: str
    replaced_at: datetime
    safe_to_remove_at: datetime
    safe_to_remove: bool


class DkimRotation(Out, frozen=True, kw_only=True):
    """Tells how far a domain's change of DKIM keys is; `selector` is that of the key that signs now."""

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
    """Tells the SPF records at the domain itself; `merged` is the one to put in the place of several."""

    records: tuple[str, ...] = ()
    merged: str | UnsetType = UNSET


class ExistingAlias(Out, frozen=True, kw_only=True):
    """Tells a CNAME at a name that would be used."""

    host: str
    target: str


class ExistingDmarc(Out, frozen=True, kw_only=True):
    """Tells the DMARC policy in force for the domain, and from which name it comes."""

    policy: Literal["none", "quarantine", "reject"]
    host: str
    inherited: bool
    record: str


class DomainPreflight(Out, frozen=True, kw_only=True):
    """Tells what is in DNS before anything is added; nothing was changed.

    `mailFrom` collides with nothing; it is absent where no name tried is free. `mailFromTaken` are the names that are
    not. `wildcard` is what any name answers that nobody published. `silent` names what could not be asked.
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
    """Says whether to do it; without, it is only said what would be done."""

    apply: bool = False


class DifferenceOut(Out, frozen=True, kw_only=True):
    """Tells one difference between what the mail provider holds and what we hold."""

    sender: str
    account_id: str | UnsetType = UNSET
    differs: Literal[
        "missing", "foreign", "key-replaced", "mail-from-off", "gave-up", "word-changed", "orphan", "stranger"
    ]
    detail: str
    repair: str
    mended: bool


class ReconciliationOut(Out, frozen=True, kw_only=True):
    """Tells what a comparison found; `unread` counts identities that no domain claims and nobody looked at."""

    held: int
    listed: int
    unread: int
    differences: tuple[DifferenceOut, ...]


class Change(Out, frozen=True, kw_only=True):
    """Says what is there, and what would be there then."""

    now: str | UnsetType = UNSET
    then: str | UnsetType = UNSET


class AdoptionOut(Out, frozen=True, kw_only=True):
    """Tells what adopting an identity changes."""

    sender: str
    account_id: str
    owner: Change
    selector: Change
    mail_from: Change
    adopted: bool


class Done(Out, frozen=True, kw_only=True):
    """Says that it is done."""

    success: bool


class MessageBody(Out, frozen=True, kw_only=True):
    """Says something to a person."""

    message: str


def _text(example: str, description: str) -> Meta:
    """Describes a field that the core parses itself, so that it can answer with its own codes."""
    return Meta(description=description, extra_json_schema={"type": "string", "examples": [example]})


class NewDomain(In, frozen=True, kw_only=True):
    """Asks for a sender domain."""

    sender: Annotated[object, _text("acme.dev", "The domain alone, not an address.")]
    selector: Annotated[object, _text("lh1", "A DKIM selector of your own; made for you otherwise.")] = UNSET
    mail_from: Annotated[object, _text("bounce", "The MAIL FROM domain, as a label or a full name.")] = UNSET
    private_key: Annotated[str, Meta(description="An RSA private key of your own (PEM).")] | UnsetType = UNSET
    dkim_mode: Annotated[
        Literal["direct", "delegated"],
        Meta(description="Who publishes the keys: the customer each one, or we, behind two CNAMEs published once."),
    ] = "direct"
    start_verification: bool = True


class NewRotation(In, frozen=True, kw_only=True):
    """Says what the new key shall be, where it is not to be made for you."""

    selector: Annotated[object, _text("lh2", "A selector never used before for this domain.")] = UNSET
    private_key: Annotated[str, Meta(description="An RSA private key of your own (PEM).")] | UnsetType = UNSET


class DomainsQuery(In, frozen=True, kw_only=True):
    """Says which domains are wanted, and how much of them."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] | UnsetType = UNSET
    cursor: Annotated[str, Meta(max_length=400, description="Where to go on, from a Link header.")] | UnsetType = UNSET
    status: Annotated[Status, Meta(description="Only domains with this status.")] | UnsetType = UNSET
    q: Annotated[str, Meta(max_length=253, description="Only domains with this in their name.")] | UnsetType = UNSET
    problem: (
        Annotated[str, Meta(max_length=100, description="Only domains whose last check found this: a finding's code.")]
        | UnsetType
    ) = UNSET
    expand: Annotated[Literal["health"], Meta(description="Sums up each domain's last check.")] | UnsetType = UNSET
    refresh: Annotated[bool, Meta(description="Asks the provider before answering.")] = False


# --- API keys and accounts -------------------------------------------------------------------------------------

ShortText = Annotated[str, Meta(min_length=1, max_length=200)]


class NewKey(In, frozen=True, kw_only=True):
    """Asks for an API key."""

    key_type: Literal["secret", "public"]
    name: ShortText
    environment_id: ShortText | UnsetType = UNSET
    scope: (
        Annotated[
            Literal["full", "write", "read"],
            Meta(description="full for a secret key, read for a public one, unless said"),
        ]
        | UnsetType
    ) = UNSET


class MadeKey(Out, frozen=True, kw_only=True):
    """Tells a new API key, this once."""

    id: str
    key: str
    key_type: Literal["secret", "public"]
    environment_id: str | UnsetType = UNSET
    name: str
    created_at: datetime
    scope: Literal["full", "write", "read"]


class Key(Out, frozen=True, kw_only=True):
    """Tells of an API key; `key` is masked."""

    id: str
    key: str
    key_type: Literal["secret", "public"]
    environment_id: str | UnsetType = UNSET
    account_id: str
    name: str
    revoked: bool
    created_at: datetime
    last_used_at: datetime | UnsetType = UNSET
    scope: Literal["full", "write", "read"]
    ends_at: datetime | UnsetType = UNSET


class Keys(Out, frozen=True, kw_only=True):
    """Lists API keys."""

    keys: tuple[Key, ...]


class EndKeyQuery(In, frozen=True, kw_only=True):
    """Says when a key ends; at once otherwise."""

    ends_in_days: Annotated[int, Meta(ge=0, le=7, description="Lets the key live on for so many days.")] = 0


_Limit = Annotated[int, Meta(ge=0, le=2**53 - 1)] | None


class LimitsIn(In, frozen=True, kw_only=True):
    """Says what an account may use; null is unlimited, an absent one stays as it is."""

    domains: _Limit | UnsetType = UNSET
    requests_per_month: _Limit | UnsetType = UNSET
    pending_claims: Annotated[
        _Limit | UnsetType, Meta(description="Domains that were never proven; 10,000 where it is null.")
    ] = UNSET


EmailText = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]


class NewAccount(In, frozen=True, kw_only=True):
    """Asks for an account."""

    name: ShortText
    email: EmailText
    limits: LimitsIn | UnsetType = UNSET


class AccountChange(In, frozen=True, kw_only=True):
    """Says what of an account is to change."""

    name: ShortText | UnsetType = UNSET
    email: EmailText | UnsetType = UNSET
    limits: LimitsIn | UnsetType = UNSET


class OwnAccountChange(In, frozen=True, kw_only=True):
    """Says what a caller changes of its own account."""

    reminders: Annotated[bool, Meta(description="Whether reminders are mailed to the account's address.")]


class LimitsOut(Out, frozen=True, kw_only=True):
    """Tells what an account may use; an absent one is unlimited."""

    domains: int | UnsetType = UNSET
    requests_per_month: int | UnsetType = UNSET
    pending_claims: int | UnsetType = UNSET


class AccountOut(Out, frozen=True, kw_only=True):
    """Tells of an account; `key` is its first API key, told this once."""

    account_id: str
    name: str
    email: str
    limits: LimitsOut
    reminders: bool
    created_at: datetime
    key: str | UnsetType = UNSET


class Used(Out, frozen=True, kw_only=True):
    """Tells how much of a limit is used; without `allowed` it is unlimited."""

    used: int
    allowed: int | UnsetType = UNSET
    resets_at: datetime | UnsetType = UNSET


class UsageOut(Out, frozen=True, kw_only=True):
    """Tells what the account uses."""

    domains: Used
    requests_per_month: Used
    pending_claims: Used


class AuditQuery(In, frozen=True, kw_only=True):
    """Says which page of the audit is wanted."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] = 100
    cursor: Annotated[int, Meta(ge=0, le=2**53 - 1, description="Where to go on, from a Link header.")] | UnsetType = (
        UNSET
    )
    account_id: Annotated[str, Meta(max_length=100, description="Only what this account did.")] | UnsetType = UNSET


class AuditOut(Out, frozen=True, kw_only=True):
    """Tells who did what: `actor` is a key's id, `operator` or `worker`; `action` is noun.verb."""

    at: datetime
    actor: str
    account_id: str | UnsetType = UNSET
    action: str
    subject: str
    address: str | UnsetType = UNSET
    tracking_id: str | UnsetType = UNSET


class RewrapQuery(In, frozen=True, kw_only=True):
    """Says how far the secrets were wrapped anew."""

    after: Annotated[str, Meta(max_length=600, description="Where to go on, from the answer before.")] = ""
    limit: Annotated[int, Meta(ge=1, le=500, description="At most so many.")] = 200


class Rewrapped(Out, frozen=True, kw_only=True):
    """Tells how many secrets were looked at and wrapped anew; without `after` these were the last."""

    looked_at: int
    rewrapped: int
    after: str | UnsetType = UNSET


# --- the service itself ----------------------------------------------------------------------------------------


class Part(Out, frozen=True, kw_only=True):
    """Says how one part of the service is."""

    ok: bool
    detail: str


class Readiness(Out, frozen=True, kw_only=True):
    """Says whether the service can do its work, and how its parts are."""

    ready: bool
    store: Part
    worker: Part
    resolvers: Part
