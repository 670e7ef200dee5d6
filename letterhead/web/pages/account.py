"""Knows the pages of an account: its API keys, what it uses, and its wish for reminders."""

from datetime import timedelta

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.quotas import resets_at
from letterhead.operations import accounts
from letterhead.operations.accounts import NewApiKey
from letterhead.web.pages.view import HOME, View, Visitor
from letterhead.web.responses import Answer

KEYS, USAGE = f"{HOME}/keys", f"{HOME}/account"
SCOPES = {scope.value: scope for scope in Scope}
AUDIT = 50


async def keys(visitor: Visitor) -> Answer:
    """Lists the account's API keys."""
    return await _keys(visitor)


async def _keys(visitor: Visitor, made: NewApiKey | None = None) -> Answer:
    listed = await accounts.list_keys(visitor.deps, visitor.account_id)
    return visitor.show("keys.html", keys=list(reversed(listed)), made=made, now=visitor.deps.now())


async def make_key(visitor: Visitor) -> Answer:
    """Makes an API key and shows its text, this once."""
    made = await accounts.make_key(
        visitor.deps,
        visitor.caller,
        visitor.actor,
        accounts.NewKeyRequest(
            name=visitor.form.get("name", "").strip()[:200] or visitor.desk.rendering.texts("keys.unnamed"),
            scope=SCOPES.get(visitor.form.get("scope", ""), Scope.READ),
        ),
    )
    return await _keys(visitor, made)


async def end_key(visitor: Visitor) -> Answer:
    """Ends an API key now, or in a week so that its users can move to another."""
    after = timedelta(days=7 if visitor.form.get("later") else 0)
    await accounts.end_key(visitor.deps, visitor.account_id, visitor.part("keyId"), visitor.actor, after)
    visitor.desk.house.credentials.forget()
    return visitor.go(KEYS, done="key_ended")


async def account(visitor: Visitor) -> Answer:
    """Shows the account, what it uses of what it may, and what was done in it."""
    deps, limits = visitor.deps, visitor.caller.limits
    return visitor.show(
        "account.html",
        account=await accounts.find_account(deps, visitor.account_id),
        domains=await deps.store.count_domains(visitor.account_id),
        requests=await visitor.desk.house.usage.used(visitor.account_id),
        limits=limits,
        resets_at=resets_at(deps.now()),
        audit=[each.row for each in await deps.store.audit_rows(visitor.account_id, None, AUDIT)],
    )


async def change_reminders(visitor: Visitor) -> Answer:
    """Says whether reminders are mailed."""
    update = accounts.AccountUpdate(reminders=visitor.form.get("reminders") == "on")
    await accounts.change_account(visitor.deps, visitor.account_id, visitor.actor, update)
    return visitor.go(USAGE, done="saved")


VIEWS = (
    View(method="GET", path=KEYS, serve=keys),
    View(method="POST", path=KEYS, serve=make_key, needs=Scope.FULL),
    View(method="POST", path=f"{KEYS}/{{keyId}}/end", serve=end_key, needs=Scope.FULL),
    View(method="GET", path=USAGE, serve=account),
    View(method="POST", path=f"{USAGE}/reminders", serve=change_reminders, needs=Scope.WRITE),
)
