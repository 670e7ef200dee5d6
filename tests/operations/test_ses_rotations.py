"""A DKIM key that another one follows, at Amazon SES: its emulator and real DNS on two authoritative servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.core.dns.records import split_text
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain, EventKind
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import PlannedRecord, RecordId
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.operations import rotations
from letterhead.operations.rotations import NOTHING
from tests.operations.delegated_story import Story, key_zone, settings_for
from tests.operations.ses_story import SesStory, ses_story
from tests.operations.world import OPERATOR, Clock
from tests.rigs.dns_lab import Authority, DnsLab
from tests.rigs.ses_wire import Ill

PUT_KEY = "PutEmailIdentityDkimSigningAttributes"


@pytest.fixture
async def story(lab: DnsLab, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SesStory]:
    """Open an installation that sends by SES."""
    async with ses_story(lab, clock, tmp_path, monkeypatch) as story:
        yield story


async def new_record(story: SesStory, sender: str) -> PlannedRecord:
    """Ask for a change of keys and return the new key's record."""
    await rotations.start(story.world.deps, story.world.account.id, sender, NOTHING, OPERATOR)
    planned = {each.id: each for each in story.plan(await story.world.domain(sender))}
    return planned[RecordId.DKIM_NEXT]


def publish_at(story: SesStory, record: PlannedRecord, server: Authority) -> None:
    """Publish a record at one of the zone's servers alone."""
    pieces = " ".join(f'"{piece}"' for piece in split_text(record.value))
    story.lab.publish(record.host, record.rdtype, pieces, only=server)
    story.lab.flush()


async def untouched(story: SesStory, before: Domain, *, minutes: float) -> Domain:
    """Look once more, and hold that SES has the old key and was not written to, and that mail flows."""
    domain = await story.look(before.sender, minutes=minutes)
    held = story.identity(before.sender)
    assert (held.tokens, held.public_key, held.status) == ([before.selector], before.public_key, "SUCCESS")
    assert story.ses.calls(PUT_KEY) == []
    assert (domain.dkim.state, domain.selector) == (HealthState.VERIFIED, before.selector)
    assert lifecycle.may_send(domain, story.clock())
    return domain


async def test_the_new_key_reaches_ses_once_every_server_serves_it(split_zone: str, story: SesStory) -> None:
    """A server without the new key keeps SES on the old one; then SES gets it once, and the status never moves."""
    before = await story.verified(split_zone)
    record = await new_record(story, split_zone)
    for _ in range(3):
        domain = await untouched(story, before, minutes=20)
    assert rotation.stage(domain) is Stage.WAITING
    publish_at(story, record, story.lab.ns2)
    for _ in range(3):
        domain = await untouched(story, before, minutes=20)
    assert rotation.stage(domain) is Stage.WAITING
    publish_at(story, record, story.lab.ns1)
    assert rotation.stage(await untouched(story, before, minutes=1)) is Stage.SEEN
    await untouched(story, before, minutes=9)
    domain = await story.look(split_zone, minutes=1)
    assert rotation.stage(domain) is Stage.SWITCHED
    held = story.identity(split_zone)
    assert (held.tokens, held.public_key) == ([domain.selector], domain.public_key)
    assert domain.selector != before.selector
    assert (domain.dkim.state, held.status) == (HealthState.VERIFIED, "PENDING")
    for _ in range(3):  # SES looks anew at what it was given, and finds it
        domain = await story.look(split_zone, minutes=5)
        assert domain.dkim.state is HealthState.VERIFIED
        assert lifecycle.may_send(domain, story.clock())
    assert story.identity(split_zone).status == "SUCCESS"
    assert await story.codes(split_zone) == []
    assert [len(story.ses.calls(each)) for each in (PUT_KEY, "CreateEmailIdentity")] == [1, 1]
    kinds = [event.kind for event in await story.world.events(split_zone)]
    assert kinds.count(EventKind.DKIM_ROTATED) == 1
    assert not {EventKind.DOMAIN_AT_RISK, EventKind.DOMAIN_FAILED, EventKind.DOMAIN_LOST} & set(kinds)


async def test_a_key_that_goes_again_is_never_given_to_ses(split_zone: str, story: SesStory) -> None:
    """A new key that one server loses within the 10 minutes begins its wait anew."""
    before = await story.verified(split_zone)
    record = await new_record(story, split_zone)
    story.publish(record)
    assert rotation.stage(await untouched(story, before, minutes=1)) is Stage.SEEN
    story.lab.withdraw(record.host, "TXT", only=story.lab.ns1)
    assert rotation.stage(await untouched(story, before, minutes=9)) is Stage.WAITING
    story.publish(record)
    assert rotation.stage(await untouched(story, before, minutes=5)) is Stage.SEEN
    await untouched(story, before, minutes=9)


@pytest.mark.parametrize("code", ["TooManyRequestsException", "InternalFailure"])
async def test_a_switch_that_ses_refuses_for_now_is_owed(split_zone: str, story: SesStory, code: str) -> None:
    """Trouble at the moment of the switch moves no status: the key is put by a later try, and once."""
    before = await story.verified(split_zone)
    story.publish(await new_record(story, split_zone))
    await story.look(split_zone, minutes=1)
    story.ses.ills[PUT_KEY] = ill = [Ill(status=429 if code[0] == "T" else 500, code=code)] * 4
    assert (await story.look(split_zone, minutes=10)).dkim.state is HealthState.VERIFIED
    assert not ill
    assert story.identity(split_zone).tokens == [before.selector]
    for _ in range(3):
        domain = await story.look(split_zone, minutes=5)
        assert domain.dkim.state is HealthState.VERIFIED
    assert story.identity(split_zone).tokens == [domain.selector] != [before.selector]
    assert story.identity(split_zone).status == "SUCCESS"
    assert [each.fate for each in story.ses.calls(PUT_KEY)] == [code] * 4 + [""]


async def test_ses_gets_the_keys_of_both_slots_in_turn(
    lab: DnsLab, zone: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delegated keys: SES signs by `lh1`, `lh2` and `lh1` again, each time with the key that is in our zone then."""
    keys = key_zone(lab)
    async with ses_story(lab, clock, tmp_path, monkeypatch, **settings_for(lab, keys)) as ses:
        story = Story(ses.world, lab, clock, keys)
        story.points(*story.records(await story.add(zone)).values())
        await ses.world.look(zone)
        domain = await ses.look(zone, minutes=1)
        assert domain.dkim.state is HealthState.VERIFIED
        used = {domain.public_key}
        for selector in ("lh2", "lh1"):
            await rotations.start(ses.world.deps, ses.world.account.id, zone, NOTHING, OPERATOR)
            await ses.world.work()
            for minutes in (1, 11, 1):
                domain = await ses.look(zone, minutes=minutes)
            held = ses.identity(zone)
            assert (held.tokens, held.public_key, held.status) == ([selector], domain.public_key, "SUCCESS")
            assert (domain.selector, domain.dkim.state) == (selector, HealthState.VERIFIED)
            used.add(domain.public_key)
            await ses.look(zone, minutes=7 * 24 * 60)
            domain = await ses.look(zone, minutes=1)
            assert (domain.old_keys, domain.dkim.state) == ((), HealthState.VERIFIED)
        assert len(used) == 3
