"""Knows the operator's pages: accounts, how the service is, how late its checks are, the audit."""

from letterhead.core.limits import Limits
from letterhead.errors import Fault
from letterhead.operations import accounts
from letterhead.operations.accounts import NewKey
from letterhead.web import problems
from letterhead.web.answers import Answer
from letterhead.web.endpoints import Call
from letterhead.web.pages import pictures
from letterhead.web.pages.view import View, Visitor, Who
from letterhead.web.routes import service

HOME = "/operator"
AUDIT = 200
LATENESS = 5


async def overview(visitor: Visitor) -> Answer:
    """Shows how the service is, and its accounts."""
    return await _shown(visitor)


async def _shown(visitor: Visitor, made: NewKey | None = None, fault: Fault | None = None) -> Answer:
    call = Call(house=visitor.desk.house, request=visitor.request, signed_in=None, actor=visitor.actor)
    t, now = visitor.desk.rendering.texts, visitor.deps.now()
    late = await visitor.deps.store.lateness(now)
    labels = [t(f"picture.late_{number}") for number in range(LATENESS)]
    return visitor.show(
        "operator.html",
        problems.status_of(fault.kind) if fault else 200,
        health=await service.health_of(call),
        backlog=await visitor.deps.store.backlog(now),
        lateness=pictures.bars(labels, late, t("picture.lateness")),
        accounts=await accounts.list_accounts(visitor.deps),
        made=made,
        fault=fault,
    )


async def open_account(visitor: Visitor) -> Answer:
    """Opens an account and shows its first key, this once."""
    name, email = visitor.form.get("name", "").strip()[:200], visitor.form.get("email", "").strip()
    try:
        _, made = await accounts.open_account(visitor.deps, name or email, email, Limits(), visitor.actor)
    except Fault as fault:
        if problems.status_of(fault.kind) >= 500:
            raise
        return await _shown(visitor, fault=fault)
    return await _shown(visitor, made)


async def audit(visitor: Visitor) -> Answer:
    """Shows what was done lately, in every account."""
    kept = await visitor.deps.store.audit_rows(None, None, AUDIT)
    return visitor.show("audit.html", audit=[each.row for each in kept])


VIEWS = (
    View(method="GET", path=HOME, serve=overview, who=Who.OPERATOR),
    View(method="POST", path=f"{HOME}/accounts", serve=open_account, who=Who.OPERATOR),
    View(method="GET", path=f"{HOME}/audit", serve=audit, who=Who.OPERATOR),
)
