"""Pages on the people of an account, for its owners and for the operator: who may sign in, and inviting others."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response

from letterhead.core.accounts.members import MemberRole
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, members, sign_in_rules
from letterhead.operations.members import NewInvitation
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.confirmation import ConfirmationPage, ask, is_confirmed
from letterhead.web.pages.responses import HOME, OPERATOR_HOME, page_fault, page_response, redirect

OWN = f"{HOME}/people"
OPERATORS = f"{OPERATOR_HOME}/accounts/{{accountId}}/people"


def _place(context: RequestContext) -> tuple[str, str]:
    """Return the account that a page is about, and the path of its people."""
    if "accountId" not in context.request.path_params:
        return context.account_id, OWN
    account_id = context.part("accountId")
    return account_id, OPERATORS.format(accountId=quote(account_id, safe=""))


async def show_people(context: RequestContext) -> Response:
    """Show who may sign in to an account."""
    return await _show_people(context)


async def _show_people(
    context: RequestContext, fault: Fault | None = None, made: NewInvitation | None = None
) -> Response:
    account_id, base = _place(context)
    account = await accounts.find_account(context.deps, account_id)
    people = await members.list_people(context.deps, account.id)
    rules = people.rules
    typed = {name: _as_lines(mapped) for name, mapped in (("domains", rules.email_domains), ("groups", rules.groups))}
    if fault is not None and "domains" in context.form:
        typed = {name: context.form.get(name, "") for name in typed}
    return page_response(
        context,
        "people.html",
        errors.status_of(fault.kind) if fault else 200,
        account=account,
        people=people,
        base=base,
        typed=typed,
        fault=fault,
        made=made,
        openid=context.deps.sign_in,
        roles=[role.value for role in MemberRole],
    )


def _as_lines(mapped: Mapping[str, MemberRole]) -> str:
    return "\n".join(f"{name} = {role.value}" for name, role in mapped.items())


async def change_rules(context: RequestContext) -> Response:
    """Change the rules by which people sign in to an account."""
    account_id, base = _place(context)
    try:
        update = sign_in_rules.RulesUpdate(
            email_domains=_read_lines(context, "domains"), groups=_read_lines(context, "groups")
        )
        await sign_in_rules.change_rules(context.deps, account_id, update, context.actor)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500 or fault.kind is Kind.NOT_FOUND:
            raise
        return await _show_people(context, fault)
    return redirect(context, base, done="saved")


def _read_lines(context: RequestContext, name: str) -> dict[str, MemberRole]:
    """Read lines of a form, `name = role` each; Fault `parameter-invalid`."""
    read = {}
    for line in context.form.get(name, "").splitlines():
        if line.strip():
            value, _, role = (part.strip() for part in line.rpartition("="))
            if not value or role not in list(MemberRole):
                raise page_fault(context, Kind.PARAMETER_INVALID, "rule", line=line.strip()[:80])
            read[value] = MemberRole(role)
    return read


async def invite(context: RequestContext) -> Response:
    """Invite somebody; where no mail server is set, show the link this once."""
    account_id, base = _place(context)
    try:
        email, role = context.form.get("email", "").strip(), _read_role(context)
        made = await members.invite(context.deps, account_id, email, role, context.actor)
    except Fault as fault:
        if fault.kind not in (Kind.PARAMETER_INVALID, Kind.CONFLICT):
            raise
        return await _show_people(context, fault)
    return await _show_people(context, made=made) if made.url else redirect(context, base, done="saved")


def _read_role(context: RequestContext) -> MemberRole:
    role = context.form.get("role", "")
    return MemberRole(role) if role in list(MemberRole) else MemberRole.VIEWER


async def revoke(context: RequestContext) -> Response:
    """Revoke an invitation."""
    account_id, base = _place(context)
    await members.revoke(context.deps, account_id, context.part("invitationId"), context.actor)
    return redirect(context, base, done="saved")


async def change_role(context: RequestContext) -> Response:
    """Give a member another role."""
    account_id, base = _place(context)
    member_id, role, by_member = context.part("memberId"), _read_role(context), is_member(context)
    await members.change_role(context.deps, account_id, member_id, role, context.actor, by_member=by_member)
    return redirect(context, base, done="saved")


def is_member(context: RequestContext) -> bool:
    """Whether a member asks: without an owner, nobody of them could manage the account any more."""
    return context.session is not None and context.session.member_id is not None


async def ask_remove(context: RequestContext) -> Response:
    """Ask before a member is removed."""
    return ask(context, await _removing(context))


async def _removing(context: RequestContext) -> ConfirmationPage:
    account_id, base = _place(context)
    member = await members.find_member(context.deps, account_id, context.part("memberId"))
    return ConfirmationPage(
        title="confirm.member_title",
        button="confirm.member_button",
        action=f"{base}/{quote(member.id, safe='')}/remove",
        back=base,
        stops=("confirm.member_stops", "confirm.member_rules"),
        places={"email": member.email, "subject": member.subject},
    )


async def remove(context: RequestContext) -> Response:
    """Remove a member, once that was confirmed."""
    if not is_confirmed(context, page := await _removing(context)):
        return ask(context, page)
    account_id, base = _place(context)
    member_id, by_member = context.part("memberId"), is_member(context)
    await members.remove(context.deps, account_id, member_id, context.actor, by_member=by_member)
    return redirect(context, base, done="saved")


def _pages(base: str, read: Access, manage: Access) -> tuple[Endpoint, ...]:
    member, invitation = f"{base}/{{memberId}}", f"{base}/invitations/{{invitationId}}"
    return (
        Endpoint(method="GET", path=base, serve=show_people, access=read),
        Endpoint(method="POST", path=f"{base}/invitations", serve=invite, access=manage),
        Endpoint(method="POST", path=f"{invitation}/revoke", serve=revoke, access=manage),
        Endpoint(method="POST", path=f"{member}/role", serve=change_role, access=manage),
        Endpoint(method="GET", path=f"{member}/remove", serve=ask_remove, access=manage),
        Endpoint(method="POST", path=f"{member}/remove", serve=remove, access=manage),
    )


PAGES = (
    *_pages(OWN, Access.READ, Access.FULL),
    *_pages(OPERATORS, Access.OPERATOR, Access.OPERATOR),
    Endpoint(method="POST", path=OPERATORS, serve=change_rules, access=Access.OPERATOR),
)
