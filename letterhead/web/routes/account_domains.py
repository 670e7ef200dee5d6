"""The operator's endpoints for the domains of all accounts; they only read, and no private key is in what they show."""

import base64
import binascii
from collections.abc import Mapping

from starlette.responses import Response

from letterhead.core.domain.domain import failing_since
from letterhead.core.domain.profile import parse_labels
from letterhead.core.public import representation
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, overview
from letterhead.operations.domains import plan_of
from letterhead.operations.health import FAILING_FOR
from letterhead.ports.store.domains import CheckResult
from letterhead.ports.store.monitoring import AccountDomain, AllDomainsQuery, DomainCondition
from letterhead.web import schemas, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.schemas_operator import AccountDomainOut, AllDomainsParameters
from letterhead.web.serialize import json_response

TOPIC = "Accounts (operator)"


async def list_domains_of_accounts(context: RequestContext) -> Response:
    """Lists the domains of all accounts, or of one, by account and name; changes nothing.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one. `accountId` shows one account's; its audit
    then says that the operator read its list.
    """
    query = context.query(AllDomainsParameters)
    account_id = query.account_id or None
    if account_id is not None:
        await accounts.find_account(context.deps, account_id)
    page = AllDomainsQuery(
        limit=query.limit,
        failing_before=context.deps.now() - FAILING_FOR,
        after=_parse_cursor(query.cursor) if query.cursor else ("", ""),
        account_id=account_id,
        status=query.status or None,
        condition=DomainCondition(query.condition) if query.condition else None,
        contains=query.q.lower() if query.q else None,
        labels=parse_labels(query.label),
    )
    found = await overview.list_all_domains(context.deps, page, context.actor)
    headers = {}
    if found.last is not None:
        kept = {name: getattr(query, name) or None for name in ("status", "condition", "q")}
        headers = context.link_to_next(
            limit=query.limit, cursor=_cursor(found.last), accountId=account_id, label=page.labels, **kept
        )
    return json_response([_serialize(context, each, found.checkups) for each in found.listed], headers)


def _serialize(context: RequestContext, each: AccountDomain, checks: Mapping[str, CheckResult]) -> AccountDomainOut:
    domain = each.domain
    return AccountDomainOut(
        **representation.domain_fields(domain, plan_of(context.deps, domain)),
        account_id=domain.account_id,
        account_name=each.account_name,
        health=serialize.health(domain, checks.get(domain.id), context.deps.now()),
        failing_since=serialize.given(failing_since(domain)),
        stops_sending_at=serialize.given(domain.dkim.stops_sending_at),
        refused=serialize.given(each.refusal),
    )


def _cursor(last: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode("/".join(last).encode()).decode()


def _parse_cursor(cursor: str) -> tuple[str, str]:
    try:
        account_id, _, sender = (
            base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode("ascii").rpartition("/")
        )
    except (binascii.Error, ValueError) as bad:
        raise Fault(
            Kind.PARAMETER_INVALID,
            "The query parameter 'cursor' is none that we gave out.",
            "Take it from a Link header, or leave it away to begin at the first page.",
        ) from bad
    return account_id, sender


async def show_domain_of_account(context: RequestContext) -> Response:
    """Shows one domain of an account as the account sees it, without private keys; the account's audit says so."""
    view = await overview.show_domain_of(context.deps, context.part("accountId"), context.part("sender"), context.actor)
    return json_response(serialize.detail(context.deps, view, None))


ENDPOINTS = (
    Endpoint(
        method="GET", path="/accounts/domains", serve=list_domains_of_accounts, access=Access.OPERATOR, topic=TOPIC,
        answer=list[AccountDomainOut], query=AllDomainsParameters,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.LABEL_INVALID),
    ),
    Endpoint(
        method="GET", path="/accounts/{accountId}/domains/{sender}", serve=show_domain_of_account,
        access=Access.OPERATOR, topic=TOPIC, answer=schemas.DomainDetail, faults=(Kind.NOT_FOUND,),
    ),
)  # fmt: skip
