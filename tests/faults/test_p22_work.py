"""P22-work: an account that asks for much stops no other: each abuser works beside a second account, on each engine.

At CI size it is counted how much of the abuser's work begins before the second account's; a soak measures the time.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as with_ports
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from letterhead import worker
from letterhead.adapters.storage import migrate
from letterhead.core.accounts.quotas import Limits
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.domain.domain import Effect, Event, EventKind
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.public.webhooks import HttpResult, WebhookTarget
from letterhead.core.schedule.reminder_mail import Email
from letterhead.operations import domains
from letterhead.operations.audit import Actor
from letterhead.operations.key_pool import new_pooled_key
from letterhead.operations.webhooks import WebhookSettings, add_webhook
from letterhead.ports.deps import Deps
from letterhead.ports.mail import DeliveryResult, SendResult
from letterhead.ports.resolver import Allowance
from letterhead.ports.store.domains import DomainUpdate
from letterhead.wiring.assemble import Overrides
from tests.faults import promises
from tests.faults.conftest import Figures
from tests.operations.world import World, WrittenDns, opened
from tests.rigs.postgres import Postgres
from tests.rigs.waiting import until_async

ROUNDS = 3  # times that the second account asks for something
WITHIN = 2.0  # seconds, in a soak
SETTINGS = worker.WorkerSettings(checks=16, intents=4, reminders=4, deliveries=16, pooled_keys=0)
LATE = 0.2  # seconds that each piece of the abuser's work takes; ten times as long in a soak
SOAK = promises.SOAK in os.environ
ACTOR = Actor(name="operator")


def slow() -> float:
    """Return the seconds that the abuser's servers take."""
    return LATE * 10 if SOAK else LATE


@pytest.fixture
def size() -> int:
    """Return the size of this part of P22."""
    return promises.size("P22-work")


@dataclass
class Outside:
    """Stands for DNS, endpoints, the mail server and the provider: slow for the abuser, quick for all others."""

    begun: list[str] = field(default_factory=list)  # whose work began, in order
    zones: Mapping[str, WrittenDns] = field(
        default_factory=lambda: {zone: WrittenDns(zone) for zone in ("evil.test", "good.test")}
    )

    def has_begun(self, number: int) -> bool:
        """Whether so many pieces of the second account's work have begun."""
        return self.begun.count("good") >= number

    async def note(self, name: str) -> None:
        """Note a piece of work, and take the abuser's time over it."""
        is_evil = "good" not in name
        self.begun.append("evil" if is_evil else "good")
        if is_evil:
            await asyncio.sleep(slow())

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer questions like any resolver."""
        asked = list(questions)
        zone = "evil.test" if any("evil.test" in each.name for each in asked) else "good.test"
        await self.note(zone)
        return await self.zones[zone].ask(asked, allowance)

    async def post(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """Take a webhook's message."""
        await self.note(target.host)
        return HttpResult(status=200, said="")

    async def send(self, letter: Email) -> SendResult:
        """Take a mail."""
        await self.note(letter.to)
        return SendResult(result=DeliveryResult.ACCEPTED, said="250")

    async def try_connection(self) -> SendResult:
        """Take no mail."""
        return SendResult(result=DeliveryResult.ACCEPTED, said="250")


class SlowProvider:
    """The provider of the installation, which takes the abuser's time over each call."""

    def __init__(self, provider: Any, outside: Outside) -> None:
        self._provider, self._outside = provider, outside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def withdraw(self, sender: str, owner: str) -> None:
        """Withdraw an identity, slowly where it is the abuser's."""
        await self._outside.note(sender)
        await self._provider.withdraw(sender, owner)


@pytest.fixture(params=["sqlite", "postgresql"])
async def settings(request: pytest.FixtureRequest, postgres: Postgres) -> AsyncIterator[dict[str, str]]:
    """Return the settings of a database on each engine."""
    if request.param == "sqlite":
        yield {}
        return
    with postgres.database() as url:
        await migrate(url)
        yield {"DATABASE_URL": url}


@dataclass(frozen=True)
class Two:
    """The abuser and the second account of one installation."""

    evil: World
    good: World
    outside: Outside

    @property
    def deps(self) -> Deps:
        """The ports of the installation."""
        return self.evil.deps

    async def stock(self, number: int) -> None:
        """Make keys ahead, so that adding domains is writing and nothing else."""
        pair = self.deps.keyring.make_pair()
        await self.deps.store.pool_keys([new_pooled_key(self.deps, pair) for _ in range(number)])


@asynccontextmanager
async def two(folder: Path, settings: dict[str, str]) -> AsyncIterator[Two]:
    """Open an installation with two accounts."""
    outside = Outside()
    async with opened(folder, Overrides(resolver=outside), Limits(), **settings) as first:
        provider: Any = SlowProvider(first.deps.provider, outside)
        deps = with_ports(first.deps, outbound=outside, mailer=outside, provider=provider)
        evil = World(deps, first.account, first.key)
        yield Two(evil, await evil.other("good"), outside)


@asynccontextmanager
async def working(deps: Deps) -> AsyncIterator[None]:
    """Run a worker."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(deps, SETTINGS, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def overtakes(world: Two, ask: Callable[[int], Awaitable[object]], most: int, figures: Figures) -> None:
    """Has the second account ask for something again and again, and judges what began before it: twice the places."""
    outside, before, took = world.outside, [], []
    await until_async(lambda: len(outside.begun) >= SETTINGS.intents // 2)  # the abuser's work is under way
    for number in range(ROUNDS * (10 if SOAK else 1)):
        already, began = outside.begun.count("good"), time.monotonic()
        at = len(outside.begun)
        await ask(number)
        await until_async(partial(outside.has_begun, already + 1))
        took.append(time.monotonic() - began)
        before.append(outside.begun[at:].index("good"))
    figures(begun_before=max(before), p50=round(statistics.median(took), 2), worst=round(max(took), 2))
    assert max(before) <= most
    assert not SOAK or max(took) <= WITHIN


async def test_checks(tmp_path: Path, settings: dict[str, str], size: int, figures: Figures) -> None:
    """Names below a slow zone do not delay the first check of another account."""
    async with two(tmp_path, settings) as world:
        await world.stock(size + 100)
        for number in range(size):
            await world.evil.add(f"x{number}.evil.test")
        async with working(world.deps):
            await overtakes(world, lambda number: world.good.add(f"v{number}.good.test"), 2 * SETTINGS.checks, figures)


def endpoint(url: str) -> WebhookSettings:
    """Ask for an endpoint that gets all events."""
    return WebhookSettings(url=url, events=("*",))


async def test_webhooks(tmp_path: Path, settings: dict[str, str], size: int, figures: Figures) -> None:
    """Twenty slow endpoints do not delay a message to another account's endpoint."""
    async with two(tmp_path, settings) as world:
        await world.stock(size + 100)
        for number in range(20):
            await add_webhook(world.deps, world.evil.account.id, endpoint(f"https://e{number}.evil.dev/"), ACTOR)
        await add_webhook(world.deps, world.good.account.id, endpoint("https://good.dev/"), ACTOR)
        for number in range(min(size, 100)):
            await world.evil.add(f"x{number}.evil.test", start=False)
        async with working(world.deps):
            await overtakes(
                world,
                lambda number: world.good.add(f"v{number}.good.test", start=False),
                2 * SETTINGS.deliveries,
                figures,
            )


async def test_work_at_the_provider(tmp_path: Path, settings: dict[str, str], size: int, figures: Figures) -> None:
    """Names that were added and deleted owe nothing; those that owe something do not delay another account's."""
    async with two(tmp_path, settings) as world:
        await world.stock(2 * size + 100)

        async def owe(account: World, sender: str) -> None:
            update = DomainUpdate(domain=await account.add(sender, start=False), effects=(Effect.WITHDRAW,))
            assert await world.deps.store.save(update)

        for number in range(size):
            await world.evil.add(f"gone{number}.evil.test", start=False)
            await domains.delete_domain(world.deps, world.evil.account.id, f"gone{number}.evil.test", ACTOR)
        assert (await world.deps.store.backlog(world.deps.now())).intents == 0
        for number in range(size):
            await owe(world.evil, f"x{number}.evil.test")
        async with working(world.deps):
            await overtakes(
                world, lambda number: owe(world.good, f"v{number}.good.test"), 2 * SETTINGS.intents, figures
            )


async def test_reminders(
    tmp_path: Path, settings: dict[str, str], size: int, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of reminders to one account's address does not delay another account's."""
    monkeypatch.setattr(worker, "REMINDERS_POLL", 0.2)
    async with two(tmp_path, settings) as world:
        await world.stock(size + 100)

        async def remind(account: World, sender: str) -> None:
            domain, now = await account.add(sender, start=False), world.deps.now()
            health = replace(new_health(HealthState.AT_RISK, now), stops_sending_at=now + timedelta(hours=72))
            told = Event(kind=EventKind.DOMAIN_AT_RISK, at=now, detail="the records are gone")
            assert await world.deps.store.save(DomainUpdate(domain=replace(domain, dkim=health), events=(told,)))

        for number in range(min(size, 500)):
            await remind(world.evil, f"x{number}.evil.test")
        async with working(world.deps):
            await overtakes(
                world, lambda number: remind(world.good, f"v{number}.good.test"), 2 * SETTINGS.reminders, figures
            )
