"""JSON schemas of the operator's reading of the domains of all accounts; no private key is in them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.public.representation import PublicDomain, Status
from letterhead.web.schemas import Health, In, LabelsWanted, Out

Condition = Literal["at-risk", "failing", "refused"]
_CONDITION = Meta(
    description="Only domains at risk, only those that have failed for over an hour, or only those that the mail "
    "provider refuses."
)


class AccountCloseQuery(In, frozen=True, kw_only=True):
    """Whether an account is closed with its domains."""

    with_domains: Annotated[
        bool, Meta(description="Deletes its sender domains first; without, an account that has any is refused.")
    ] = False


class BackupMade(In, frozen=True, kw_only=True):
    """A backup that was made of the database, for the audit."""

    rows: Annotated[int, Meta(ge=0, description="How many rows it has.")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="The file's digest, in hexadecimal digits.")]


class NewArchive(In, frozen=True, kw_only=True):
    """To whom the secrets in an account's archive are sealed."""

    recipient: Annotated[
        str, Meta(max_length=100, description="What `letterhead import recipient` prints where it is imported.")
    ]


class DestroyedKeyOut(Out, frozen=True, kw_only=True):
    """A private key that was destroyed, and the SHA-256 of its public key (the octets of `p=`), in hex."""

    sender: str
    selector: str
    key_type: Literal["rsa", "ed25519"]
    public_key_sha256: str


class RemainingDataOut(Out, frozen=True, kw_only=True):
    """What stays of an account, and until when."""

    what: str
    until: str


class ClosureReceiptOut(Out, frozen=True, kw_only=True):
    """What was destroyed with an account: rows by table, private keys; what workers remove outside; what stays."""

    account_id: str
    closed_at: datetime
    closed_by: str
    deleted: dict[str, int]
    keys: list[DestroyedKeyOut]
    identities: Annotated[list[str], Meta(description="Names whose identity the mail provider is told to remove.")]
    key_zone: Annotated[list[str], Meta(description="Names whose keys go from the operator's own zone.")]
    remains: list[RemainingDataOut]


class ClosedAccount(Out, frozen=True, kw_only=True):
    """Confirmation that an account was closed, with the receipt: keep it, it is not stored.

    Where `hasMore`, some of its domains were deleted and it is still open: send the request again, and keep each part.
    """

    success: bool
    has_more: bool
    receipt: ClosureReceiptOut


class AccountDomainOut(PublicDomain, frozen=True, kw_only=True):
    """One sender domain with its account, and what an operator looks for: since when it fails, who refuses it."""

    account_id: str
    account_name: str
    health: Health
    failing_since: datetime | UnsetType = UNSET
    stops_sending_at: datetime | UnsetType = UNSET
    refused: Annotated[str, Meta(description="What the mail provider said to work that is still owed.")] | UnsetType = (
        UNSET
    )


class AccountWorkQuery(In, frozen=True, kw_only=True):
    """The time that is summed up."""

    period: Annotated[Literal["hour", "day"], Meta(description="The last hour, or the last day.")] = "day"


class AccountWorkOut(Out, frozen=True, kw_only=True):
    """What the service did of one kind for an account: how often, for how long, how many octets, and its share.

    `share` is of all accounts, between 0 and 1: of the time where that is known, else of the octets, else of the
    number. Without `accountId` it is all accounts together that were not among those who took most.
    """

    kind: str
    account_id: str | UnsetType = UNSET
    account_name: str | UnsetType = UNSET
    number: int
    milliseconds: int
    octets: int
    share: float


class AllDomainsParameters(In, frozen=True, kw_only=True):
    """Filters and page of the domains of all accounts."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] = 100
    cursor: Annotated[str, Meta(max_length=800, description="Where to go on, from a Link header.")] | UnsetType = UNSET
    account_id: Annotated[str, Meta(max_length=100, description="Only domains of this account.")] | UnsetType = UNSET
    status: Annotated[Status, Meta(description="Only domains with this status.")] | UnsetType = UNSET
    condition: Annotated[Condition, _CONDITION] | UnsetType = UNSET
    label: LabelsWanted = ()
    q: (
        Annotated[str, Meta(max_length=253, description="Only domains with this in their name, or in their account's.")]
        | UnsetType
    ) = UNSET


class IdentitiesQuery(In, frozen=True, kw_only=True):
    """A page of identities."""

    after: Annotated[str, Meta(max_length=4096, description="Where the page begins, from `next`.")] = ""
    limit: Annotated[int, Meta(ge=1, le=20, description="At most so many; each costs a call to the provider.")] = 10


class HeldIdentityOut(Out, frozen=True, kw_only=True):
    """An identity at the mail provider; `accountId` is the account that has proven the name, where one has.

    `isOurs`: it carries the tag of this installation. `isProvidersKey`: it signs with a key that the provider made.
    """

    sender: str
    is_ours: bool
    owner: str | UnsetType = UNSET
    account_id: str | UnsetType = UNSET
    selector: str | UnsetType = UNSET
    is_providers_key: bool
    dkim_said: str
    mail_from: str | UnsetType = UNSET
    mail_from_said: str


class HeldIdentities(Out, frozen=True, kw_only=True):
    """A page of identities; `next` is where the next one begins, absent at the last."""

    identities: tuple[HeldIdentityOut, ...]
    next: str | UnsetType = UNSET
