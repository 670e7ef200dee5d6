"""Endpoints of the findings that an account accepts at one of its domains."""

from collections.abc import Sequence

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import accepted_findings
from letterhead.operations.accepted_findings import AcceptanceRequest, AcceptedView
from letterhead.web import schemas_acceptance as schemas
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import given, json_response


async def accept_finding(context: RequestContext) -> Response:
    """Accepts a finding of the last check until a day, at most a year ahead: no mail and no problem in lists till then.

    It counts for this code at this name alone, never for what blocks sending, and ends by itself. Again for the same
    finding, it takes the place of the one before. Answers with all that the domain has accepted.
    """
    asked = await context.body(schemas.NewAcceptance)
    host = asked.host if isinstance(asked.host, str) else None
    request = AcceptanceRequest(code=asked.code, until=asked.until, reason=asked.reason, host=host)
    accepted = await accepted_findings.accept_finding(
        context.deps, context.account_id, context.part("sender"), request, context.actor
    )
    return json_response(_public(accepted))


async def list_accepted(context: RequestContext) -> Response:
    """Lists what the domain has accepted, by whom and why, also what ended in the last 30 days."""
    return json_response(
        _public(await accepted_findings.list_accepted(context.deps, context.account_id, context.part("sender")))
    )


async def withdraw_acceptance(context: RequestContext) -> Response:
    """Withdraws the acceptance of a finding: it counts again at once."""
    host = context.query(schemas.WithdrawalQuery).host
    await accepted_findings.withdraw_acceptance(
        context.deps,
        context.account_id,
        context.part("sender"),
        context.part("code"),
        host if isinstance(host, str) else None,
        context.actor,
    )
    return Response(status_code=204)


def _public(views: Sequence[AcceptedView]) -> schemas.AcceptedFindings:
    """Return what is accepted as the API shows it."""
    return schemas.AcceptedFindings(
        accepted_findings=tuple(
            schemas.AcceptedFindingOut(
                code=each.accepted.code,
                record=given(each.accepted.record),
                host=each.accepted.host,
                title=each.title,
                by=each.accepted.acceptance.by,
                reason=each.accepted.acceptance.reason,
                at=each.accepted.acceptance.at,
                until=each.accepted.acceptance.until,
                state=each.state.value,
            )
            for each in views
        )
    )


TOPIC, PATH = "Sender domains", "/domains/{sender}/accepted-findings"

ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, serve=accept_finding, access=Access.WRITE, topic=TOPIC,
        answer=schemas.AcceptedFindings, body=schemas.NewAcceptance,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.FINDING_BLOCKING, Kind.CONFLICT),
    ),
    Endpoint(
        method="GET", path=PATH, serve=list_accepted, access=Access.READ, topic=TOPIC,
        answer=schemas.AcceptedFindings, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="DELETE", path=f"{PATH}/{{code}}", serve=withdraw_acceptance, access=Access.WRITE, topic=TOPIC,
        query=schemas.WithdrawalQuery, statuses=(204,), faults=(Kind.NOT_FOUND, Kind.CONFLICT), free=True,
    ),
)  # fmt: skip
