"""JSON schemas of who may send from a name, by a claim to it or to a name above it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from letterhead.core.domain.cover_notes import NOTES
from letterhead.core.domain.subdomain_cover import RULES
from letterhead.web.schemas import In, Out


class CanSendQuery(In, frozen=True, kw_only=True):
    """What mail is to be sent from."""

    # With a default, so that a request without it gets the answer that an empty name gets.
    sent_from: Annotated[str, Meta(max_length=2000, description="A domain, an address, or a whole From field.")] = (
        msgspec.field(default="", name="from")
    )
    dns: Annotated[
        bool,
        Meta(description="Whether to ask DNS for the DMARC policy of a covered name; without it `dmarc` is absent."),
    ] = True


class SignatureOut(Out, frozen=True, kw_only=True):
    """The signature that mail from the name gets: its domain (d=) and selector (s=)."""

    domain: str
    selector: str


class CoverNoteOut(Out, frozen=True, kw_only=True):
    """Something to know of the DMARC policy; with a warning mail may fail by it."""

    code: Annotated[str, Meta(extra_json_schema={"enum": [each.code for each in NOTES]})]
    severity: Literal["warning", "tip"]
    text: str


class CoverDmarcOut(Out, frozen=True, kw_only=True):
    """The DMARC policy for a covered name; `host` is where its record stands, absent where none applies.

    `aligned` says whether the signature of the covering domain is; it is absent where DNS did not answer.
    """

    policy: Annotated[str, Meta(extra_json_schema={"enum": ["none", "quarantine", "reject"]})]
    host: str | UnsetType = UNSET
    aligned: bool | UnsetType = UNSET
    notes: tuple[CoverNoteOut, ...]


class CanSendOut(Out, frozen=True, kw_only=True):
    """Whether mail may be sent from a name, why, and what to do where it may not.

    `coveredBy` is the domain of the account whose key signs for the name below it.
    """

    name: str
    can_send: bool
    reason: Annotated[str, Meta(extra_json_schema={"enum": [each.code for each in RULES]})]
    detail: str
    fix: str | UnsetType = UNSET
    covered_by: str | UnsetType = UNSET
    taken_out: Annotated[str, Meta(description="The name that is out of the cover, with all below it.")] | UnsetType = (
        UNSET
    )
    signature: SignatureOut | UnsetType = UNSET
    dmarc: CoverDmarcOut | UnsetType = UNSET
    checked_at: datetime


class CoversQuery(In, frozen=True, kw_only=True):
    """A page of the covering domains."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many; Link leads on.")] = 100
    cursor: Annotated[str, Meta(max_length=253, description="Where to go on, from a Link header.")] | UnsetType = UNSET


class CoveringDomainOut(Out, frozen=True, kw_only=True):
    """A verified domain whose key signs for the names below it, except those at and below the names in `takenOut`.

    Where more names are taken out than are listed, `whole` is false: ask GET /can-send for each name.
    """

    sender: str
    taken_out: tuple[str, ...]
    whole: bool
