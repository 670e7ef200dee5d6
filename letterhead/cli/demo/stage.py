"""The replay of the demo's past: the real operations, on a clock that is set."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from letterhead.cli.demo.story import DOMAINS, DomainStory, zone_text
from letterhead.core.accounts.quotas import Limits
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.plan.plan import Plan
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.operations import checks, key_pool, leases, provider_work
from letterhead.operations.domains import DomainRequest, add_domain, find_domain, plan_of
from letterhead.ports.deps import Deps
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.wiring import assemble

ROOT = "$ORIGIN .\n@ 3600 SOA a.root.example. nobody.example. 1 7200 3600 1209600 600\n@ 3600 NS a.root.example.\n"


@dataclass(slots=True)
class DemoClock:
    """A clock that is `ago` behind; the replay reduces that to zero."""

    ago: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.ago


@dataclass(slots=True)
class Zones:
    """A resolver that answers from zone texts, which change (implements `ports.resolver.Resolver`)."""

    texts: dict[str, str] = field(default_factory=dict)
    _now: Resolver = field(default_factory=assemble.ZoneFileResolver)
    _root: Resolver = field(default_factory=lambda: assemble.ZoneFileResolver(ROOT))

    def publish(self, name: str, plan: Plan, *lines: str) -> None:
        """Replace a domain's zone with one of the story, and further lines."""
        self.texts[plan.sender] = "\n".join((zone_text(name, plan), *lines))
        self._now = assemble.ZoneFileResolver(*self.texts.values())

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer from the texts as they are now; the root is there for the check that the resolver answers at all."""
        asked = tuple(questions)
        at_root = [each for each in asked if each.name == "."]
        below = [each for each in asked if each.name != "."]
        return {**await self._now.ask(below, allowance), **await self._root.ask(at_root, allowance)}


async def replay_past(deps: Deps, clock: DemoClock, zones: Zones, account_id: str) -> None:
    """Replay everything that happened, the oldest first, so that ids and events are in the order of time."""
    while not await key_pool.fill(deps, len(DOMAINS)):
        pass
    past = [_PastEvent(story.added, story) for story in DOMAINS]
    for story in DOMAINS:
        past += [_PastEvent(ago, story, step.zone) for step in story.steps for ago in step.checks]
    for event in sorted(past, key=lambda each: -each.ago):  # stable: added before checked
        clock.ago = event.ago
        if event.zone is None:
            request = DomainRequest(sender=event.story.sender, start=event.story.start)
            await add_domain(deps, account_id, Limits(), request)
        else:
            domain = await find_domain(deps, account_id, event.story.sender)
            zones.publish(event.zone, plan_of(deps, domain))
            await checks.check(deps, domain)
            for intent in await leases.claim_intents(deps, "demo", PlacesHeld(places=2 * len(DOMAINS), by_account={})):
                await provider_work.perform_intent(deps, intent)
    clock.ago = timedelta(0)


@dataclass(frozen=True, slots=True)
class _PastEvent:
    """A domain that was added or, where `zone` is set, checked while that was its zone."""

    ago: timedelta
    story: DomainStory
    zone: str | None = None
