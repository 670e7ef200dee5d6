"""JSON schemas of the findings that an account accepts at one of its domains."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.findings.acceptance import MOST_REASON
from letterhead.web.schemas import In, Out

_Host = Annotated[
    str,
    Meta(
        min_length=1, max_length=253, description="The name that the finding is about; needed where it is at several."
    ),
]


class NewAcceptance(In, frozen=True, kw_only=True):
    """A finding of the last check that is accepted until a day, and why."""

    code: Annotated[str, Meta(min_length=1, max_length=80, extra_json_schema={"examples": ["dmarc.policy-none"]})]
    until: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=40,
            description="A day (its beginning in UTC) or a time, ISO 8601, at most a year ahead.",
            extra_json_schema={"examples": ["2027-03-01"]},
        ),
    ]
    reason: Annotated[str, Meta(min_length=1, max_length=MOST_REASON)]
    host: _Host | UnsetType = UNSET


class WithdrawalQuery(In, frozen=True, kw_only=True):
    """Where the finding is accepted no longer; everywhere, unless a name is given."""

    host: _Host | UnsetType = UNSET


class AcceptedFindingOut(Out, frozen=True, kw_only=True):
    """An accepted finding; `by` is the id of the key by which it was accepted.

    `state`: it counts (`accepted`), is over (`ended`), the last check did not have the finding (`not-found`), or it
    blocks sending by now, so that the acceptance does not count (`blocking`).
    """

    code: str
    record: str | UnsetType = UNSET
    host: str
    title: str
    by: str
    reason: str
    at: datetime
    until: datetime
    state: Literal["accepted", "ended", "not-found", "blocking"]


class AcceptedFindings(Out, frozen=True, kw_only=True):
    """What a domain has accepted, also what ended in the last 30 days."""

    accepted_findings: tuple[AcceptedFindingOut, ...]
