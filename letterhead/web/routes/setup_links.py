"""Endpoints of links to a domain's set-up page; the page itself is in `pages.setup`."""

import asyncio
from typing import Final

from msgspec.structs import replace
from starlette.responses import Response

from letterhead.core.languages.negotiation import address_in
from letterhead.errors import Fault, Kind
from letterhead.operations import apply_links, domains, setup_links
from letterhead.web import schemas, schemas_links, serialize, serialize_links
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response

PATIENCE: Final = 4.0  # seconds that a new link waits for what the DNS host can do


async def make_setup_link(context: RequestContext) -> Response:
    """Makes a link to the domain's set-up page, for whoever publishes its records: no sign-in, this one domain.

    Five links of a domain work at a time: a further one ends the link that was not used for longest, and names it in
    `endedLinks`. The address is told this once. It works for 14 days unless `expiresInDays` says otherwise. With
    `sendTo` the link and the records are mailed to that address, with the account's address as Reply-To. With
    `language` the mail and the page are in that language; without it the page is in the one that the browser asks for.
    """
    query = context.query(schemas_links.NewSetupLinkQuery)
    days, language = query.expires_in_days, query.language.value if query.language else None
    asked = await context.body_if_any(schemas_links.NewSetupLinkBody)
    sender, account_id = context.part("sender"), context.account_id
    if isinstance(asked.send_to, str):
        recipient = setup_links.MailRecipient(address=asked.send_to, language=language)
        made = await setup_links.make_and_send_link(context.deps, account_id, sender, days, recipient, context.actor)
    else:
        made = await setup_links.make_link(context.deps, account_id, sender, days, context.actor)
    domain = await domains.find_domain(context.deps, account_id, sender)
    answer = replace(serialize.made_link(made), url=address_in(made.url, language))
    try:
        async with asyncio.timeout(PATIENCE):
            found = await apply_links.find_apply_link(context.deps, context.state.on_demand, domain, redirect=made.url)
    except (Fault, TimeoutError):  # the link is made: what the DNS host can do is asked for by apply-link
        return json_response(answer)
    return json_response(replace(answer, apply_link=serialize_links.apply_link(found)))


async def list_setup_links(context: RequestContext) -> Response:
    """Lists the domain's set-up links that work, without their addresses."""
    now = context.deps.now()
    listed = await setup_links.list_links(context.deps, context.account_id, context.part("sender"))
    return json_response(
        schemas_links.SetupLinks(setup_links=tuple(serialize.setup_link(each, now) for each in listed))
    )


async def revoke_setup_link(context: RequestContext) -> Response:
    """Revokes a set-up link: its page is gone at once."""
    part = context.part
    await setup_links.revoke_link(context.deps, context.account_id, part("sender"), part("linkId"), context.actor)
    return json_response(schemas.MessageBody(message="The link is revoked."))


TOPIC, PATH = "Set-up links", "/domains/{sender}/setup-links"

ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, serve=make_setup_link, access=Access.WRITE, topic=TOPIC,
        answer=schemas_links.MadeSetupLink, query=schemas_links.NewSetupLinkQuery,
        body=schemas_links.NewSetupLinkBody, body_optional=True,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT),
    ),
    Endpoint(
        method="GET", path=PATH, serve=list_setup_links, access=Access.READ, topic=TOPIC,
        answer=schemas_links.SetupLinks, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="DELETE", path=f"{PATH}/{{linkId}}", serve=revoke_setup_link, access=Access.WRITE, topic=TOPIC,
        answer=schemas.MessageBody, faults=(Kind.NOT_FOUND,), free=True,
    ),
)  # fmt: skip
