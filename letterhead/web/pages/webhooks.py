"""Knows the pages of webhooks: the endpoints of an account, and what became of each message."""

from letterhead.core.accounts.accounts import Scope
from letterhead.core.public.webhooks import EVERY, KINDS
from letterhead.errors import Fault
from letterhead.operations import webhooks
from letterhead.web import errors as problems
from letterhead.web.pages.view import HOME, View, Visitor
from letterhead.web.responses import Answer

LIST = f"{HOME}/webhooks"
ONE = f"{LIST}/{{webhookId}}"
DELIVERIES = 50


async def show(visitor: Visitor) -> Answer:
    """Lists the account's endpoints."""
    return await _shown(visitor)


async def _shown(visitor: Visitor, fault: Fault | None = None) -> Answer:
    listed = await webhooks.list_webhooks(visitor.deps, visitor.account_id)
    return visitor.show(
        "webhooks.html",
        problems.status_of(fault.kind) if fault else 200,
        webhooks=listed,
        kinds=KINDS,
        fault=fault,
        typed=visitor.form.get("url", ""),
    )


async def add(visitor: Visitor) -> Answer:
    """Adds an endpoint; what can't be added is told beside the form."""
    chosen = [kind for kind in KINDS if visitor.form.get(f"event-{kind}")]
    url = visitor.form.get("url", "").strip()
    try:
        added = await webhooks.add_webhook(visitor.deps, visitor.account_id, url, chosen or [EVERY], visitor.actor)
    except Fault as fault:
        if problems.status_of(fault.kind) >= 500:
            raise
        return await _shown(visitor, fault)
    return _to(visitor, added.webhook.id, "webhook_added")


def _to(visitor: Visitor, webhook_id: str, done: str) -> Answer:
    return visitor.go(f"{LIST}/{webhook_id}", done=done)


async def show_one(visitor: Visitor) -> Answer:
    """Shows one endpoint with its newest messages and every attempt; its secret to who may change it."""
    webhook_id = visitor.part("webhookId")
    found = await webhooks.find_webhook(visitor.deps, visitor.account_id, webhook_id)
    return visitor.show(
        "webhook.html",
        webhook=found.webhook,
        secret=found.secret_text() if visitor.may_write else None,
        deliveries=await webhooks.list_deliveries(visitor.deps, visitor.account_id, webhook_id, None, DELIVERIES),
    )


async def try_it(visitor: Visitor) -> Answer:
    """Sends a test message."""
    webhook_id = visitor.part("webhookId")
    await webhooks.try_webhook(visitor.deps, visitor.account_id, webhook_id)
    return _to(visitor, webhook_id, "webhook_tried")


async def rotate(visitor: Visitor) -> Answer:
    """Makes a new secret."""
    webhook_id = visitor.part("webhookId")
    await webhooks.rotate_secret(visitor.deps, visitor.account_id, webhook_id, visitor.actor)
    return _to(visitor, webhook_id, "secret_rotated")


async def redeliver(visitor: Visitor) -> Answer:
    """Sends a message again."""
    webhook_id, delivery_id = visitor.part("webhookId"), visitor.part("deliveryId")
    await webhooks.redeliver(visitor.deps, visitor.account_id, webhook_id, delivery_id, visitor.actor)
    return _to(visitor, webhook_id, "redelivered")


async def delete(visitor: Visitor) -> Answer:
    """Deletes an endpoint."""
    await webhooks.delete_webhook(visitor.deps, visitor.account_id, visitor.part("webhookId"), visitor.actor)
    return visitor.go(LIST, done="webhook_deleted")


VIEWS = (
    View(method="GET", path=LIST, serve=show),
    View(method="POST", path=LIST, serve=add, needs=Scope.WRITE),
    View(method="GET", path=ONE, serve=show_one),
    View(method="POST", path=f"{ONE}/test", serve=try_it, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/rotate-secret", serve=rotate, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/delete", serve=delete, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/deliveries/{{deliveryId}}/redeliver", serve=redeliver, needs=Scope.WRITE),
)
