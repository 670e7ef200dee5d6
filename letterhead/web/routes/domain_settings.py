"""The endpoint that changes what an account sets of a domain."""

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import domain_settings, domains
from letterhead.web import schemas, schemas_profiles, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response


async def change_domain(context: RequestContext) -> Response:
    """Changes a domain's note, labels, contact and cover; answers with the domain, without private keys.

    What is absent stays as it is, and null removes it. A link is mailed to a new contact, who gets the domain's
    reminders when somebody there has opened it and pressed its button; until then the account gets them.
    """
    asked, sender = await context.body(schemas_profiles.DomainChange), context.part("sender")
    settings = domain_settings.DomainSettings(
        note="" if asked.note is None else asked.note,
        labels=asked.labels,
        contact="" if asked.contact is None else asked.contact,
        contact_language=asked.contact_language,
        copy_account=asked.copy_account,
        covers_subdomains=asked.covers_subdomains,
    )
    await domain_settings.change_domain(context.deps, context.account_id, sender, settings, context.actor)
    view = await domains.show_domain(context.deps, context.account_id, sender)
    return json_response(serialize.detail(context.deps, view, None))


ENDPOINTS = (
    Endpoint(
        method="PATCH", path="/domains/{sender}", serve=change_domain, access=Access.WRITE, topic="Sender domains",
        answer=schemas.DomainDetail, body=schemas_profiles.DomainChange,
        faults=(
            Kind.NOT_FOUND, Kind.NOTE_INVALID, Kind.LABEL_INVALID, Kind.PARAMETER_INVALID, Kind.CONFLICT,
            Kind.PROVIDER_FAILED,
        ),
    ),
)  # fmt: skip
