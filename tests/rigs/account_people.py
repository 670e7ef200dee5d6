"""Plant the people of an account: a member, and an invitation that nobody has accepted, with a canary in each."""

from datetime import timedelta

from letterhead.core.accounts.members import Invitation, Member, MemberRole
from letterhead.ports.deps import Deps
from tests.contracts.samples import audit

MEMBER, WAITING = f"mem_{'ca' * 12}", f"inv_{'ca' * 12}"


async def plant_people(deps: Deps, account_id: str) -> dict[str, str]:
    """Give an account both, and their ids by the parameter of a path that they fit."""
    now, store, row = deps.now(), deps.store, audit()
    accepted = f"inv_{'cb' * 12}"
    for each in (accepted, WAITING):
        invitation = Invitation(
            id=each, account_id=account_id, email=f"{each}@canary.dev", role=MemberRole.OWNER, created_at=now,
            ends_at=now + timedelta(days=7), invited_by="key_canary",
        )  # fmt: skip
        assert await store.add_invitation(invitation, each.encode(), 5, row)
    member = Member(
        id=MEMBER, account_id=account_id, issuer="https://id.canary.dev", subject="canary", email="member@canary.dev",
        role=MemberRole.OWNER, created_at=now, invited_by="key_canary",
    )  # fmt: skip
    assert await store.accept_invitation(accepted.encode(), member, 5, row)
    return {"memberId": MEMBER, "invitationId": WAITING}
