"""Pages on the people of an account: the rules by which they sign in, for the operator."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response

from letterhead.core.accounts.members import Role
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, sign_in_rules
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import OPERATOR_HOME, page_fault, page_response, redirect

PEOPLE = f"{OPERATOR_HOME}/accounts/{{accountId}}/people"


async def show_people(context: RequestContext) -> Response:
    """Show who may sign in to an account."""
    return await _show_people(context)


async def _show_people(context: RequestContext, fault: Fault | None = None) -> Response:
    account = await accounts.find_account(context.deps, context.part("accountId"))
    rules = await sign_in_rules.show_rules(context.deps, account.id)
    typed = {name: _as_lines(mapped) for name, mapped in (("domains", rules.email_domains), ("groups", rules.groups))}
    status = errors.status_of(fault.kind) if fault else 200
    if fault is not None:
        typed = {name: context.form.get(name, "") for name in typed}
    return page_response(context, "people.html", status, account=account, typed=typed, fault=fault)


def _as_lines(mapped: Mapping[str, Role]) -> str:
    return "\n".join(f"{name} = {role.value}" for name, role in mapped.items())


async def change_rules(context: RequestContext) -> Response:
    """Change the rules by which people sign in to an account."""
    try:
        update = sign_in_rules.RulesUpdate(
            email_domains=_read_lines(context, "domains"), groups=_read_lines(context, "groups")
        )
        account_id = context.part("accountId")
        await sign_in_rules.change_rules(context.deps, account_id, update, context.actor)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500 or fault.kind is Kind.NOT_FOUND:
            raise
        return await _show_people(context, fault)
    return redirect(context, PEOPLE.format(accountId=quote(account_id, safe="")), done="saved")


def _read_lines(context: RequestContext, name: str) -> dict[str, Role]:
    """Read lines of a form, `name = role` each; Fault `parameter-invalid`."""
    read = {}
    for line in context.form.get(name, "").splitlines():
        if line.strip():
            value, _, role = (part.strip() for part in line.rpartition("="))
            if not value or role not in list(Role):
                raise page_fault(context, Kind.PARAMETER_INVALID, "rule", line=line.strip()[:80])
            read[value] = Role(role)
    return read


PAGES = (
    Endpoint(method="GET", path=PEOPLE, serve=show_people, access=Access.OPERATOR),
    Endpoint(method="POST", path=PEOPLE, serve=change_rules, access=Access.OPERATOR),
)
