"""The operator's pages that close an account: what ends is said, its name is typed, and a receipt is shown."""

from urllib.parse import quote

from msgspec import convert
from starlette.responses import Response

from letterhead.operations import account_closure, accounts
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.confirmation import ConfirmationPage, ask, is_confirmed
from letterhead.web.pages.responses import OPERATOR_HOME, page_response
from letterhead.web.schemas_operator import ClosureReceiptOut
from letterhead.web.serialize import encode


async def ask_close(context: RequestContext) -> Response:
    """Ask before an account is closed."""
    return ask(context, await _closure(context))


async def _closure(context: RequestContext) -> ConfirmationPage:
    account = await accounts.find_account(context.deps, context.part("accountId"))
    number = await accounts.count_domains(context.deps, account.id)
    domains = ("confirm.close_domains", "confirm.close_names") if number else ()
    return ConfirmationPage(
        title="confirm.close_title",
        button="confirm.close_button",
        action=f"{OPERATOR_HOME}/accounts/{quote(account.id, safe='')}/close",
        back=f"{OPERATOR_HOME}/domains?account={quote(account.id, safe='')}",
        stops=(*domains, "confirm.close_ends", "confirm.close_receipt", "confirm.for_good"),
        word=account.name.strip() or account.id,
        places={"name": account.name, "email": account.email, "account": account.id, "number": number},
    )


async def close(context: RequestContext) -> Response:
    """Close the account with its domains, once that was confirmed, and show the receipt, this once."""
    if not is_confirmed(context, page := await _closure(context)):
        return ask(context, page)
    account_id = context.part("accountId")
    receipt = await account_closure.close_account(context.deps, account_id, context.actor, with_domains=True)
    context.state.credentials.forget()
    told = encode(convert(receipt, ClosureReceiptOut, from_attributes=True)).decode()
    return page_response(
        context,
        "closed.html",
        receipt=receipt,
        name=page.places["name"],
        word=page.word,
        told=told,
        action=page.action,
    )


PATH = f"{OPERATOR_HOME}/accounts/{{accountId}}/close"
PAGES = (
    Endpoint(method="GET", path=PATH, serve=ask_close, access=Access.OPERATOR),
    Endpoint(method="POST", path=PATH, serve=close, access=Access.OPERATOR),
)
