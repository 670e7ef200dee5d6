"""What of an account's history goes into its file, and how much of it is taken from one."""

from pathlib import Path

import pytest

from letterhead.adapters.recipient import HpkeRecipient, HpkeSealer
from letterhead.core.secret import Secret
from letterhead.errors import Fault
from letterhead.operations import account_archive, account_export, domains
from tests.operations.world import OPERATOR, World, opened


async def exported(world: World) -> list[bytes]:
    """Return the lines of the account."""
    recipient = HpkeRecipient(Secret(b"a" * 32)).public_text
    sealer = HpkeSealer(recipient)
    lines = account_export.export_account(world.deps, world.account.id, recipient, sealer, OPERATOR)
    return [line async for line in lines]


async def test_the_newest_events_of_the_domains_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a deleted domain are left out, and the oldest beyond the limit; a file with more is refused."""
    async with opened(tmp_path) as world:
        for sender in ("gone.test", "a.test", "b.test", "c.test"):
            await world.add(sender)
        await domains.delete_domain(world.deps, world.account.id, "gone.test", OPERATOR)
        whole = await exported(world)
        events = account_archive.read_archive(whole).events
        assert {each.event.sender for each in events} == {"a.test", "b.test", "c.test"}
        for module in (account_archive, account_export):
            monkeypatch.setattr(module, "MOST_EVENTS", 2)
        assert account_archive.read_archive(await exported(world)).events == events[-2:]
        with pytest.raises(Fault, match="more than 2 events"):
            account_archive.read_archive(whole)
