"""Endpoints of the records to publish, as files for the tools that write DNS."""

from starlette.responses import Response

from letterhead.core.plan.record_formats import FORMATS
from letterhead.errors import Kind
from letterhead.operations import record_exports
from letterhead.operations.record_exports import WrittenRecords
from letterhead.web import schemas_records
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import JSON

TOPIC = "Records as code"


async def export_domain_records(context: RequestContext) -> Response:
    """Writes the records that one sender domain needs in the form that a DNS tool reads.

    A record that works and is the owner's own, such as a DMARC policy, is left out, and a comment says so.
    """
    query = context.query(schemas_records.RecordsQuery)
    return _response(
        await record_exports.export_domain(context.deps, context.account_id, context.part("sender"), query.format)
    )


async def export_records(context: RequestContext) -> Response:
    """Writes the records of all sender domains of the account, by zone, in the form that a DNS tool reads.

    `zone` picks one zone: octoDNS and BIND read a file for each. An account has at most 5000 domains in one export.
    """
    query = context.query(schemas_records.AllRecordsQuery)
    await context.take_place(context.state.long_answers)
    return _response(
        await record_exports.export_all(context.deps, context.account_id, query.format, query.zone or None)
    )


def _response(written: WrittenRecords) -> Response:
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
    # With the charset by hand: Starlette adds it to text alone, and the texts are ASCII.
    return Response(written.text.encode("ascii"), headers=headers | {"Content-Type": written.format.media_type})


TEXTS = tuple(sorted({each.media_type for each in FORMATS.values()} - {JSON}))
FAULTS = (Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT)

ENDPOINTS = (
    Endpoint(
        method="GET", path="/domains/{sender}/records", serve=export_domain_records, access=Access.READ, topic=TOPIC,
        answer=schemas_records.ExportedRecords, query=schemas_records.RecordsQuery, faults=FAULTS, text_types=TEXTS,
    ),
    Endpoint(
        method="GET", path="/domains/records", serve=export_records, access=Access.READ, for_bound=True, topic=TOPIC,
        answer=schemas_records.ExportedRecords, query=schemas_records.AllRecordsQuery, faults=FAULTS, text_types=TEXTS,
    ),
)  # fmt: skip
