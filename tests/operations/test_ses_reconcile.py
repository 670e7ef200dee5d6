"""What SES holds and what we hold are compared, shown, and brought together again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_identity import Presence
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor
from letterhead.operations.provider_work import owner_tag
from letterhead.operations.reconcile import DifferenceKind, adopt, daily_round, reconcile
from tests.operations.ses_story import SesStory, ses_story
from tests.operations.world import Clock, World
from tests.rigs.dns_lab import DnsLab
from tests.rigs.ses_wire import Ill

OPERATOR = Actor(name="operator")


@pytest.fixture
async def story(lab: DnsLab, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SesStory]:
    """Open an installation that sends by SES."""
    async with ses_story(lab, clock, tmp_path, monkeypatch) as story:
        yield story


async def found(story: SesStory, *, apply: bool = False) -> dict[str, tuple[DifferenceKind, bool]]:
    """Compare, and return for each name how it differs and whether that was mended."""
    told = await reconcile(story.world.deps, OPERATOR, apply=apply)
    return {each.sender: (each.differs, each.mended) for each in told.differences}


async def due(story: SesStory) -> list[str]:
    """List who would be checked now."""
    now = story.clock()
    claimed = await story.world.deps.store.claim_due(now, now + timedelta(milliseconds=1), "t", 100)
    story.clock.turn(seconds=1)
    return [each.sender for each in claimed]


async def test_nothing_differs_where_all_is_well(zone: str, story: SesStory) -> None:
    """What is right is no difference, and a comparison of all costs one call for a thousand."""
    await story.verified(zone)
    calls = len(story.ses.ledger)
    assert await found(story) == {}
    assert [each.operation for each in story.ses.ledger[calls:]] == ["ListEmailIdentities"]


async def test_each_difference_is_named_and_mended_by_a_look(zone: str, story: SesStory) -> None:
    """Missing, key replaced, MAIL FROM off, another word: dry at first, then each is looked at and comes right."""
    gone, key, mail, word = senders = [f"{name}.{zone}" for name in ("gone", "key", "mail", "word")]
    for sender in senders:
        await story.verified(sender)
    # as it was last heard: the stored word is what a check of an hour ago would have brought
    story.identity(key).tokens, story.identity(mail).mail_from = ["stranger"], None
    for sender in (key, mail):
        await story.world.refresh(sender)
    del story.ses.state.identities[gone]
    story.ses.state.pin(word, status="FAILED")
    expected = {
        gone: DifferenceKind.MISSING,
        key: DifferenceKind.KEY_REPLACED,
        mail: DifferenceKind.MAIL_FROM_OFF,
        word: DifferenceKind.WORD_CHANGED,
    }
    story.clock.turn(seconds=1)
    assert await found(story) == {sender: (differs, False) for sender, differs in expected.items()}
    assert await due(story) == []
    assert await found(story, apply=True) == {sender: (differs, True) for sender, differs in expected.items()}
    assert sorted(await due(story)) == sorted(senders)
    for sender in senders:
        await story.world.look(sender)
    story.clock.turn(minutes=11)
    for sender in senders:
        await story.world.look(sender)
    story.ses.state.unpin(word)
    for sender in senders:
        assert (await story.look(sender, minutes=1)).identity is not None
    assert await found(story) == {}
    assert {story.identity(sender).status for sender in senders} == {"SUCCESS"}


async def test_orphans_go_and_strangers_stay(zone: str, story: SesStory) -> None:
    """What carries our tag for a domain that is gone is deleted when a person says so; a stranger's never."""
    domain = await story.verified(f"kept.{zone}")
    state = story.ses.state
    tags = dict(zip(story.identity(domain.sender).tags, ("", "acc", "dom_gone"), strict=True))
    tags["letterhead-installation"] = story.world.deps.policy.installation
    others = tags | {"letterhead-installation": "elsewhere"}
    for name, tagged in (("orphan", tags), ("other", others), ("plain", {})):
        asked = {"EmailIdentity": f"{name}.{zone}", "Tags": [{"Key": k, "Value": v} for k, v in tagged.items()]}
        state.answer("CreateEmailIdentity", asked)
    strangers = {f"{name}.{zone}": (DifferenceKind.STRANGER, False) for name in ("other", "plain")}
    assert await found(story) == {f"orphan.{zone}": (DifferenceKind.ORPHAN, False), **strangers}
    assert f"orphan.{zone}" in state.identities
    await daily_round(story.world.deps)
    assert f"orphan.{zone}" in state.identities
    assert await found(story, apply=True) == {f"orphan.{zone}": (DifferenceKind.ORPHAN, True), **strangers}
    assert sorted(state.identities) == sorted([domain.sender, *strangers])


async def test_the_daily_round_is_one_for_all(zone: str, story: SesStory) -> None:
    """Once a day whatever differs is looked at; who asks again that day, from whatever process, is too early."""
    await story.verified(zone)
    del story.ses.state.identities[zone]
    assert await daily_round(story.world.deps) == 1
    assert await due(story) == [zone]
    assert await daily_round(story.world.deps) is None
    story.clock.turn(hours=25)
    assert await daily_round(story.world.deps) == 1


async def test_adoption_is_shown_first(zone: str, story: SesStory) -> None:
    """An operator sees what would change; then the tag is ours, and key and MAIL FROM follow with the next check."""
    domain = await story.world.add(zone)
    story.ses.state.answer("CreateEmailIdentity", {"EmailIdentity": zone})
    before = repr(story.identity(zone))
    story.publish(*story.plan(domain))
    domain = await story.world.look(zone)
    assert await found(story) == {}  # nobody was told: it is its check that says so
    shown = await adopt(story.world.deps, OPERATOR, zone)
    assert (shown.adopted, shown.holding.owner, shown.selector) == (False, None, domain.selector)
    assert repr(story.identity(zone)) == before
    await adopt(story.world.deps, OPERATOR, zone, apply=True)
    domain = await story.world.look(zone)
    assert story.identity(zone).tokens == [domain.selector]
    assert "/".join(story.identity(zone).tags.values()) == owner_tag(story.world.deps, domain)
    domain = await story.look(zone, minutes=1)
    assert domain.identity is not None
    assert domain.identity.presence is Presence.OURS
    assert domain.dkim.state is HealthState.VERIFIED


async def test_an_unproven_domain_is_not_adopted(zone: str, story: SesStory) -> None:
    """Nobody gets an identity that is there already without a record in DNS that proves the domain."""
    await story.world.look((await story.world.add(zone)).sender)
    story.ses.state.answer("CreateEmailIdentity", {"EmailIdentity": zone})
    with pytest.raises(Fault) as caught:
        await adopt(story.world.deps, OPERATOR, zone, apply=True)
    assert caught.value.kind is Kind.NOT_FOUND
    assert story.identity(zone).tags == {}


async def test_a_list_that_breaks_off_mends_nothing(zone: str, story: SesStory) -> None:
    """Half a list would make the other half look missing: it is none."""
    await story.verified(zone)
    story.ses.fate = lambda operation: Ill(half=True) if operation == "ListEmailIdentities" else None
    with pytest.raises(Fault):
        await reconcile(story.world.deps, OPERATOR, apply=True)
    assert await due(story) == []


async def test_a_provider_without_a_list_says_so(world: World) -> None:
    """With no provider there is nothing to compare with, and no domain seems missing."""
    with pytest.raises(Fault) as caught:
        await reconcile(world.deps, OPERATOR)
    assert caught.value.kind is Kind.PARAMETER_INVALID
    assert await daily_round(world.deps) == 0
