"""The people of accounts, their invitations, and the rules by which others sign in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from letterhead.core.accounts.members import Invitation, MatchedRule, Member, MemberRole, SignInRules
from letterhead.ports.store.accounts import AuditRow


class MemberStore(Protocol):
    """The people of accounts, their invitations, and the rules by which others sign in."""

    async def members(self, account_id: str) -> list[Member]:
        """Return the members of an account, the oldest first."""
        ...

    async def memberships(self, issuer: str, subject: str) -> list[Member]:
        """Return the memberships of one person in all accounts."""
        ...

    async def change_member(
        self, account_id: str, member_id: str, role: MemberRole | None, may_be_last: bool, audit: AuditRow
    ) -> bool:
        """Give a member another role, which their sessions follow, or with None remove them with their sessions.

        Return false where the account has no such member. Raise Fault `conflict` where it would be left without an
        owner and without a rule that makes one, unless `may_be_last`.
        """
        ...

    async def invitations(self, account_id: str, now: datetime) -> list[Invitation]:
        """Return the invitations of an account that have not ended, the oldest first."""
        ...

    async def add_invitation(self, invitation: Invitation, digest: bytes, most: int, audit: AuditRow) -> bool:
        """Add an invitation in the place of those to the same address; return false where the account has `most`."""
        ...

    async def invitation(self, digest: bytes) -> Invitation | None:
        """Return an invitation by its token's digest, ended or not."""
        ...

    async def accept_invitation(self, digest: bytes, member: Member, most: int, audit: AuditRow) -> bool:
        """Add a member and delete their invitation; return false where it was accepted or revoked meanwhile.

        Raise Fault `conflict` for a person who is a member already, and where the account has `most` members.
        """
        ...

    async def delete_invitation(self, account_id: str, invitation_id: str, audit: AuditRow) -> bool:
        """Delete an invitation; return false where the account has no such one."""
        ...

    async def sign_in_rules(self, account_id: str) -> SignInRules:
        """Return the rules of an account."""
        ...

    async def set_sign_in_rules(self, account_id: str, rules: SignInRules, audit: AuditRow) -> bool:
        """Replace the rules of an account, and end the sessions of people who are no members.

        Return false where there is no such account.
        """
        ...

    async def matching_rules(self, email_domain: str | None, groups: Sequence[str]) -> list[MatchedRule]:
        """Return the rules of all accounts that somebody of this mail domain and these groups meets."""
        ...
