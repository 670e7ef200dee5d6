"""The forms of alert channels on the account's page: add, test, delete."""

from urllib.parse import quote

from starlette.responses import Response

from letterhead.operations import alerts
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.confirmation import ConfirmationPage, ask, is_confirmed
from letterhead.web.pages.responses import HOME, redirect

ACCOUNT = f"{HOME}/account"
PATH = f"{ACCOUNT}/alerts"
ONE = f"{PATH}/{{channelId}}"


async def add(context: RequestContext) -> Response:
    """Add a channel."""
    name, url = context.form.get("name", ""), context.form.get("url", "")
    await alerts.add_channel(context.deps, context.account_id, name, url, context.actor)
    return redirect(context, ACCOUNT, done="alerts_added")


async def test(context: RequestContext) -> Response:
    """Send a test to a channel; the page says what came of it."""
    tested = await alerts.try_channel(
        context.deps, context.state.on_demand, context.account_id, context.part("channelId")
    )
    return redirect(context, ACCOUNT, done="alerts_taken" if tested.is_taken else "alerts_not_taken")


async def ask_delete(context: RequestContext) -> Response:
    """Ask before a channel is deleted."""
    return ask(context, await _deletion(context))


async def _deletion(context: RequestContext) -> ConfirmationPage:
    stored = await alerts.find_channel(context.deps, context.account_id, context.part("channelId"))
    return ConfirmationPage(
        title="confirm.alerts_title",
        button="confirm.alerts_button",
        action=f"{PATH}/{quote(stored.channel.id, safe='')}/delete",
        back=ACCOUNT,
        stops=("confirm.alerts_stops",),
        places={"name": stored.channel.name, "service": stored.channel.service},
    )


async def delete(context: RequestContext) -> Response:
    """Delete a channel, once that was confirmed."""
    if not is_confirmed(context, page := await _deletion(context)):
        return ask(context, page)
    await alerts.delete_channel(context.deps, context.account_id, context.part("channelId"), context.actor)
    return redirect(context, ACCOUNT, done="alerts_deleted")


PAGES = (
    Endpoint(method="POST", path=PATH, serve=add, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/test", serve=test, access=Access.WRITE),
    Endpoint(method="GET", path=f"{ONE}/delete", serve=ask_delete, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/delete", serve=delete, access=Access.WRITE),
)
