"""JSON schemas of what is written in a domain's zone at its DNS host."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from letterhead.web.schemas import In, Out, RecordName

_FIELDS = Meta(
    description="The fields that `GET /dns-hosts` names for the host. Kept nowhere but by `POST /dns-credentials`.",
    max_length=12,
)
CredentialFields = Annotated[dict[str, str], _FIELDS]
PutBack = Annotated[
    bool,
    Meta(description="Whether records of ours that vanish from the zone are put back, each once a day, with an event."),
]
CredentialId = Annotated[str, Meta(max_length=80, description="Of `GET /dns-credentials`.")]


class NewDnsPlan(In, frozen=True, kw_only=True):
    """How the zone is reached: the DNS host, by its id in `GET /dns-hosts`, and a credential of its API.

    Or `credentialId` alone: a credential that the account keeps for the zone.
    """

    host: Annotated[str, Meta(max_length=40)] = ""
    credential: CredentialFields = field(default_factory=dict)
    credential_id: CredentialId = ""


class DnsPlanAccess(In, frozen=True, kw_only=True):
    """A credential of the plan's DNS host, or the id of one that the account keeps for the zone."""

    host: Annotated[str, Meta(max_length=40, description="Only that of the plan.")] = ""
    credential: CredentialFields = field(default_factory=dict)
    credential_id: CredentialId = ""


class NewDnsCredential(In, frozen=True, kw_only=True):
    """A credential to keep for the zone that a domain of the account lies in."""

    sender: Annotated[str, Meta(min_length=1, max_length=253)]
    host: Annotated[str, Meta(min_length=1, max_length=40)]
    credential: CredentialFields
    put_back: PutBack = False


class DnsCredentialChange(In, frozen=True, kw_only=True):
    """What to change of a kept credential."""

    put_back: PutBack


class DnsCredentialOut(Out, frozen=True, kw_only=True):
    """A kept credential; its values are in no answer.

    `refusedAt` is since when the DNS host does not take it, `refusedCode` the host's own code: it is not used by itself
    any more until another one is kept.
    """

    id: str
    zone: str
    host: str
    fields: tuple[str, ...]
    created_at: datetime
    put_back: PutBack
    used_at: datetime | UnsetType = UNSET
    refused_at: datetime | UnsetType = UNSET
    refused_code: str | UnsetType = UNSET


class DnsCredentials(Out, frozen=True, kw_only=True):
    """The credentials that the account keeps, by zone."""

    dns_credentials: tuple[DnsCredentialOut, ...]


class CredentialFieldOut(Out, frozen=True, kw_only=True):
    """One field of a credential."""

    name: str
    title: str
    secret: bool
    optional: bool


class DnsHostOut(Out, frozen=True, kw_only=True):
    """A DNS host at which zones can be written; `scope` is the least that its credential must allow."""

    id: str
    name: str
    fields: tuple[CredentialFieldOut, ...]
    scope: str
    source: str


class DnsHosts(Out, frozen=True, kw_only=True):
    """The DNS hosts at which zones can be written, by name."""

    dns_hosts: tuple[DnsHostOut, ...]


class RecordSet(Out, frozen=True, kw_only=True):
    """All records of one name and type, as the forms of DNS hosts show them."""

    ttl: int
    values: tuple[str, ...]


class DnsChange(Out, frozen=True, kw_only=True):
    """One planned record: what stands at its name and type, what will stand there, and why.

    `code` is that of the finding for which it is refused (`docs/findings/`), `fix` what to do then.
    """

    id: RecordName | Literal["dkim_next", "dkim_ed25519", "dkim_ed25519_next"]
    label: str
    host: str
    record_type: Literal["TXT", "MX", "CNAME"]
    action: Literal["create", "change", "keep", "refuse", "delete"]
    before: RecordSet | UnsetType = UNSET
    after: RecordSet | UnsetType = UNSET
    reason: str
    code: str | UnsetType = UNSET
    fix: str | UnsetType = UNSET


class DnsPlanOut(Out, frozen=True, kw_only=True):
    """A plan of what to write in a zone, and how far that has come.

    `applying` or `undoing` after `changedAt` is long ago: the process was killed, and the zone shows what was written;
    apply or undo again. `written`: the DNS host has it, and the nameservers in `missingAt` do not answer with it yet.
    `undone` is what an undo did with each record.
    """

    id: str
    sender: str
    host: str
    zone: str
    state: Literal["planned", "refused", "applying", "written", "served", "undoing", "undone", "failed"]
    created_at: datetime
    changed_at: datetime
    changes: tuple[DnsChange, ...]
    said: str | UnsetType = UNSET
    missing_at: tuple[str, ...] | UnsetType = UNSET
    undone: tuple[DnsChange, ...] | UnsetType = UNSET


class DnsPlans(Out, frozen=True, kw_only=True):
    """A domain's plans, the newest first."""

    dns_plans: tuple[DnsPlanOut, ...]
