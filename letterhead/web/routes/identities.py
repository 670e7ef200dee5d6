"""The operator's endpoints for the mail provider's identities."""

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import reconcile
from letterhead.web import schemas, schemas_operator, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response

TOPIC = "Identities (operator)"
PROVIDER = (Kind.PROVIDER_FAILED, Kind.PROVIDER_THROTTLED, Kind.PROVIDER_REFUSED)


async def compare(context: RequestContext) -> Response:
    """Compares what the mail provider holds with all domains, and with `apply` mends what differs."""
    asked = await context.body(schemas.Apply)
    found = await reconcile.reconcile(context.deps, context.actor, apply=asked.apply)
    differences = tuple(
        schemas.DifferenceOut(
            sender=each.sender,
            account_id=serialize.given(each.account_id),
            differs=each.differs.value,
            detail=each.detail,
            repair=each.repair,
            mended=each.mended,
        )
        for each in found.differences
    )
    return json_response(
        schemas.ReconciliationOut(held=found.held, listed=found.listed, unread=found.unread, differences=differences)
    )


async def list_held(context: RequestContext) -> Response:
    """Lists what the mail provider holds, whoever made it, in the provider's order; `next` leads on.

    Each identity costs a call to the provider, so a page is short. A page without identities may have a `next`.
    """
    query = context.query(schemas_operator.IdentitiesQuery)
    found, following = await reconcile.list_held(context.deps, query.after, query.limit)
    identities = tuple(
        schemas_operator.HeldIdentityOut(
            sender=each.sender,
            is_ours=each.is_ours,
            owner=serialize.given(each.holding.owner),
            account_id=serialize.given(each.holder.account_id if each.holder else None),
            selector=serialize.given(each.holding.selector),
            is_providers_key=each.holding.is_providers_key,
            dkim_said=each.holding.said,
            mail_from=serialize.given(each.holding.mail_from),
            mail_from_said=each.holding.mail_from_said,
        )
        for each in found
    )
    return json_response(schemas_operator.HeldIdentities(identities=identities, next=serialize.given(following)))


async def adopt(context: RequestContext) -> Response:
    """Shows what would change at an identity that is not ours, and with `apply` makes it ours.

    Only for a domain whose DKIM record proves it: the provider then signs its mail with the domain's own key.
    """
    asked = await context.body(schemas.Apply)
    done = await reconcile.adopt(context.deps, context.actor, context.part("sender"), apply=asked.apply)
    there = done.holding
    return json_response(
        schemas.AdoptionOut(
            sender=done.sender,
            account_id=done.account_id,
            owner=schemas.Change(now=serialize.given(there.owner), then=done.owner),
            selector=schemas.Change(now=serialize.given(there.selector), then=done.selector),
            mail_from=schemas.Change(now=serialize.given(there.mail_from), then=serialize.given(done.mail_from)),
            adopted=done.adopted,
        )
    )


ENDPOINTS = (
    Endpoint(
        method="GET", path="/identities", serve=list_held, access=Access.OPERATOR, topic=TOPIC,
        answer=schemas_operator.HeldIdentities, query=schemas_operator.IdentitiesQuery,
        faults=(Kind.PARAMETER_INVALID, *PROVIDER),
    ),
    Endpoint(
        method="POST", path="/identities/reconcile", serve=compare, access=Access.OPERATOR, topic=TOPIC,
        answer=schemas.ReconciliationOut, body=schemas.Apply, faults=(Kind.PARAMETER_INVALID, *PROVIDER),
    ),
    Endpoint(
        method="POST", path="/identities/{sender}/adopt", serve=adopt, access=Access.OPERATOR, topic=TOPIC,
        answer=schemas.AdoptionOut, body=schemas.Apply, faults=(Kind.NOT_FOUND, *PROVIDER),
    ),
)  # fmt: skip
