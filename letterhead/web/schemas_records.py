"""JSON schemas of exports of records, and of many domains in one request."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.plan.record_formats import FORMATS
from letterhead.operations.bulk import MOST
from letterhead.web.errors import ErrorBody
from letterhead.web.schemas import DomainDetail, In, NewDomain, Out, SenderDomain


class RecordsQuery(In, frozen=True, kw_only=True):
    """The form of an export."""

    # A text: the operation names the formats that there are where somebody asks for another one.
    format: Annotated[
        str, Meta(description="The tool that reads the records.", extra_json_schema={"enum": list(FORMATS)})
    ] = "json"


class AllRecordsQuery(RecordsQuery, frozen=True, kw_only=True):
    """The form of an export of all domains, or of those in one zone."""

    zone: Annotated[str, Meta(max_length=253, description="Only the records of this zone.")] | UnsetType = UNSET


class ExportedRecord(Out, frozen=True, kw_only=True):
    """One record to publish; `recordName` is relative to the zone, and `@` at its top."""

    host: str
    record_name: str
    record_type: Literal["TXT", "MX", "CNAME"]
    record_value: str
    ttl: int
    priority: int | UnsetType = UNSET


class ExportedZone(Out, frozen=True, kw_only=True):
    """The records of one zone; `notes` say what was left out, and why."""

    zone: str
    records: tuple[ExportedRecord, ...]
    notes: tuple[str, ...]


class ExportedRecords(Out, frozen=True, kw_only=True):
    """An export in the format json."""

    zones: tuple[ExportedZone, ...]


class DomainOfMany(NewDomain, frozen=True, kw_only=True):
    """One of many sender domains; a name that can't be added fails by itself."""

    sender: Annotated[object, Meta(description="The domain alone, not an address: acme.dev")]
    selector: Annotated[object, Meta(description="A DKIM selector of your own; made for you otherwise.")] = UNSET
    mail_from: Annotated[object, Meta(description="The MAIL FROM domain, as a label or a full name.")] = UNSET


class NewDomains(In, frozen=True, kw_only=True):
    """A request for many sender domains."""

    domains: Annotated[tuple[DomainOfMany, ...], Meta(min_length=1, max_length=MOST)]


class AddResult(Out, frozen=True, kw_only=True):
    """What came of one domain: with `error` where it failed, else with the domain and its records to publish."""

    sender: str
    result: Literal["added", "exists", "failed"]
    domain: SenderDomain | UnsetType = UNSET
    error: ErrorBody | UnsetType = UNSET


class AddedDomains(Out, frozen=True, kw_only=True):
    """The result of each domain, in the order of the request."""

    results: tuple[AddResult, ...]


class DomainNames(In, frozen=True, kw_only=True):
    """Names of sender domains of the account."""

    domains: Annotated[tuple[Annotated[str, Meta(max_length=1000)], ...], Meta(min_length=1, max_length=MOST)]


class CheckOfOne(Out, frozen=True, kw_only=True):
    """What came of one domain: with `error` where it failed, else the domain after the check, without its snapshot."""

    sender: str
    result: Literal["checked", "failed"]
    domain: DomainDetail | UnsetType = UNSET
    error: ErrorBody | UnsetType = UNSET


class CheckedDomains(Out, frozen=True, kw_only=True):
    """The result of each domain, in the order of the request."""

    results: tuple[CheckOfOne, ...]
