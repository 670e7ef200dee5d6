"""The store keeps the people of accounts, on both engines: members, invitations, rules, and sessions that follow."""

import asyncio

import pytest
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Caller, Scope, Session
from letterhead.core.accounts.members import Invitation, Member, MemberRole, SignInRules
from letterhead.errors import Fault, Kind
from tests.contracts.samples import NOW, Shop, audit, fresh_id, later

ISSUER = "https://id.example.net"


def invitation(account_id: str, email: str = "ada@acme.dev", role: MemberRole = MemberRole.EDITOR) -> Invitation:
    """Make an invitation for a week."""
    return Invitation(
        id=fresh_id("inv"), account_id=account_id, email=email, role=role, created_at=NOW, ends_at=later(days=7),
        invited_by="key_1",
    )  # fmt: skip


def member(account_id: str, subject: str, role: MemberRole = MemberRole.EDITOR) -> Member:
    """Make a member."""
    return Member(
        id=fresh_id("mem"), account_id=account_id, issuer=ISSUER, subject=subject, email=f"{subject}@acme.dev",
        role=role, created_at=NOW, invited_by="key_1",
    )  # fmt: skip


async def joined(shop: Shop, account_id: str, subject: str, role: MemberRole = MemberRole.EDITOR) -> Member:
    """Add a member, as an invitation does."""
    added, digest = member(account_id, subject, role), fresh_id("digest").encode()
    assert await shop.store.add_invitation(invitation(account_id, added.email), digest, 5, audit())
    assert await shop.store.accept_invitation(digest, added, 5, audit())
    return added


async def test_an_invitation_is_accepted_once(shop: Shop) -> None:
    """Whoever is first becomes a member, also where several come at once; another digest finds nothing."""
    mine = (await shop.account()).id
    asked = invitation(mine)
    assert await shop.store.add_invitation(asked, b"token", 5, audit())
    assert await shop.store.invitation(b"token") == asked
    assert await shop.store.invitation(b"other") is None
    assert await shop.store.invitations(mine, NOW) == [asked]
    people = [member(mine, f"p{number}") for number in range(6)]
    took = await asyncio.gather(*(shop.store.accept_invitation(b"token", each, 5, audit()) for each in people))
    assert sorted(took) == [False] * 5 + [True]
    assert await shop.store.members(mine) == [people[took.index(True)]]
    assert await shop.store.invitations(mine, NOW) == []


async def test_an_invitation_that_ended_or_was_revoked_lets_nobody_in(shop: Shop) -> None:
    """The time counts, and so does its deletion by its own account alone."""
    mine, other = (await shop.account()).id, (await shop.account()).id
    first, second = invitation(mine), invitation(mine, "bob@acme.dev")
    await shop.store.add_invitation(first, b"1", 5, audit())
    await shop.store.add_invitation(second, b"2", 5, audit())
    late = replace(member(mine, "ada"), created_at=later(days=7))
    assert not await shop.store.accept_invitation(b"1", late, 5, audit())
    assert not await shop.store.delete_invitation(other, second.id, audit())
    assert await shop.store.delete_invitation(mine, second.id, audit("invitation.revoke"))
    assert not await shop.store.accept_invitation(b"2", member(mine, "bob"), 5, audit())
    assert await shop.store.members(mine) == []
    assert await shop.store.invitations(mine, later(days=7)) == []
    assert await shop.store.prune_invitations(later(days=7)) == 0
    assert await shop.store.prune_invitations(later(days=8)) == 1
    assert await shop.store.invitation(b"1") is None


async def test_one_address_has_one_invitation_and_an_account_few(shop: Shop) -> None:
    """A new one takes the place of the old one, however it is written; beyond the most none is added or lost."""
    mine = (await shop.account()).id
    assert await shop.store.add_invitation(invitation(mine), b"1", 2, audit())
    again = invitation(mine, "Ada@ACME.dev", MemberRole.VIEWER)
    assert await shop.store.add_invitation(again, b"2", 2, audit())
    assert await shop.store.invitations(mine, NOW) == [again]
    assert await shop.store.add_invitation(invitation(mine, "b@acme.dev"), b"3", 2, audit())
    assert not await shop.store.add_invitation(invitation(mine, "c@acme.dev"), b"4", 2, audit())
    assert len(await shop.store.invitations(mine, NOW)) == 2


async def test_a_person_is_a_member_once(shop: Shop) -> None:
    """A second invitation of the same person is refused and stays; other issuers' people of that name are others."""
    mine = (await shop.account()).id
    ada = await joined(shop, mine, "ada")
    await shop.store.add_invitation(invitation(mine), b"again", 5, audit())
    with pytest.raises(Fault) as refused:
        await shop.store.accept_invitation(b"again", member(mine, "ada"), 5, audit())
    assert refused.value.kind is Kind.CONFLICT
    assert await shop.store.invitation(b"again") is not None
    assert await shop.store.memberships(ISSUER, "ada") == [ada]
    assert await shop.store.memberships("https://evil.example", "ada") == []
    with pytest.raises(Fault) as full:
        await shop.store.accept_invitation(b"again", member(mine, "bob"), 1, audit())
    assert full.value.kind is Kind.CONFLICT


async def session_of(shop: Shop, added: Member) -> bytes:
    """Open a session of a member."""
    account = await shop.store.account(added.account_id)
    assert account is not None
    name = f"openid:{added.subject}"
    caller = Caller(account_id=account.id, key_id=name, scope=Scope.READ, limits=account.limits)
    opened = Session(
        caller=caller, mark=name.encode(), member_id=added.id, created_at=later(hours=1), ends_at=later(hours=2)
    )
    digest = fresh_id("session").encode()
    await shop.store.add_session(opened, digest, audit())
    return digest


async def test_sessions_follow_their_member(shop: Shop) -> None:
    """They have the role's scope from the first moment, another after a change, and end with the membership."""
    mine, other = (await shop.account()).id, (await shop.account()).id
    ada, bob = await joined(shop, mine, "ada", MemberRole.OWNER), await joined(shop, mine, "bob", MemberRole.EDITOR)
    of_ada, of_bob = await session_of(shop, ada), await session_of(shop, bob)
    assert (await shop.store.members(mine))[0].signed_in_at == later(hours=1)

    async def scopes() -> list[Scope | None]:
        found = [await shop.store.session(each) for each in (of_ada, of_bob)]
        return [each.caller.scope if each is not None and each.caller is not None else None for each in found]

    assert await scopes() == [Scope.FULL, Scope.WRITE]
    assert not await shop.store.change_member(other, bob.id, MemberRole.VIEWER, True, audit())
    assert not await shop.store.change_member(other, bob.id, None, True, audit())
    assert await shop.store.change_member(mine, bob.id, MemberRole.VIEWER, False, audit())
    assert await scopes() == [Scope.FULL, Scope.READ]
    assert await shop.store.change_member(mine, bob.id, None, False, audit("member.remove"))
    assert await scopes() == [Scope.FULL, None]
    with pytest.raises(Fault) as gone:
        await session_of(shop, bob)
    assert gone.value.kind is Kind.UNAUTHORIZED


async def test_the_last_owner_stays_unless_a_rule_makes_one(shop: Shop) -> None:
    """Two who go at once leave one; whoever holds a key, or the operator, may take the last one away."""
    mine = (await shop.account()).id
    both = [await joined(shop, mine, name, MemberRole.OWNER) for name in ("ada", "bob")]
    await joined(shop, mine, "eve", MemberRole.EDITOR)
    left = await asyncio.gather(
        *(shop.store.change_member(mine, each.id, None, False, audit()) for each in both), return_exceptions=True
    )
    assert sorted(isinstance(each, Fault) for each in left) == [False, True]
    (last,) = [each for each in await shop.store.members(mine) if each.role is MemberRole.OWNER]
    with pytest.raises(Fault):
        await shop.store.change_member(mine, last.id, MemberRole.EDITOR, False, audit())
    assert await shop.store.change_member(mine, last.id, MemberRole.OWNER, False, audit())
    await shop.store.set_sign_in_rules(mine, SignInRules(email_domains={}, groups={"x": MemberRole.OWNER}), audit())
    assert await shop.store.change_member(mine, last.id, MemberRole.EDITOR, False, audit())
    await shop.store.set_sign_in_rules(mine, SignInRules(email_domains={}, groups={}), audit())
    assert await shop.store.change_member(mine, last.id, MemberRole.OWNER, False, audit())
    assert await shop.store.change_member(mine, last.id, None, True, audit())


async def test_rules_are_matched_by_domain_and_group(shop: Shop) -> None:
    """Each for its kind alone, of all accounts; and all goes with the account."""
    mine, other = (await shop.account()).id, (await shop.account()).id
    name, group = fresh_id("d"), fresh_id("g")
    rules = SignInRules(
        email_domains={f"{name}.dev": MemberRole.VIEWER},
        groups={group: MemberRole.OWNER, f"{group} 2": MemberRole.EDITOR},
    )
    assert await shop.store.set_sign_in_rules(mine, rules, audit())
    assert await shop.store.set_sign_in_rules(
        other, SignInRules(email_domains={}, groups={group: MemberRole.VIEWER}), audit()
    )
    assert await shop.store.sign_in_rules(mine) == rules
    assert not await shop.store.set_sign_in_rules("acc_none", rules, audit())

    async def found(domain: str | None, *groups: str) -> list[tuple[str, MemberRole]]:
        return sorted((each.account_id, each.role) for each in await shop.store.matching_rules(domain, groups))

    assert await found(None) == []
    assert await found(f"{name}.dev") == [(mine, MemberRole.VIEWER)]
    assert await found(group, f"{name}.dev") == []
    assert await found(None, "x", group) == sorted([(mine, MemberRole.OWNER), (other, MemberRole.VIEWER)])
    await joined(shop, mine, "ada")
    await shop.store.add_invitation(invitation(mine, "b@acme.dev"), fresh_id("t").encode(), 5, audit())
    counted = await shop.store.count_account_rows(mine)
    assert [counted[each] for each in ("members", "invitations", "sign_in_rules")] == [1, 1, 3]
    assert await shop.store.delete_account(mine, audit()) is not None
    assert await found(None, group) == [(other, MemberRole.VIEWER)]
    assert await shop.store.members(mine) == []
