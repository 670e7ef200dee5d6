"""During a change of keys, with servers that are slow and disagree, no message is signed that does not verify."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import PlannedRecord, RecordId
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.core.secret import Secret
from letterhead.operations import rotations
from letterhead.operations.domains import plan_of
from letterhead.operations.rotations import NOTHING
from letterhead.web import WebSettings
from letterhead.web.app import create_app
from letterhead.wiring.assemble import Overrides
from tests.operations.test_real_dns import publish, record
from tests.operations.world import OPERATOR, Clock, World, noon, opened
from tests.rigs import signing
from tests.rigs.dns_lab import Authority, DnsLab
from tests.rigs.waiting import until_async
from tests.web.conftest import served

UNDER_WAY = timedelta(days=7)  # as long as a message may wait for its receiver
LATER = 25  # so many messages later each one is verified again


class Sender:
    """Signs with what `GET /domains` shows, again and again, and verifies at once and once more, later."""

    def __init__(self, lab: DnsLab, clock: Clock, url: str, key: str, sender: str) -> None:
        self.lab, self.clock, self.sender = lab, clock, sender
        self._client = httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        self.signed: Counter[str] = Counter()  # by selector
        self.verified = 0
        self.failed: list[str] = []
        self._sent: list[tuple[datetime, bytes]] = []

    @property
    def last(self) -> bytes:
        """Return the last message that was signed."""
        return self._sent[-1][1]

    async def run(self) -> None:
        """Go on until it is cancelled."""
        async with self._client:
            while True:
                await self.send()
                await asyncio.sleep(0.02)

    async def send(self) -> None:
        """Sign and verify one message, and one from before that is still under way."""
        (domain,) = (await self._client.get("/domains")).json()
        text = signing.message(self.sender, self.signed.total())
        selector = domain["selector"]
        whole = await asyncio.to_thread(signing.signed, text, self.sender, selector, domain["privateDKIMKey"])
        self.signed[selector] += 1
        self._sent.append((self.clock(), whole))
        await self._verify(whole, f"{selector} at once")
        at, older = self._sent[max(0, len(self._sent) - LATER)]
        if self.clock() - at < UNDER_WAY:
            await self._verify(older, f"signed at {at}, later")

    async def _verify(self, whole: bytes, what: str) -> None:
        self.verified += 1
        if not await asyncio.to_thread(signing.verifies, self.lab, whole):
            self.failed.append(f"{self.clock()}: {what}")


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test turns."""
    return Clock(noon())


@pytest.fixture
async def world(lab: DnsLab, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """Open an installation that asks the lab's servers."""
    dns = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
    }
    async with opened(tmp_path, Overrides(now=clock), **dns) as world:
        yield world


@contextlib.asynccontextmanager
async def sending(world: World, lab: DnsLab, clock: Clock, sender: str) -> AsyncIterator[Sender]:
    """Serve the API and let a sender go on beside the block, which ends with all verdicts in."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        token = Secret(b"an-operator-token-that-is-long-enough")
        settings = WebSettings(public_url=url, operator_token=token, rate=10_000, burst=10_000)
        async with served(create_app(world.deps, settings), listener):
            each = Sender(lab, clock, url, world.key, sender)
            task = asyncio.create_task(each.run())
            try:
                yield each
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def signed_more(each: Sender, number: int) -> None:
    """Wait until so many further messages were signed."""
    target = each.signed.total() + number
    await until_async(lambda: each.signed.total() >= target)


async def look(world: World, clock: Clock, sender: str, **by: float) -> Stage:
    """Turn the clock, look as the worker would, and say how far the change of keys is."""
    clock.turn(**by)
    domain = await world.look(sender)
    assert domain.dkim.state is HealthState.VERIFIED
    return rotation.stage(domain)


async def stuttering(server: Authority) -> None:
    """Make a server slow: it stops for a moment, again and again."""
    while True:
        with server.server.frozen():
            await asyncio.sleep(0.25)
        await asyncio.sleep(0.35)


def spoilt(record: PlannedRecord) -> str:
    """Return a key record that lacks a part of its key."""
    return f'"{record.value[:100]}" "{record.value[200:]}"'


@pytest.mark.timeout(600)
async def test_no_message_is_lost(lab: DnsLab, split_zone: str, world: World, clock: Clock) -> None:
    """Never a signature that fails, before, while and after the key changes; the switch comes when all serve it."""
    await world.add(split_zone)
    publish(lab, record(world, await world.domain(split_zone), RecordId.DKIM))
    lab.flush()
    assert (await world.look(split_zone)).dkim.state is HealthState.VERIFIED
    old = (await world.domain(split_zone)).selector
    async with sending(world, lab, clock, split_zone) as each:
        await signed_more(each, 10)
        await rotations.start(world.deps, world.account.id, split_zone, NOTHING, OPERATOR)
        new = record(world, await world.domain(split_zone), RecordId.DKIM_NEXT)
        await through_all_trouble(lab, world, clock, split_zone, new, each)
        assert set(each.signed) == {old}, "the new key signed before all servers had it"
        assert await look(world, clock, split_zone, minutes=1) is Stage.SEEN
        await signed_more(each, 15)
        slow = asyncio.create_task(stuttering(lab.ns2))
        assert await look(world, clock, split_zone, minutes=10) is Stage.SWITCHED
        await signed_more(each, 60)
        slow.cancel()
        await asyncio.wait([slow])
        assert each.signed[new.host.partition(".")[0]] >= 50
        await afterwards(lab, world, clock, split_zone, old, each)
    assert each.failed == []
    assert not signing.verifies(
        lab, each.last.replace(b"Hello", b"Hullo")
    )  # a verifier that takes all would show nothing
    assert each.signed.total() >= 200
    assert each.verified >= 300


async def through_all_trouble(
    lab: DnsLab, world: World, clock: Clock, zone: str, new: PlannedRecord, each: Sender
) -> None:
    """Publish the new key the way it goes in life; at none of these moments may it take over."""
    assert await look(world, clock, zone, minutes=15) is Stage.WAITING
    publish(lab, new, only=lab.ns1)  # the second server has not fetched the zone yet
    for _ in range(3):
        assert await look(world, clock, zone, minutes=15) is Stage.WAITING
        await signed_more(each, 10)
    with lab.ns2.server.frozen():  # nobody knows what it has
        assert await look(world, clock, zone, minutes=15) is Stage.WAITING
    await signed_more(each, 10)
    lab.publish(new.host, "TXT", spoilt(new), only=lab.ns2)  # a slip of the finger
    assert await look(world, clock, zone, minutes=15) is Stage.WAITING
    publish(lab, new)
    lab.flush()
    assert await look(world, clock, zone, minutes=15) is Stage.SEEN
    await signed_more(each, 10)
    lab.withdraw(new.host, "TXT", only=lab.ns2)  # one server went back to an older zone
    assert await look(world, clock, zone, minutes=9) is Stage.WAITING
    await signed_more(each, 10)
    publish(lab, new)
    lab.flush()


async def afterwards(lab: DnsLab, world: World, clock: Clock, zone: str, old: str, each: Sender) -> None:
    """Remove the old record once that is said to be safe, and not before."""
    assert rotation.removable_selectors(await world.domain(zone)) == ()
    await signed_more(each, 30)
    assert await look(world, clock, zone, days=7, minutes=1) is Stage.REMOVABLE
    assert rotation.removable_selectors(await world.domain(zone)) == (old,)
    await signed_more(each, 2 * LATER)  # what was signed with the old key has arrived
    lab.withdraw(f"{old}._domainkey.{zone}", "TXT")
    lab.flush()
    assert await look(world, clock, zone, minutes=1) is Stage.NONE
    await signed_more(each, 30)
    assert plan_of(world.deps, await world.domain(zone)).record(RecordId.DKIM_NEXT) is None
