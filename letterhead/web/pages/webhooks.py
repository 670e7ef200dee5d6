"""Pages of webhooks: an account's webhooks, and the deliveries of each."""

from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope
from letterhead.core.public.webhooks import EVERY, KINDS
from letterhead.errors import Fault
from letterhead.operations import webhooks
from letterhead.operations.webhooks import WebhookSettings
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.confirmation import ConfirmationPage, ask, is_confirmed
from letterhead.web.pages.responses import HOME, page_response, redirect

LIST = f"{HOME}/webhooks"
ONE = f"{LIST}/{{webhookId}}"
DELIVERIES = 50


async def show(context: RequestContext) -> Response:
    """List the account's webhooks."""
    return await _show_list(context)


async def _show_list(context: RequestContext, fault: Fault | None = None) -> Response:
    listed = await webhooks.list_webhooks(context.deps, context.account_id)
    return page_response(
        context,
        "webhooks.html",
        errors.status_of(fault.kind) if fault else 200,
        webhooks=listed,
        kinds=KINDS,
        fault=fault,
        typed=_settings(context) if fault else None,
    )


def _settings(context: RequestContext) -> WebhookSettings:
    """Read the form. Without domains it is for all of the account, or for those that the session's key is bound to."""
    form, binding = context.form, context.caller.binding
    domains, below = tuple(form.get("domains", "").replace(",", " ").split()), "below" in form
    if binding is not None and not domains:
        domains, below = binding.names, binding.covers_below
    return WebhookSettings(
        url=form.get("url", "").strip(),
        events=tuple(kind for kind in KINDS if form.get(f"event-{kind}")) or (EVERY,),
        domains=domains or None,
        covers_below=below,
    )


async def add(context: RequestContext) -> Response:
    """Add a webhook and redirect to its page; a refusal is shown at the form."""
    try:
        added = await webhooks.add_webhook(context.deps, context.account_id, _settings(context), context.actor)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500:
            raise
        return await _show_list(context, fault)
    return _redirect_to(context, added.webhook.id, "webhook_added")


def _redirect_to(context: RequestContext, webhook_id: str, done: str) -> Response:
    return redirect(context, f"{LIST}/{webhook_id}", done=done)


async def show_one(context: RequestContext) -> Response:
    """Show one webhook with its newest deliveries and their attempts, and its secret to who may change it."""
    return await _show_one(context)


async def _show_one(context: RequestContext, fault: Fault | None = None) -> Response:
    webhook_id = context.part("webhookId")
    found = await webhooks.find_webhook(context.deps, context.account_id, webhook_id)
    return page_response(
        context,
        "webhook.html",
        errors.status_of(fault.kind) if fault else 200,
        webhook=found.webhook,
        secret=found.secret_text() if context.may(Scope.WRITE) else None,
        deliveries=await webhooks.list_deliveries(context.deps, context.account_id, webhook_id, None, DELIVERIES),
        kinds=KINDS,
        fault=fault,
        typed=_settings(context) if fault else webhooks.settings_of(found.webhook),
    )


async def change(context: RequestContext) -> Response:
    """Change a webhook, which gets messages again where it was disabled; a refusal is shown at the form."""
    webhook_id = context.part("webhookId")
    try:
        await webhooks.change_webhook(context.deps, context.account_id, webhook_id, _settings(context), context.actor)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500:
            raise
        return await _show_one(context, fault)
    return _redirect_to(context, webhook_id, "webhook_changed")


async def try_it(context: RequestContext) -> Response:
    """Send a test message."""
    webhook_id = context.part("webhookId")
    await webhooks.try_webhook(context.deps, context.state.on_demand, context.account_id, webhook_id)
    return _redirect_to(context, webhook_id, "webhook_tried")


async def _rotation(context: RequestContext) -> ConfirmationPage:
    """Return what is asked before a webhook gets a new secret."""
    webhook = (await webhooks.find_webhook(context.deps, context.account_id, context.part("webhookId"))).webhook
    return ConfirmationPage(
        title="confirm.secret_title",
        button="confirm.secret_button",
        stops=("confirm.secret_day", "confirm.secret_old"),
        places={"url": webhook.url},
        action=f"{LIST}/{webhook.id}/rotate-secret",
        back=f"{LIST}/{webhook.id}",
    )


async def _deletion(context: RequestContext) -> ConfirmationPage:
    """Return what is asked before a webhook is deleted."""
    webhook = (await webhooks.find_webhook(context.deps, context.account_id, context.part("webhookId"))).webhook
    return ConfirmationPage(
        title="confirm.webhook_title",
        button="confirm.webhook_button",
        stops=("confirm.webhook_messages", "confirm.webhook_waiting", "confirm.for_good"),
        places={"url": webhook.url},
        action=f"{LIST}/{webhook.id}/delete",
        back=f"{LIST}/{webhook.id}",
    )


async def ask_rotate(context: RequestContext) -> Response:
    """Ask before a new signing secret is made."""
    return ask(context, await _rotation(context))


async def ask_delete(context: RequestContext) -> Response:
    """Ask before a webhook is deleted."""
    return ask(context, await _deletion(context))


async def rotate(context: RequestContext) -> Response:
    """Make a new signing secret, once that was confirmed."""
    webhook_id = context.part("webhookId")
    if not is_confirmed(context, page := await _rotation(context)):
        return ask(context, page)
    await webhooks.rotate_secret(context.deps, context.account_id, webhook_id, context.actor)
    return _redirect_to(context, webhook_id, "secret_rotated")


async def redeliver(context: RequestContext) -> Response:
    """Send a message again."""
    webhook_id, delivery_id = context.part("webhookId"), context.part("deliveryId")
    await webhooks.redeliver(context.deps, context.account_id, webhook_id, delivery_id, context.actor)
    return _redirect_to(context, webhook_id, "redelivered")


async def delete(context: RequestContext) -> Response:
    """Delete a webhook, once that was confirmed."""
    if not is_confirmed(context, page := await _deletion(context)):
        return ask(context, page)
    await webhooks.delete_webhook(context.deps, context.account_id, context.part("webhookId"), context.actor)
    return redirect(context, LIST, done="webhook_deleted")


PAGES = (
    Endpoint(method="GET", path=LIST, serve=show, access=Access.READ, for_bound=True),
    Endpoint(method="POST", path=LIST, serve=add, access=Access.WRITE, for_bound=True),
    Endpoint(method="GET", path=ONE, serve=show_one, access=Access.READ, for_bound=True),
    Endpoint(method="POST", path=f"{ONE}/change", serve=change, access=Access.WRITE, for_bound=True),
    Endpoint(method="POST", path=f"{ONE}/test", serve=try_it, access=Access.WRITE, for_bound=True),
    Endpoint(method="GET", path=f"{ONE}/rotate-secret", serve=ask_rotate, access=Access.WRITE, for_bound=True),
    Endpoint(method="GET", path=f"{ONE}/delete", serve=ask_delete, access=Access.WRITE, for_bound=True),
    Endpoint(method="POST", path=f"{ONE}/rotate-secret", serve=rotate, access=Access.WRITE, for_bound=True),
    Endpoint(method="POST", path=f"{ONE}/delete", serve=delete, access=Access.WRITE, for_bound=True),
    Endpoint(
        method="POST", path=f"{ONE}/deliveries/{{deliveryId}}/redeliver", serve=redeliver, access=Access.WRITE,
        for_bound=True,
    ),
)  # fmt: skip
