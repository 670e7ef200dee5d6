"""The pages that mails link to, without sign-in: one ends reminders (RFC 8058), one confirms an address."""

from html import escape

from msgspec.structs import replace
from starlette.responses import Response

from letterhead.core.schedule.reminder_mail import both_names
from letterhead.errors import Kind
from letterhead.operations import confirmed_addresses, opt_outs
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint

# The form goes back to where it came from; nothing else is loaded or run.
POLICY = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""
ASK = '<p>Messages about the domains of this account are mailed to its address.</p>\n\
<form method="post"><button type="submit">No more reminders</button></form>'
DONE = (
    "<p>No reminders are mailed any more. PATCH /account with <code>{&quot;reminders&quot;: true}</code> brings them \
back.</p>"
)
ASK_CONTACT = '<p>You are named as the contact for this domain: messages about it are mailed to you.</p>\n\
<form method="post"><button type="submit">No more messages about this domain</button></form>'
CONTACT_DONE = "<p>No more messages about this domain are mailed to you. The others who manage it still get theirs.</p>"

ASK_ADDRESS = '<p>From now on messages about the domains of this account go to <b>{email}</b>.</p>\n\
<form method="post"><button type="submit">Confirm this address</button></form>'
ADDRESS_DONE = "<p>Confirmed: messages about the domains of this account go to <b>{email}</b>.</p>"
ASK_CONTACT_ADDRESS = '<p>{account} would have messages about <b>{domain}</b> mailed to <b>{email}</b> when something \
about its DNS records needs somebody.</p>\n<p>If you know nothing of it, close this page: nothing is sent to you.</p>\n\
<form method="post"><button type="submit">Confirm this address</button></form>'
CONTACT_ADDRESS_DONE = "<p>Confirmed: messages about <b>{domain}</b> go to <b>{email}</b>. Each has a link that ends \
them.</p>"


async def show_opt_out(context: RequestContext) -> Response:
    """Shows a page that ends the account's reminders, or those to a domain's contact, at a press of its button.

    Opening it changes nothing, since mail scanners open links.
    """
    return _opt_out_page(await opt_outs.find_opt_out(context.deps, context.part("token")))


async def opt_out(context: RequestContext) -> Response:
    """Ends the reminders that the link is for, at one click (RFC 8058); the body is not looked at."""
    actor = replace(context.actor, name="opt-out link")
    return _opt_out_page(await opt_outs.opt_out(context.deps, context.part("token"), actor))


def _opt_out_page(found: opt_outs.OptOut) -> Response:
    if found.domain is not None:
        return _page(f"Messages about {both_names(found.domain.sender)}", ASK_CONTACT if found.wanted else CONTACT_DONE)
    return _page(f"Reminders of {found.account.name}", ASK if found.wanted else DONE)


async def show_address(context: RequestContext) -> Response:
    """Shows a page that makes the address of an account or of a domain's contact count, at a press of its button.

    Opening it changes nothing, since mail scanners open links.
    """
    asked = await confirmed_addresses.find_asked_address(context.deps, context.part("token"))
    return _address_page(asked, ASK_ADDRESS, ASK_CONTACT_ADDRESS)


async def confirm_address(context: RequestContext) -> Response:
    """Makes the address that the link confirms count; the body is not looked at."""
    actor = replace(context.actor, name="address link")
    asked = await confirmed_addresses.confirm_address(context.deps, context.part("token"), actor)
    return _address_page(asked, ADDRESS_DONE, CONTACT_ADDRESS_DONE)


def _address_page(asked: confirmed_addresses.AskedAddress, of_account: str, of_contact: str) -> Response:
    email = escape(asked.change.email)
    if asked.domain is None:
        return _page(f"Address of {asked.account.name}", of_account.format(email=email))
    domain = both_names(asked.domain.sender)
    body = of_contact.format(email=email, domain=escape(domain), account=escape(asked.account.name))
    return _page(f"Messages about {domain}", body)


def _page(title: str, body: str) -> Response:
    html = PAGE.format(title=escape(title), body=body)
    headers = {"Content-Security-Policy": POLICY}
    return Response(html.encode("utf-8", "replace"), headers=headers, media_type="text/html; charset=utf-8")


ENDPOINTS = (
    Endpoint(
        method="GET", path="/reminders/opt-out/{token}", serve=show_opt_out, access=Access.OPEN, topic="Reminders",
        media_type="text/html", faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="POST", path="/reminders/opt-out/{token}", serve=opt_out, access=Access.OPEN, topic="Reminders",
        media_type="text/html", faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="GET", path="/account/address/{token}", serve=show_address, access=Access.OPEN, topic="Your account",
        media_type="text/html", faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="POST", path="/account/address/{token}", serve=confirm_address, access=Access.OPEN,
        topic="Your account", media_type="text/html", faults=(Kind.NOT_FOUND,),
    ),
)  # fmt: skip
