"""The people of accounts, their invitations, and the rules by which others sign in, in SQL."""

from collections.abc import Sequence
from datetime import datetime

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine, SqlValue
from letterhead.core.accounts.members import (
    SCOPES,
    Invitation,
    MatchedRule,
    Member,
    MemberRole,
    SignInRules,
    is_last_owner,
)
from letterhead.errors import Fault, Kind
from letterhead.ports.store.accounts import AuditRow

_EMAIL_DOMAIN, _GROUP = "email-domain", "group"


class SqlMembers:
    """The SQL implementation of `MemberStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def members(self, account_id: str) -> list[Member]:
        """Return the members of an account, the oldest first."""
        return [_member(row) for row in await self._engine.read("members", account_id=account_id)]

    async def memberships(self, issuer: str, subject: str) -> list[Member]:
        """Return the memberships of one person in all accounts."""
        return [_member(row) for row in await self._engine.read("memberships", issuer=issuer, subject=subject)]

    async def change_member(
        self, account_id: str, member_id: str, role: MemberRole | None, may_be_last: bool, audit: AuditRow
    ) -> bool:
        """Give a member another role, which their sessions follow, or with None remove them with their sessions.

        Return false where the account has no such member. Raise Fault `conflict` where it would be left without an
        owner and without a rule that makes one, unless `may_be_last`.
        """

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=account_id)  # two owners at a time would not see each other go
            if role is not MemberRole.OWNER and not may_be_last:
                members = [_member(row) for row in await session.rows("members", account_id=account_id)]
                rules = _rules(await session.rows("sign_in_rules", account_id=account_id))
                if is_last_owner(members, rules, member_id):
                    raise Fault(
                        Kind.CONFLICT,
                        "You are the last owner of this account: without you no person could manage it any more.",
                        "Make somebody else an owner first. With an API key of the scope full you can still be "
                        "removed, and the operator can do it.",
                    )
            key = {"account_id": account_id, "id": member_id}
            if role is None:
                if not await session.rows("delete_member", **key):
                    return False
                await session.rows("end_members_sessions", member_id=member_id)
            else:
                if not await session.rows("change_member_role", role=role.value, **key):
                    return False
                await session.rows("change_members_sessions", member_id=member_id, scope=SCOPES[role].value)
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def invitations(self, account_id: str, now: datetime) -> list[Invitation]:
        """Return the invitations of an account that have not ended, the oldest first."""
        found = await self._engine.read("invitations", account_id=account_id, now=rows.ms(now))
        return [_invitation(row) for row in found]

    async def add_invitation(self, invitation: Invitation, digest: bytes, most: int, audit: AuditRow) -> bool:
        """Add an invitation in the place of those to the same address; return false where the account has `most`."""
        account_id = invitation.account_id

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=account_id)
            await session.rows("delete_invitations_to", account_id=account_id, email=invitation.email)
            now = rows.ms(invitation.created_at)
            if len(await session.rows("invitations", account_id=account_id, now=now)) >= most:
                return False
            await session.rows(
                "add_invitation",
                id=invitation.id,
                account_id=account_id,
                email=invitation.email,
                role=invitation.role.value,
                digest=digest,
                created_at=now,
                ends_at=rows.ms(invitation.ends_at),
                invited_by=invitation.invited_by,
            )
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def invitation(self, digest: bytes) -> Invitation | None:
        """Return an invitation by its token's digest, ended or not."""
        return next((_invitation(row) for row in await self._engine.read("invitation", digest=digest)), None)

    async def accept_invitation(self, digest: bytes, member: Member, most: int, audit: AuditRow) -> bool:
        """Add a member and delete their invitation; return false where it was accepted or revoked meanwhile.

        Raise Fault `conflict` for a person who is a member already, and where the account has `most` members.
        """

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=member.account_id)
            if not await session.rows("take_invitation", digest=digest, now=rows.ms(member.created_at)):
                return False
            if len(await session.rows("members", account_id=member.account_id)) >= most:
                raise Fault(
                    Kind.CONFLICT,
                    f"This account has {most} members, and may have no more.",
                    "Ask an owner to remove somebody, or the operator for a rule by mail domain or group.",
                )
            if not await session.rows("add_member", **member_values(member)):
                raise Fault(
                    Kind.CONFLICT,
                    "You are a member of this account already.",
                    "Sign in as always. To have another role, ask an owner of the account.",
                )
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def delete_invitation(self, account_id: str, invitation_id: str, audit: AuditRow) -> bool:
        """Delete an invitation; return false where the account has no such one."""

        async def work(session: DatabaseSession) -> bool:
            if not await session.rows("delete_invitation", account_id=account_id, id=invitation_id):
                return False
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def sign_in_rules(self, account_id: str) -> SignInRules:
        """Return the rules of an account."""
        return _rules(await self._engine.read("sign_in_rules", account_id=account_id))

    async def set_sign_in_rules(self, account_id: str, rules: SignInRules, audit: AuditRow) -> bool:
        """Replace the rules of an account, and end the sessions of people who are no members.

        Return false where there is no such account.
        """

        async def work(session: DatabaseSession) -> bool:
            if not await session.rows("lock_account", id=account_id):
                return False
            await session.rows("delete_sign_in_rules", account_id=account_id)
            for kind, mapped in ((_EMAIL_DOMAIN, rules.email_domains), (_GROUP, rules.groups)):
                for value, role in mapped.items():
                    await session.rows(
                        "add_sign_in_rule", kind=kind, value=value, account_id=account_id, role=role.value
                    )
            await session.rows("end_sessions_by_rules", account_id=account_id)
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def matching_rules(self, email_domain: str | None, groups: Sequence[str]) -> list[MatchedRule]:
        """Return the rules of all accounts that somebody of this mail domain and these groups meets."""
        found = await self._engine.read("matching_rules", email_domain=email_domain, groups=rows.json(list(groups)))
        return [MatchedRule(account_id=row["account_id"], role=MemberRole(row["role"])) for row in found]


def member_values(member: Member) -> dict[str, SqlValue]:
    """Return the columns of a member."""
    return {
        "id": member.id,
        "account_id": member.account_id,
        "issuer": member.issuer,
        "subject": member.subject,
        "email": member.email,
        "role": member.role.value,
        "created_at": rows.ms(member.created_at),
        "invited_by": member.invited_by,
        "signed_in_at": rows.maybe_ms(member.signed_in_at),
    }


def _member(row: DatabaseRow) -> Member:
    return Member(
        id=row["id"],
        account_id=row["account_id"],
        issuer=row["issuer"],
        subject=row["subject"],
        email=row["email"],
        role=MemberRole(row["role"]),
        created_at=rows.time(row["created_at"]),
        invited_by=row["invited_by"],
        signed_in_at=rows.maybe_time(row["signed_in_at"]),
    )


def _invitation(row: DatabaseRow) -> Invitation:
    return Invitation(
        id=row["id"],
        account_id=row["account_id"],
        email=row["email"],
        role=MemberRole(row["role"]),
        created_at=rows.time(row["created_at"]),
        ends_at=rows.time(row["ends_at"]),
        invited_by=row["invited_by"],
    )


def _rules(found: Sequence[DatabaseRow]) -> SignInRules:
    mapped: dict[str, dict[str, MemberRole]] = {_EMAIL_DOMAIN: {}, _GROUP: {}}
    for row in found:
        mapped[row["kind"]][row["value"]] = MemberRole(row["role"])
    return SignInRules(email_domains=mapped[_EMAIL_DOMAIN], groups=mapped[_GROUP])
