"""What leaves a row behind is bounded by account and day: sessions, API keys, set-up links, tests of webhooks."""

from pathlib import Path

import pytest

from letterhead.core.accounts.accounts import Scope
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, daily_limits, sessions, setup_links
from letterhead.operations.accounts import NewKeyRequest
from letterhead.operations.daily_limits import count_daily
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, Clock, World, opened


async def count_until_refused(world: World, clock: Clock, most: int) -> int:
    """Count until it is refused, and tell how often that went well."""
    for made in range(most + 2):
        try:
            await count_daily(world.deps, world.account.id, "sessions", most)
        except Fault as fault:
            assert fault.kind is Kind.TOO_MANY_REQUESTS
            assert fault.retry_after
            assert "This account has made" in fault.detail
            assert fault.fix
            return made
    return most + 2


async def test_so_many_a_day_and_then_evenly(tmp_path: Path, clock: Clock) -> None:
    """All at once, then one in each part of the day, and all again after a day; another account has its own."""
    async with opened(tmp_path, Overrides(now=clock)) as world:
        assert await count_until_refused(world, clock, 12) == 12
        other = await world.other("other")
        assert await count_until_refused(other, clock, 12) == 12
        clock.turn(hours=2)
        assert await count_until_refused(world, clock, 12) == 1
        clock.turn(hours=24)
        assert await count_until_refused(world, clock, 12) == 12


async def test_each_of_them_is_counted(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next key, session and link is refused, and leaves neither a row nor an entry in the audit."""
    for module, name in ((accounts, "KEYS_A_DAY"), (sessions, "SESSIONS_A_DAY"), (setup_links, "LINKS_A_DAY")):
        assert getattr(module, name) == getattr(daily_limits, name)
        monkeypatch.setattr(module, name, 2)
    async with opened(tmp_path, Overrides(now=clock)) as world:
        await world.add("acme.test")
        deps, account_id = world.deps, world.account.id
        caller = await accounts.caller_of(deps, world.key, "127.0.0.1")
        key = NewKeyRequest(name="k", scope=Scope.READ)
        for make in (
            lambda: accounts.make_key(deps, account_id, OPERATOR, key),
            lambda: sessions.sign_in(deps, caller, OPERATOR),
            lambda: setup_links.make_link(deps, account_id, "acme.test", 7, OPERATOR),
        ):
            for _ in range(2):
                await make()
            before = len(await deps.store.audit_rows(None, None, 100))
            with pytest.raises(Fault, match="within a day"):
                await make()
            assert len(await deps.store.audit_rows(None, None, 100)) == before
