"""JSON schemas of the operator's reading of the domains of all accounts; no private key is in them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.public.representation import PublicDomain, Status
from letterhead.web.schemas import Health, In

Condition = Literal["at-risk", "failing", "refused"]
_CONDITION = Meta(
    description="Only domains at risk, only those that have failed for over an hour, or only those that the mail "
    "provider refuses."
)


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


class AllDomainsParameters(In, frozen=True, kw_only=True):
    """Filters and page of the domains of all accounts."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] = 100
    cursor: Annotated[str, Meta(max_length=800, description="Where to go on, from a Link header.")] | UnsetType = UNSET
    account_id: Annotated[str, Meta(max_length=100, description="Only domains of this account.")] | UnsetType = UNSET
    status: Annotated[Status, Meta(description="Only domains with this status.")] | UnsetType = UNSET
    condition: Annotated[Condition, _CONDITION] | UnsetType = UNSET
    q: (
        Annotated[str, Meta(max_length=253, description="Only domains with this in their name, or in their account's.")]
        | UnsetType
    ) = UNSET
