"""From identities of Amazon SES to Letterhead: added, proven, adopted, by the commands of the page."""

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.test_signers import served
from tests.operations.ses_story import SesStory, ses_story
from tests.operations.world import Clock, noon
from tests.rigs.command import Result
from tests.rigs.dns_lab import DnsLab
from tests.rigs.import_sources import commands_of, run_as_printed

TOKEN = "an-operator-token-that-is-long-enough"


@pytest.fixture
async def story(lab: DnsLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SesStory]:
    """Open an installation that sends by SES."""
    async with ses_story(lab, Clock(noon()), tmp_path, monkeypatch) as story:
        yield story


async def test_identities_are_added_and_then_adopted(lab: DnsLab, zone: str, story: SesStory, tmp_path: Path) -> None:
    """SES signs with its own key until ours is in DNS; one whose DMARC could fail waits, unless that is accepted."""
    safe, bare, other = (f"{name}.{zone}" for name in ("safe", "bare", "other"))
    state = story.ses.state
    elsewhere = {"letterhead-installation": "x", "letterhead-account": "a", "letterhead-domain": "d"}
    for name, tags in ((safe, {}), (bare, {}), (other, elsewhere)):
        tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
        state.answer("CreateEmailIdentity", {"EmailIdentity": name, "Tags": tagged})
        state.pin(name, status="SUCCESS")
    story.identity(safe).mail_from, story.identity(safe).mail_from_status = f"bounce.{safe}", "SUCCESS"
    easy = list(story.identity(safe).tokens)
    async with served(story.world) as url:
        settings = {"URL": url, "API_KEY": story.world.key, "OPERATOR_TOKEN": TOKEN}

        async def run(command: str) -> Result:
            return await asyncio.to_thread(functools.partial(run_as_printed, command, tmp_path, {}, **settings))

        plan, first, *_ = commands = [each for each in commands_of("ses.md") if each.startswith("letterhead import")]
        planned = await run(plan)
        assert (planned.code, planned.out.count("publish its DKIM record")) == (2, 2), planned.out + planned.err
        assert "another installation" in " ".join(planned.out.split())
        added = await run(first.replace("acme.dev", safe))
        assert (added.code, "1 done" in added.out) == (0, True), added.out + added.err
        every = await run(commands[2])
        assert (every.code, "1 waiting" in every.out, "1 refused" in every.out) == (1, True, True), every.out
        assert story.identity(safe).tokens == easy
        for name in (safe, bare):
            story.publish(*story.plan(await story.world.domain(name)))
            await story.world.look(name)
        assert (await story.world.domain(safe)).mail_from == f"bounce.{safe}"
        adopted = await run(commands[2])
        assert "1 waiting" in adopted.out, adopted.out + adopted.err
        assert not story.identity(bare).tags
        accepted = await run("letterhead import ses --accept-gap")
        assert "2 done" not in accepted.out
        for name in (safe, bare):
            await story.world.look(name)
            state.unpin(name)
            domain = await story.look(name, minutes=1)
            assert story.identity(name).tokens == [domain.selector]
            assert (story.identity(name).origin, story.identity(name).status) == ("EXTERNAL", "SUCCESS")
        assert story.identity(safe).mail_from == f"bounce.{safe}"
        assert story.identity(other).tags == elsewhere
        unknown = await run("letterhead import ses --domain nobody.test")
        assert (unknown.code, "nobody.test" in unknown.err) == (2, True)


async def test_a_large_account_costs_a_call_for_each_page_and_each_identity(
    zone: str, story: SesStory, tmp_path: Path
) -> None:
    """SES is asked for twenty names at a time and where to go on, and never twice for the same names."""
    names = [f"many{number:02}.{zone}" for number in range(45)]
    for name in names:
        story.ses.state.answer("CreateEmailIdentity", {"EmailIdentity": name, "Tags": []})
    async with served(story.world) as url:
        settings = {"URL": url, "API_KEY": story.world.key, "OPERATOR_TOKEN": TOKEN}
        told = await asyncio.to_thread(
            functools.partial(run_as_printed, "letterhead import ses --plan --json", tmp_path, {}, **settings)
        )
    assert all(name in told.out for name in names), told.out + told.err
    assert len(story.ses.calls("ListEmailIdentities")) == 3
    assert sorted(each.name for each in story.ses.calls("GetEmailIdentity")) == names
