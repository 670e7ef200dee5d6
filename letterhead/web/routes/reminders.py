"""The page that every reminder links to: it ends reminders without sign-in (RFC 8058)."""

from html import escape

from msgspec.structs import replace
from starlette.responses import Response

from letterhead.core.accounts.accounts import Account
from letterhead.errors import Kind
from letterhead.operations import reminders
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint

# The form goes back to where it came from; nothing else is loaded or run.
POLICY = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Reminders of {name}</title></head>
<body><h1>Reminders of {name}</h1>
{body}
</body></html>
"""
ASK = '<p>Messages about the domains of this account are mailed to its address.</p>\n\
<form method="post"><button type="submit">No more reminders</button></form>'
DONE = (
    "<p>No reminders are mailed any more. PATCH /account with <code>{&quot;reminders&quot;: true}</code> brings them \
back.</p>"
)


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


def _page(account: Account, body: str) -> Response:
    html = PAGE.format(name=escape(account.name), body=body)
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
)  # fmt: skip
