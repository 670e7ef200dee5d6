"""The people of an account: invite, list, change and remove them; accept an invitation after signing in with OpenID."""

import base64
from datetime import timedelta
from typing import Final, Protocol

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account
from letterhead.core.accounts.members import (
    INVITED_FOR,
    MOST_INVITATIONS,
    MOST_MEMBERS,
    SCOPES,
    AccountAccess,
    Invitation,
    Member,
    MemberRole,
    SignInRules,
)
from letterhead.core.schedule.reminder_mail import invitation_email
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import find_account
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.daily_limits import count_daily
from letterhead.operations.ids import new_id
from letterhead.operations.mail_limits import count_mail, parse_recipient
from letterhead.operations.openid_sign_in import OpenIdSignInNeeds, SignedInPerson, enter
from letterhead.ports.mail import DeliveryResult, Mailer
from letterhead.ports.sign_in import SignIn

log = structlog.get_logger()

PATH: Final = "/invitation/"
INVITED_A_DAY: Final = 500
_TOKEN_OCTETS: Final = 24


class MemberNeeds(OpenIdSignInNeeds, Protocol):
    """What the people of an account need."""

    @property
    def mailer(self) -> Mailer | None: ...
    @property
    def sign_in(self) -> SignIn | None: ...


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Who may sign in to an account: its members, whom it has invited, and by which rules others may."""

    members: list[Member]
    invitations: list[Invitation]
    rules: SignInRules


class NewInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """A new invitation; `url` is None where it was mailed, and else shown only this once."""

    invitation: Invitation
    url: str | None


async def list_people(deps: MemberNeeds, account_id: str) -> People:
    """Return who may sign in to an account; Fault `not-found`."""
    account = await find_account(deps, account_id)
    return People(
        members=await deps.store.members(account.id),
        invitations=await deps.store.invitations(account.id, deps.now()),
        rules=await deps.store.sign_in_rules(account.id),
    )


async def invite(deps: MemberNeeds, account_id: str, email: str, role: MemberRole, actor: Actor) -> NewInvitation:
    """Invite somebody to an account, by mail where a mail server is set; an earlier invitation of theirs ends.

    Faults: `not-found`, `parameter-invalid` for the address, `conflict` where nobody could accept it or there are too
    many, `too-many-requests`, `provider-failed` where the mail server did not take the message.
    """
    account = await find_account(deps, account_id)
    if deps.sign_in is None:
        raise Fault(
            Kind.CONFLICT,
            "Nobody could accept an invitation: no OpenID Connect provider is set.",
            "Make an API key for them, or ask the operator to set LETTERHEAD_OIDC_ISSUER (docs/openid.md).",
        )
    to = parse_recipient(email)
    await count_daily(deps, account_id, "invitations", INVITED_A_DAY)
    if deps.mailer is not None:
        await count_mail(deps, account_id, to)
    token = base64.urlsafe_b64encode(deps.random_octets(_TOKEN_OCTETS)).decode().rstrip("=")
    invitation = Invitation(
        id=new_id(deps, "inv"),
        account_id=account_id,
        email=to,
        role=role,
        created_at=deps.now(),
        ends_at=deps.now() + INVITED_FOR,
        invited_by=actor.name,
    )
    row = audit_row(deps, actor, "member.invite", f"{account_id} {to} as {role}")
    if not await deps.store.add_invitation(invitation, _digest(deps, token), MOST_INVITATIONS, row):
        raise Fault(
            Kind.CONFLICT,
            f"The account has {MOST_INVITATIONS} invitations that nobody has accepted yet, and may have no more.",
            "Revoke one with DELETE /invitations/{invitationId}.",
        )
    url = f"{deps.policy.public_url}{PATH}{token}"
    if deps.mailer is None:
        return NewInvitation(invitation=invitation, url=url)
    name = f"{invitation.id}.{deps.policy.installation}"
    sent = await deps.mailer.send(invitation_email(to, name, deps.policy.brand_name, account.name, url))
    if sent.result not in (DeliveryResult.ACCEPTED, DeliveryResult.UNKNOWN):
        row = audit_row(deps, actor, "member.uninvite", f"{account_id} {to}: {sent.result}")
        await deps.store.delete_invitation(account_id, invitation.id, row)
        detail = f"The mail server did not take the message to {to}, so nobody is invited."
        raise Fault(Kind.PROVIDER_FAILED, detail, "Check the address, or try later.")
    return NewInvitation(invitation=invitation, url=None)


def _digest(deps: MemberNeeds, token: str) -> bytes:
    return deps.digest(f"invitation|{token}")


async def revoke(deps: MemberNeeds, account_id: str, invitation_id: str, actor: Actor) -> None:
    """Revoke an invitation; Fault `not-found`."""
    row = audit_row(deps, actor, "member.uninvite", f"{account_id} {invitation_id[:80]}")
    if not await deps.store.delete_invitation(account_id, invitation_id, row):
        raise Fault(
            Kind.NOT_FOUND,
            f"This account has no invitation {invitation_id[:80]!r}.",
            "Look at GET /members for its invitations: one that was accepted is a member now.",
        )


async def change_role(
    deps: MemberNeeds, account_id: str, member_id: str, role: MemberRole, actor: Actor, *, by_member: bool = False
) -> Member:
    """Give a member another role, which their sessions have at once.

    Faults: `not-found`, `conflict` where a member (`by_member`) would leave the account without an owner.
    """
    row = audit_row(deps, actor, "member.change", f"{account_id} {member_id[:80]} to {role}")
    if not await deps.store.change_member(account_id, member_id, role, not by_member, row):
        raise _no_member(member_id)
    return await find_member(deps, account_id, member_id)


async def remove(deps: MemberNeeds, account_id: str, member_id: str, actor: Actor, *, by_member: bool = False) -> None:
    """Remove a member, whose sessions end at once; Faults as `change_role`."""
    row = audit_row(deps, actor, "member.remove", f"{account_id} {member_id[:80]}")
    if not await deps.store.change_member(account_id, member_id, None, not by_member, row):
        raise _no_member(member_id)


async def find_member(deps: MemberNeeds, account_id: str, member_id: str) -> Member:
    """Find a member of an account; Fault `not-found`."""
    found = next((each for each in await deps.store.members(account_id) if each.id == member_id), None)
    if found is None:
        raise _no_member(member_id)
    return found


def _no_member(member_id: str) -> Fault:
    return Fault(
        Kind.NOT_FOUND, f"This account has no member {member_id[:80]!r}.", "Look at GET /members for its members."
    )


async def find_invitation(deps: MemberNeeds, token: str) -> tuple[Invitation, Account]:
    """Find the invitation of a link, and its account; Fault `not-found` for one that was used, revoked, or is over."""
    invitation = await deps.store.invitation(_digest(deps, token))
    account = None if invitation is None else await deps.store.account(invitation.account_id)
    if invitation is None or account is None or deps.now() >= invitation.ends_at:
        raise _dead_invitation()
    return invitation, account


def _dead_invitation() -> Fault:
    return Fault(
        Kind.NOT_FOUND,
        f"This invitation was used or revoked, is over {INVITED_FOR // timedelta(days=1)} days old, or is not whole.",
        "Take the whole link from the newest message, or ask whoever invited you to do so again. If you have accepted "
        "it, sign in.",
    )


def check_invited(invitation: Invitation, person: SignedInPerson) -> None:
    """Check that a person is who was invited, where the provider vouches for their address; Fault `conflict`.

    Where it does not, whoever has the link may accept it: it was sent to that address alone.
    """
    if person.email is None or person.email.casefold() == invitation.email.casefold():
        return
    log.warning("openid.refused", code="invitation-of-another", subject=person.subject[:200])
    raise Fault(
        Kind.CONFLICT,
        "This invitation is for another address than the one that you are signed in with.",
        "Sign out at your provider and in again with the address that the invitation came to, or ask for one to yours.",
        provider="openid",
        provider_code="invitation-of-another",
    )


async def accept(deps: MemberNeeds, token: str, person: SignedInPerson, actor: Actor) -> str:
    """Make a person a member, once, and return the token of their session in the account.

    Faults: `not-found`, `conflict` for another address, a member already, or too many members.
    """
    invitation, account = await find_invitation(deps, token)
    check_invited(invitation, person)
    member = Member(
        id=new_id(deps, "mem"),
        account_id=account.id,
        issuer=person.issuer,
        subject=person.subject,
        email=invitation.email,
        role=invitation.role,
        created_at=deps.now(),
        invited_by=invitation.invited_by,
    )
    actor = replace(actor, name=f"openid:{person.subject[:200]}", account_id=account.id)
    row = audit_row(deps, actor, "member.join", f"{account.id} {member.id} {invitation.email} as {invitation.role}")
    if not await deps.store.accept_invitation(_digest(deps, token), member, MOST_MEMBERS, row):
        raise _dead_invitation()
    access = AccountAccess(account_id=account.id, scope=SCOPES[member.role], member_id=member.id)
    return await enter(deps, replace(person, accesses=(access,)), account.id, actor)
