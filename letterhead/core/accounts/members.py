"""The people of an account: members and their roles, invitations, and the rules by which others may sign in."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.accounts.accounts import Scope, allows

INVITED_FOR: Final = timedelta(days=7)
MOST_MEMBERS, MOST_INVITATIONS, MOST_RULES = 500, 100, 100  # of one account


class MemberRole(StrEnum):
    """What a person may do in an account: look, change domains and webhooks, or all."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"


SCOPES: Final[Mapping[MemberRole, Scope]] = {
    MemberRole.VIEWER: Scope.READ,
    MemberRole.EDITOR: Scope.WRITE,
    MemberRole.OWNER: Scope.FULL,
}


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A person of an account, who is known by the provider's name for them; `email` is what they were invited by."""

    id: str
    account_id: str
    issuer: str
    subject: str
    email: str
    role: MemberRole
    created_at: datetime
    invited_by: str
    signed_in_at: datetime | None = None


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation without its token: whoever accepts it until `ends_at` becomes a member."""

    id: str
    account_id: str
    email: str
    role: MemberRole
    created_at: datetime
    ends_at: datetime
    invited_by: str


class SignInRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who else may sign in to an account, with which role: people of a mail domain, and people of a group."""

    email_domains: Mapping[str, MemberRole]
    groups: Mapping[str, MemberRole]


class MatchedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of an account that a person meets."""

    account_id: str
    role: MemberRole


class AccountAccess(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may do in one account; with the id of their membership, where they have one."""

    account_id: str
    scope: Scope
    member_id: str | None = None


def list_accesses(
    members: Iterable[Member], claimed: Mapping[str, Scope], matched: Iterable[MatchedRule]
) -> Sequence[AccountAccess]:
    """Return which accounts a person may enter, in the order of their ids.

    A membership counts before the provider's claim of an account, that before the rules; of several rules the widest.
    """
    found: dict[str, AccountAccess] = {}
    for rule in matched:
        known, scope = found.get(rule.account_id), SCOPES[rule.role]
        if known is None or allows(scope, known.scope):
            found[rule.account_id] = AccountAccess(account_id=rule.account_id, scope=scope)
    for account_id, scope in claimed.items():
        found[account_id] = AccountAccess(account_id=account_id, scope=scope)
    for member in members:
        found[member.account_id] = AccountAccess(
            account_id=member.account_id, scope=SCOPES[member.role], member_id=member.id
        )
    return [found[account_id] for account_id in sorted(found)]


def is_last_owner(members: Iterable[Member], rules: SignInRules, member_id: str) -> bool:
    """Tell whether a member is the only person by whom the account's people can be managed."""
    owners = [each.id for each in members if each.role is MemberRole.OWNER]
    by_rule = MemberRole.OWNER in (*rules.email_domains.values(), *rules.groups.values())
    return owners == [member_id] and not by_rule
