"""Knows how the demo's past is lived through: the real operations, on a clock that is turned by hand."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from letterhead.cli.demo.story import PARTS, DomainStory, zone_text
from letterhead.core.accounts.quotas import Limits
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.plan.plan import Plan
from letterhead.operations import checks, key_pool, leases, provider_work
from letterhead.operations.domains import DomainRequest, add_domain, find_domain, plan_of
from letterhead.ports.deps import Deps
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.wiring import assemble

ROOT = "$ORIGIN .\n@ 3600 SOA a.root.example. nobody.example. 1 7200 3600 1209600 600\n@ 3600 NS a.root.example.\n"


@dataclass(slots=True)
class DemoClock:
    """Tells a time before now; `ago` is turned down to nothing as the demo's past goes by."""

    ago: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.ago


@dataclass(slots=True)
class Zones:
    """Answers from zone texts that change while it runs (implements `ports.Resolver`)."""

    texts: dict[str, str] = field(default_factory=dict)
    _now: Resolver = field(default_factory=assemble.ZoneFileResolver)
    _root: Resolver = field(default_factory=lambda: assemble.ZoneFileResolver(ROOT))

    def publish(self, name: str, plan: Plan) -> None:
        """Puts a zone of the story in the place of what the domain's zone was."""
        self.texts[plan.sender] = zone_text(name, plan)
        self._now = assemble.ZoneFileResolver(*self.texts.values())

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answers from the texts as they are now; the root is there for who asks whether anybody answers."""
        asked = tuple(questions)
        at_root = [each for each in asked if each.name == "."]
        below = [each for each in asked if each.name != "."]
        return {**await self._now.ask(below, allowance), **await self._root.ask(at_root, allowance)}


async def live(deps: Deps, clock: DemoClock, zones: Zones, account_id: str) -> None:
    """Lives through the whole story, the oldest moment first, so that ids and events are in the order of time."""
    while not await key_pool.fill(deps, len(PARTS)):
        pass
    for moment in _moments():
        clock.ago = moment.ago
        if moment.look is None:
            wish = DomainRequest(sender=moment.part.sender, start=moment.part.start)
            await add_domain(deps, account_id, Limits(), wish)
        else:
            domain = await find_domain(deps, account_id, moment.part.sender)
            zones.publish(moment.look, plan_of(deps, domain))
            await checks.check(deps, domain)
            await _do_intents(deps)
    clock.ago = timedelta(0)


@dataclass(frozen=True, slots=True)
class _PastEvent:
    """Holds one thing that happened: the domain was added, or (with its zone as it was) looked at."""

    ago: timedelta
    part: DomainStory
    look: str | None = None


def _moments() -> list[_PastEvent]:
    added = [_PastEvent(part.added, part) for part in PARTS]
    looks = [_PastEvent(ago, part, turn.zone) for part in PARTS for turn in part.turns for ago in turn.looks]
    return sorted([*added, *looks], key=lambda moment: -moment.ago)  # stable: added before looked at


async def _do_intents(deps: Deps) -> None:
    for intent in await leases.claim_intents(deps, "demo", len(PARTS)):
        await provider_work.perform_intent(deps, intent)
