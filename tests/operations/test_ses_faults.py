"""Promise P15: an hour in which SES fails three calls of ten loses nothing, doubles nothing, overwrites nobody.

CI plays 12 domains; `./dev soak P15` plays more.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from letterhead.adapters.providers import ProviderSetup
from letterhead.adapters.providers.ses import open_ses
from letterhead.adapters.storage import migrate, open_store
from letterhead.core.domain.health import HealthState
from letterhead.errors import Fault, Kind
from letterhead.operations import checks, domains, provider_work
from letterhead.operations.audit import Actor
from letterhead.operations.provider_work import owner_tag
from letterhead.ports.store import Store
from tests.faults import promises
from tests.operations.ses_story import SesStory, given_credentials, ses_story
from tests.operations.world import Clock
from tests.rigs.dns_lab import DnsLab
from tests.rigs.ses_wire import Ill, running

MANY = promises.size("P15")
ILLS = (
    Ill(status=429, code="TooManyRequestsException"),
    Ill(status=500, code="InternalFailure"),
    Ill(status=500, code="ConcurrentModificationException", after=True),
    Ill(delay=0.2, after=True),  # longer than we wait: it happened, and nobody heard
    Ill(reset=True),
    Ill(reset=True, after=True),
    Ill(half=True),
)


@pytest.fixture
async def story(lab: DnsLab, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SesStory]:
    """Open an installation whose patience is short, so that an hour passes in seconds."""
    monkeypatch.setattr("letterhead.adapters.providers.ses.READ_SECONDS", 0.15)
    monkeypatch.setattr("letterhead.adapters.providers.ses.calls.FIRST_PAUSE", 0.001)
    async with ses_story(lab, clock, tmp_path, monkeypatch) as story:
        yield story


async def work(story: SesStory) -> None:
    """Do all that is due, as a worker does; what breaks off is left to its lease."""
    deps, now = story.world.deps, story.clock()
    intents = await deps.store.claim_intents(now, now + timedelta(seconds=90), "w", 100)
    due = await deps.store.claim_due(now, now + timedelta(seconds=90), "w", 100)
    owed = (provider_work.perform_intent(deps, intent) for intent in intents)
    await asyncio.gather(*owed, *(checks.check(deps, domain) for domain in due))


async def live(story: SesStory, minutes: int) -> None:
    """Let time go by in steps of 30 seconds, SES looking at DNS every other minute."""
    for step in range(minutes * 2):
        story.clock.turn(seconds=30)
        if step % 4 == 0:
            await story.verify()
        await work(story)


async def test_an_hour_of_faults_loses_and_doubles_nothing(zone: str, story: SesStory) -> None:
    """All that was asked for is there ten minutes after the hour, once; what was deleted is gone; strangers stay."""
    chance = random.Random(15)
    story.ses.fate = lambda operation: chance.choice(ILLS) if chance.random() < 0.3 else None
    state, deps = story.ses.state, story.world.deps
    senders = [f"d{number}.{zone}" for number in range(MANY)]
    foreign, dropped, kept = senders[:2], senders[2 : MANY // 3], senders[MANY // 3 :]
    for sender in foreign:
        state.answer("CreateEmailIdentity", {"EmailIdentity": sender})
        state.pin(sender, status="SUCCESS")
    strangers = [repr(state.identities[sender]) for sender in foreign]
    for sender in senders:
        story.publish(*story.plan(await story.world.add(sender)))
    await live(story, 30)
    for sender in dropped:
        await domains.delete_domain(deps, story.world.account.id, sender, Actor(name="operator"))
    for sender in kept[:2]:
        state.identities.pop(sender, None)  # somebody deletes behind our back, and somebody else asks why
        await domains.start_verification(deps, story.world.account.id, story.world.account.limits, sender)
    await live(story, 30)
    faults = Counter(each.fate for each in story.ses.ledger)
    assert len(faults) >= 5, faults
    story.ses.fate = None
    await live(story, 10)
    bad = len([each for each in story.ses.ledger if each.fate])
    print(f"\ndomains {MANY}, calls {len(story.ses.ledger)}, faults {bad}, identities {len(state.identities)}")
    assert (await deps.store.backlog(story.clock())).intents == 0
    assert set(state.identities) == {*foreign, *kept}
    assert [repr(state.identities[sender]) for sender in foreign] == strangers
    for sender in kept:
        domain = await story.world.domain(sender)
        held = story.identity(sender)
        assert "/".join(held.tags.values()) == owner_tag(deps, domain)
        assert (held.tokens, held.mail_from, held.status) == ([domain.selector], domain.mail_from, "SUCCESS")
        assert domain.identity is not None
        assert domain.identity.dkim_said == "SUCCESS"
        assert domain.dkim.state in (
            HealthState.VERIFIED,
            HealthState.AT_RISK,
        )  # whose identity was deleted waits out its hour


async def test_asked_for_now_is_answered_502_with_the_code(zone: str, story: SesStory) -> None:
    """Who asks SES's word explicitly is told that it could not be had, by whom, with whose code."""
    await story.verified(zone)
    story.ses.fate = lambda operation: ILLS[0]
    with pytest.raises(Fault) as caught:
        await story.world.refresh(zone)
    fault = caught.value
    assert (fault.kind, fault.provider, fault.provider_code) == (
        Kind.PROVIDER_FAILED,
        "ses",
        "TooManyRequestsException",
    )


async def test_processes_share_one_rate(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes on one database together keep to the set rate, however much each has to ask."""
    every = timedelta(milliseconds=50)
    await migrate(postgres_url)
    async with running() as ses, open_store(postgres_url) as first, open_store(postgres_url) as second:
        given_credentials(monkeypatch, ses.url, tmp_path)

        async def ask(store: Store) -> None:
            async def turn(account: str, patience: float) -> float | None:
                now = datetime.now(UTC)
                at = await store.take_rate_slot(account, now, every, now + timedelta(seconds=patience))
                return None if at is None else max(0.0, (at - now).total_seconds())

            async with open_ses(
                ProviderSetup(clock=lambda: datetime.now(UTC), wait_for_slot=turn, region="eu-west-1")
            ) as provider:
                await asyncio.gather(*(provider.identity_report(f"d{number}.dev", "a/b/c") for number in range(15)))

        await asyncio.gather(ask(first), ask(second))
        times = [each.at for each in ses.ledger]
        assert len(times) == 30
        assert times[-1] - times[0] >= 29 * every.total_seconds() * 0.9
        assert all(late - early > 0.2 for early, late in zip(times, times[10:], strict=False))  # no bursts
