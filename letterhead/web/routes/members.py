"""Endpoints of the people of an account, and of the rules by which others sign in."""

from collections.abc import Mapping

from msgspec import UnsetType
from starlette.responses import Response

from letterhead.core.accounts.members import Role, SignInRules
from letterhead.errors import Kind
from letterhead.operations import sign_in_rules
from letterhead.web import schemas_members as schemas
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response


async def show_sign_in_rules(context: RequestContext) -> Response:
    """Shows which people may sign in to an account by OpenID Connect without being members, and with which role."""
    return json_response(public_rules(await sign_in_rules.show_rules(context.deps, context.part("accountId"))))


async def change_sign_in_rules(context: RequestContext) -> Response:
    """Changes which people may sign in to an account by OpenID Connect without being members.

    A role of several that match is the widest. People whom a rule has let in are signed out, and sign in anew.
    """
    asked = await context.body(schemas.SignInRulesChange)
    update = sign_in_rules.RulesUpdate(email_domains=_roles(asked.email_domains), groups=_roles(asked.groups))
    changed = await sign_in_rules.change_rules(context.deps, context.part("accountId"), update, context.actor)
    return json_response(public_rules(changed))


def _roles(given: Mapping[str, str] | UnsetType) -> dict[str, Role] | None:
    return None if isinstance(given, UnsetType) else {name: Role(role) for name, role in given.items()}


def public_rules(rules: SignInRules) -> schemas.SignInRulesOut:
    """Return an account's rules as the API shows them."""
    return schemas.SignInRulesOut(
        email_domains={name: role.value for name, role in rules.email_domains.items()},
        groups={name: role.value for name, role in rules.groups.items()},
    )


OPERATORS = "Accounts (operator)"
ENDPOINTS = (
    Endpoint(
        method="GET", path="/accounts/{accountId}/sign-in", serve=show_sign_in_rules, access=Access.OPERATOR,
        topic=OPERATORS, answer=schemas.SignInRulesOut, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="PATCH", path="/accounts/{accountId}/sign-in", serve=change_sign_in_rules, access=Access.OPERATOR,
        topic=OPERATORS, answer=schemas.SignInRulesOut, body=schemas.SignInRulesChange,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID),
    ),
)  # fmt: skip
