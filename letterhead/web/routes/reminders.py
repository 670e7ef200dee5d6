"""The pages that mails link to, without sign-in: one ends reminders (RFC 8058), one confirms an account's address."""

from html import escape

from msgspec.structs import replace
from starlette.responses import Response

from letterhead.core.accounts.accounts import Account
from letterhead.errors import Kind
from letterhead.operations import account_address, reminders
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

ASK_ADDRESS = '<p>From now on messages about the domains of this account go to <b>{email}</b>.</p>\n\
<form method="post"><button type="submit">Confirm this address</button></form>'
ADDRESS_DONE = "<p>Confirmed: messages about the domains of this account go to <b>{email}</b>.</p>"


async def show_opt_out(context: RequestContext) -> Response:
    """Shows a page that ends the account's reminders at a press of its button.

    Opening it changes nothing, since mail scanners open links.
    """
    account = await reminders.find_opt_out_account(context.deps, context.part("token"))
    return _page(account, ASK if account.reminders else DONE)


async def opt_out(context: RequestContext) -> Response:
    """Ends the account's reminders, at one click (RFC 8058); the body is not looked at."""
    actor = replace(context.actor, name="opt-out link")
    return _page(await reminders.opt_out(context.deps, context.part("token"), actor), DONE)


async def show_address(context: RequestContext) -> Response:
    """Shows a page that gives an account its new address at a press of its button.

    Opening it changes nothing, since mail scanners open links.
    """
    account, change = await account_address.find_address_change(context.deps, context.part("token"))
    return _page(account, ASK_ADDRESS.format(email=escape(change.email)), "Address of")


async def confirm_address(context: RequestContext) -> Response:
    """Changes an account's address to the one that the link confirms; the body is not looked at."""
    actor = replace(context.actor, name="address link")
    account = await account_address.confirm_address(context.deps, context.part("token"), actor)
    return _page(account, ADDRESS_DONE.format(email=escape(account.email)), "Address of")


def _page(account: Account, body: str, about: str = "Reminders of") -> Response:
    html = PAGE.format(title=escape(f"{about} {account.name}"), body=body)
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
