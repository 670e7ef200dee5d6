"""Put a whole Letterhead together for a story: real storage, real or written DNS, a provider, a hand-turned clock."""

import base64
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from letterhead import config
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.accounts.accounts import Account
from letterhead.core.accounts.quotas import Limits
from letterhead.core.dns.answers import Perspective, Question, Reply, Unanswered, View, Why
from letterhead.core.dns.records import zone_line
from letterhead.core.domain.domain import Domain, Event
from letterhead.core.plan.plan import PlannedRecord
from letterhead.operations import accounts, checks, domains, on_demand_checks, provider_work
from letterhead.operations.audit import Actor
from letterhead.operations.domains import DomainRequest, DomainView
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.deps import Deps
from letterhead.ports.resolver import Allowance
from letterhead.wiring.assemble import Overrides, open_deps

KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()
OPERATOR = Actor(name="operator")


class Clock:
    """Tells the time that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> datetime:
        """Turn the clock forward by so many hours, minutes, …"""
        self.at += timedelta(**by)
        return self.at


class WrittenDns:
    """Answers from zone text that a test writes anew whenever it likes: one zone, its records, who is silent."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.records: dict[tuple[str, str], str] = {}
        self.silent = False
        self.why = Why.TIMEOUT  # of the silence
        self.rejected: set[str] = set()  # names whose signatures resolvers reject

    def publish(self, *planned: PlannedRecord) -> None:
        """Publish planned records as they should be."""
        for record in planned:
            self.records[record.host, record.rdtype] = zone_line(
                record.host, record.rdtype, record.value, record.priority
            )

    def withdraw(self, *planned: PlannedRecord) -> None:
        """Remove records."""
        for record in planned:
            self.records.pop((record.host, record.rdtype), None)

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer like any resolver."""
        if self.silent:
            return {question: (self._silence(question),) for question in questions}
        head = [
            f"$ORIGIN {self.zone}.",
            "@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 600",
            "@ 3600 NS ns1",
            "@ 3600 NS ns2",
            "ns1 3600 A 192.0.2.1",
            "ns2 3600 A 192.0.2.2",
        ]
        replies = await ZoneFileResolver("\n".join([*head, *self.records.values()])).ask(questions, allowance)
        bogus = Unanswered(why=Why.BOGUS)
        return {
            question: tuple(replace(each, answer=bogus) for each in given) if self._is_rejected(question) else given
            for question, given in replies.items()
        }

    def _is_rejected(self, question: Question) -> bool:
        return question.name in self.rejected and question.view in (View.RECURSIVE, View.ONE_RESOLVER)

    def _silence(self, question: Question) -> Reply:
        return Reply(
            perspective=Perspective(view=question.view, server="ns1", address="192.0.2.1"),
            answer=Unanswered(why=self.why),
        )


@dataclass(frozen=True, slots=True)
class World:
    """One installation with one account."""

    deps: Deps
    account: Account
    key: str

    async def add(self, sender: str, **wish: Any) -> Domain:
        """Add a domain and return it as it is stored."""
        asked = DomainRequest(sender=sender, **wish)
        await domains.add_domain(self.deps, self.account.id, self.account.limits, asked)
        return await self.domain(sender)

    async def other(self, name: str) -> "World":
        """Open another account of the same installation."""
        account, made = await accounts.open_account(self.deps, name, f"dns@{name}.test", Limits(), OPERATOR)
        return World(self.deps, account, made.text)

    async def dkim(self, sender: str) -> PlannedRecord:
        """Return the DKIM record to publish."""
        return domains.plan_of(self.deps, await self.domain(sender)).records[0]

    async def domain(self, sender: str) -> Domain:
        """Read a domain."""
        return await domains.find_domain(self.deps, self.account.id, sender)

    async def view(self, sender: str) -> DomainView:
        """Read a domain with its last check."""
        return await domains.show_domain(self.deps, self.account.id, sender)

    async def look(self, sender: str, *, thorough: bool | None = None) -> Domain:
        """Check a domain now, do what is owed at the provider, and return the domain after it."""
        assert await checks.check(self.deps, await self.domain(sender), thorough=thorough)
        await self.work()
        return await self.domain(sender)

    async def refresh(self, sender: str) -> None:
        """Ask the provider about a domain, whenever it was asked before."""
        domain = await self.domain(sender)
        await on_demand_checks.refresh(self.deps, OnDemand(time.monotonic), self.account.id, [domain])

    async def work(self) -> None:
        """Do what is owed at the provider."""
        now = self.deps.now()
        for intent in await self.deps.store.claim_intents(now, now + timedelta(minutes=1), "test", 100):
            await provider_work.perform_intent(self.deps, intent)

    async def events(self, sender: str | None = None) -> list[Event]:
        """List what happened, the oldest first."""
        domain_id = (await self.domain(sender)).id if sender else None
        listed = await self.deps.store.events(self.account.id, domain_id, None, 1000)
        return [each.event for each in listed]


@asynccontextmanager
async def opened(
    folder: Path, stand: Overrides | None = None, limits: Limits | None = None, /, **environment: str
) -> AsyncIterator[World]:
    """Open an installation in a folder, set up by LETTERHEAD_… settings given without their prefix."""
    settings = config.read(
        {
            "LETTERHEAD_DATA_DIR": str(folder),
            "LETTERHEAD_KEYS": KEYS,
            "LETTERHEAD_ALLOW_SPECIAL_USE": "true",
            "LETTERHEAD_UNPROVEN_BELOW": "1000000",  # stories have few zones, and many names below each
            **{f"LETTERHEAD_{name}": value for name, value in environment.items()},
        },
        folder,
    )
    async with open_deps(settings, stand) as deps:
        account, made = await accounts.open_account(deps, "Acme", "dns@acme.test", limits or Limits(), OPERATOR)
        yield World(deps, account, made.text)


def noon() -> datetime:
    """Return a moment to begin at."""
    return datetime(2026, 11, 23, 12, tzinfo=UTC)
