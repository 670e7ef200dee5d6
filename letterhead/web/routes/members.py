"""Endpoints of the people of an account, and of the rules by which others sign in."""

from collections.abc import Mapping

from msgspec import UnsetType
from starlette.responses import Response

from letterhead.core.accounts.members import Invitation, Member, MemberRole, SignInRules
from letterhead.errors import Kind
from letterhead.operations import accounts, members, sign_in_rules
from letterhead.web import schemas_members as schemas
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import given, json_response


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


def _roles(given: Mapping[str, str] | UnsetType) -> dict[str, MemberRole] | None:
    return None if isinstance(given, UnsetType) else {name: MemberRole(role) for name, role in given.items()}


def public_rules(rules: SignInRules) -> schemas.SignInRulesOut:
    """Return an account's rules as the API shows them."""
    return schemas.SignInRulesOut(
        email_domains={name: role.value for name, role in rules.email_domains.items()},
        groups={name: role.value for name, role in rules.groups.items()},
    )


async def account_of(context: RequestContext) -> str:
    """Return the id of the caller's account, or of the one that the operator names in the path; Fault `not-found`."""
    if "accountId" not in context.request.path_params:
        return context.account_id
    return (await accounts.find_account(context.deps, context.part("accountId"))).id


async def list_members(context: RequestContext) -> Response:
    """Lists who may sign in to the account: members, invitations that nobody has accepted yet, and rules for others."""
    people = await members.list_people(context.deps, await account_of(context))
    rules = public_rules(people.rules)
    return json_response(
        schemas.PeopleOut(
            members=tuple(map(public_member, people.members)),
            invitations=tuple(public_invitation(each) for each in people.invitations),
            email_domains=rules.email_domains,
            groups=rules.groups,
        )
    )


async def invite_member(context: RequestContext) -> Response:
    """Invites somebody, who becomes a member once they accept it and have signed in by OpenID Connect.

    A link is mailed to them that works once, for a week. An earlier invitation to the same address ends.
    """
    asked = await context.body(schemas.NewMember)
    account_id = await account_of(context)
    made = await members.invite(context.deps, account_id, asked.email, MemberRole(asked.role), context.actor)
    return json_response(public_invitation(made.invitation, made.url), status=201)


async def revoke_invitation(context: RequestContext) -> Response:
    """Revokes an invitation: its link leads nowhere any more."""
    await members.revoke(context.deps, await account_of(context), context.part("invitationId"), context.actor)
    return Response(status_code=204)


async def change_member(context: RequestContext) -> Response:
    """Sets the role of a member, which their open sessions have at once."""
    role = MemberRole((await context.body(schemas.MemberChange)).role)
    account_id = await account_of(context)
    member = await members.change_role(context.deps, account_id, context.part("memberId"), role, context.actor)
    return json_response(public_member(member))


async def remove_member(context: RequestContext) -> Response:
    """Removes a member, whose sessions end at once.

    Whoever comes by the provider's claim or by a rule as well may sign in again: that is ended at the provider, or by
    another rule.
    """
    await members.remove(context.deps, await account_of(context), context.part("memberId"), context.actor)
    return Response(status_code=204)


def public_member(member: Member) -> schemas.MemberOut:
    """Return a member as the API shows them."""
    return schemas.MemberOut(
        id=member.id,
        email=member.email,
        subject=member.subject,
        role=member.role.value,
        created_at=member.created_at,
        invited_by=member.invited_by,
        signed_in_at=given(member.signed_in_at),
    )


def public_invitation(invitation: Invitation, url: str | None = None) -> schemas.InvitationOut:
    """Return an invitation as the API shows it, with its link where it was made just now and not mailed."""
    return schemas.InvitationOut(
        id=invitation.id,
        email=invitation.email,
        role=invitation.role.value,
        created_at=invitation.created_at,
        ends_at=invitation.ends_at,
        invited_by=invitation.invited_by,
        url=given(url),
    )


INVITE_FAULTS = (Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT, Kind.PROVIDER_FAILED)
PEOPLE, OPERATORS = "People", "Accounts (operator)"
ENDPOINTS = (
    Endpoint(
        method="GET", path="/members", serve=list_members, access=Access.READ, topic=PEOPLE, answer=schemas.PeopleOut,
    ),
    Endpoint(
        method="PATCH", path="/members/{memberId}", serve=change_member, access=Access.FULL, topic=PEOPLE,
        answer=schemas.MemberOut, body=schemas.MemberChange, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="DELETE", path="/members/{memberId}", serve=remove_member, access=Access.FULL, topic=PEOPLE,
        statuses=(204,), faults=(Kind.NOT_FOUND,), free=True,
    ),
    Endpoint(
        method="POST", path="/invitations", serve=invite_member, access=Access.FULL, topic=PEOPLE,
        answer=schemas.InvitationOut, body=schemas.NewMember, statuses=(201,), faults=INVITE_FAULTS,
    ),
    Endpoint(
        method="DELETE", path="/invitations/{invitationId}", serve=revoke_invitation, access=Access.FULL, topic=PEOPLE,
        statuses=(204,), faults=(Kind.NOT_FOUND,), free=True,
    ),
    Endpoint(
        method="GET", path="/accounts/{accountId}/members", serve=list_members, access=Access.OPERATOR,
        topic=OPERATORS, answer=schemas.PeopleOut, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="PATCH", path="/accounts/{accountId}/members/{memberId}", serve=change_member, access=Access.OPERATOR,
        topic=OPERATORS, answer=schemas.MemberOut, body=schemas.MemberChange, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="DELETE", path="/accounts/{accountId}/members/{memberId}", serve=remove_member, access=Access.OPERATOR,
        topic=OPERATORS, statuses=(204,), faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="POST", path="/accounts/{accountId}/invitations", serve=invite_member, access=Access.OPERATOR,
        topic=OPERATORS, answer=schemas.InvitationOut, body=schemas.NewMember, statuses=(201,), faults=INVITE_FAULTS,
    ),
    Endpoint(
        method="DELETE", path="/accounts/{accountId}/invitations/{invitationId}", serve=revoke_invitation,
        access=Access.OPERATOR, topic=OPERATORS, statuses=(204,), faults=(Kind.NOT_FOUND,),
    ),
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
