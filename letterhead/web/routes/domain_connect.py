"""Endpoints of Domain Connect: a domain's signed link, and the operator's template and keys."""

from msgspec import UNSET
from starlette.responses import Response

from letterhead.core.domain_connect.template import new_template
from letterhead.core.domain_connect.template_rules import broken_rules, file_name
from letterhead.errors import Kind
from letterhead.operations import apply_links, domain_connect_keys, domains
from letterhead.web import schemas, schemas_domain_connect, schemas_links, serialize_links
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response


async def show_apply_link(context: RequestContext) -> Response:
    """Returns a signed link by which the customer's DNS host adds the records, or why there is none.

    DNS is looked at first, and nobody is sent where something would be overwritten that others need. Where there is no
    link, `reason` says why: not-configured, nothing-to-add, host-not-on-domain-connect, host-not-known,
    host-unreachable, template-not-there, records-collide, zone-delegated-elsewhere, dns-unanswered.
    """
    query = context.query(schemas_links.ApplyLinkQuery)
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    link = await apply_links.find_apply_link(
        context.deps,
        context.state.on_demand,
        domain,
        redirect=None if query.redirect_uri is UNSET else query.redirect_uri,
        state=None if query.state is UNSET else query.state,
    )
    return json_response(serialize_links.apply_link(link))


async def show_domain_connect(context: RequestContext) -> Response:
    """Shows what names the operator as a Domain Connect service provider, and the keys that sign links."""
    provider = domain_connect_keys.find_service_provider(context.deps)
    keys = await domain_connect_keys.list_keys(context.deps)
    return json_response(
        schemas_domain_connect.DomainConnectState(
            provider_id=provider.provider_id,
            service_id=provider.service_id,
            key_domain=provider.key_domain,
            keys=tuple(map(serialize_links.signing_key, keys)),
        )
    )


async def show_template(context: RequestContext) -> Response:
    """Writes the operator's template for the public repository, with the rules of the repository that it breaks."""
    provider = domain_connect_keys.find_service_provider(context.deps)
    template = new_template(provider, context.query(schemas_domain_connect.TemplateQuery).version)
    return json_response(
        schemas_domain_connect.DomainConnectTemplate(
            file_name=file_name(template),
            template=template,
            problems=tuple(map(serialize_links.broken_rule, broken_rules(template))),
        )
    )


async def make_key(context: RequestContext) -> Response:
    """Makes a key that signs links, beside those that there are, and answers with the TXT records that publish it.

    Links are signed by the newest key whose records DNS serves.
    """
    made = await domain_connect_keys.make_key(context.deps, context.actor)
    return json_response(serialize_links.signing_key(made))


async def delete_key(context: RequestContext) -> Response:
    """Deletes a key that signs no more; the newest one stays."""
    await domain_connect_keys.delete_key(context.deps, context.part("keyName"), context.actor)
    return json_response(schemas.MessageBody(message="The key is deleted. Its TXT records can be removed."))


TOPIC, PATH = "Domain Connect", "/domain-connect"

ENDPOINTS = (
    Endpoint(
        method="GET", path="/domains/{sender}/apply-link", serve=show_apply_link, access=Access.READ, topic=TOPIC,
        answer=schemas_links.ApplyLinkOut, query=schemas_links.ApplyLinkQuery,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID),
    ),
    Endpoint(
        method="GET", path=PATH, serve=show_domain_connect, access=Access.OPERATOR, topic=TOPIC,
        answer=schemas_domain_connect.DomainConnectState, faults=(Kind.CONFLICT,),
    ),
    Endpoint(
        method="GET", path=f"{PATH}/template", serve=show_template, access=Access.OPERATOR, topic=TOPIC,
        answer=schemas_domain_connect.DomainConnectTemplate, query=schemas_domain_connect.TemplateQuery,
        faults=(Kind.CONFLICT, Kind.PARAMETER_INVALID),
    ),
    Endpoint(
        method="POST", path=f"{PATH}/keys", serve=make_key, access=Access.OPERATOR, topic=TOPIC,
        answer=schemas_domain_connect.DomainConnectKey, faults=(Kind.CONFLICT,),
    ),
    Endpoint(
        method="DELETE", path=f"{PATH}/keys/{{keyName}}", serve=delete_key, access=Access.OPERATOR, topic=TOPIC,
        answer=schemas.MessageBody, faults=(Kind.NOT_FOUND, Kind.CONFLICT),
    ),
)  # fmt: skip
