"""The pages that mails link to, without sign-in: one ends reminders (RFC 8058), one confirms an address."""

from msgspec.structs import replace
from starlette.responses import Response

from letterhead.core.schedule.reminder_mail import both_names
from letterhead.errors import Kind
from letterhead.operations import confirmed_addresses, opt_outs
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages import languages
from letterhead.web.pages.responses import page_response


async def show_opt_out(context: RequestContext) -> Response:
    """Shows a page that ends the account's reminders, or those to a domain's contact, at a press of its button.

    Opening it changes nothing, since mail scanners open links.
    """
    return _opt_out_page(context, await opt_outs.find_opt_out(context.deps, context.part("token")))


async def opt_out(context: RequestContext) -> Response:
    """Ends the reminders that the link is for, at one click (RFC 8058); the body is not looked at."""
    actor = replace(context.actor, name="opt-out link")
    return _opt_out_page(context, await opt_outs.opt_out(context.deps, context.part("token"), actor))


def _opt_out_page(context: RequestContext, found: opt_outs.OptOut) -> Response:
    if found.domain is None:
        return _page(context, "account_end", is_done=not found.wanted, name=found.account.name)
    return _page(context, "contact_end", is_done=not found.wanted, domain=both_names(found.domain.sender))


async def show_address(context: RequestContext) -> Response:
    """Shows a page that makes the address of an account or of a domain's contact count, at a press of its button.

    Opening it changes nothing, since mail scanners open links.
    """
    asked = await confirmed_addresses.find_asked_address(context.deps, context.part("token"))
    return _address_page(context, asked, is_done=False)


async def confirm_address(context: RequestContext) -> Response:
    """Makes the address that the link confirms count; the body is not looked at.

    A contact is written to in the language of the page: the one in its address, or that the browser asks for.
    """
    actor = replace(context.actor, name="address link")
    asked = await confirmed_addresses.confirm_address(
        context.deps, context.part("token"), languages.page_language(context).code, actor
    )
    return _address_page(context, asked, is_done=True)


def _address_page(context: RequestContext, asked: confirmed_addresses.AskedAddress, *, is_done: bool) -> Response:
    places = {"name": asked.account.name, "email": asked.change.email}
    if asked.domain is None:
        return _page(context, "account_address", is_done=is_done, **places)
    return _page(context, "contact_address", is_done=is_done, domain=both_names(asked.domain.sender), **places)


def _page(context: RequestContext, about: str, *, is_done: bool, **places: str) -> Response:
    """Return the page with the texts `mailed.<about>_…`: what its button does, or that it is done."""
    shown = {"about": about, "is_done": is_done, "places": places, "languages": languages.switch(context)}
    return page_response(context, "mailed.html", **shown)


ENDPOINTS = (
    Endpoint(
        method="GET", path="/reminders/opt-out/{token}", serve=show_opt_out, access=Access.OPEN, topic="Reminders",
        media_type="text/html", is_page=True, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="POST", path="/reminders/opt-out/{token}", serve=opt_out, access=Access.OPEN, topic="Reminders",
        media_type="text/html", is_page=True, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="GET", path="/account/address/{token}", serve=show_address, access=Access.OPEN, topic="Your account",
        media_type="text/html", is_page=True, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="POST", path="/account/address/{token}", serve=confirm_address, access=Access.OPEN,
        topic="Your account", media_type="text/html", is_page=True, faults=(Kind.NOT_FOUND,),
    ),
)  # fmt: skip
