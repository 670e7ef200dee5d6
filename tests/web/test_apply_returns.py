"""The way from the set-up page to the DNS host and back: who is led there, and whose return is believed."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from letterhead.core.domain_connect.apply_link import ApplyLinkReason
from letterhead.operations.apply_returns import ERRORS, ApplyReturn
from letterhead.operations.setup_links import make_link
from letterhead.web.pages.apply import SENTENCES
from letterhead.web.templating.texts import read_texts
from tests.operations.world import OPERATOR, Clock
from tests.rigs.domain_connect_api import ApiBehaviour, domain_connect_api
from tests.rigs.waiting import is_within
from tests.web.conftest import Installation
from tests.web.test_apply_link import Story, published, told

BUTTON = "Add these records at Virtucon"


@pytest.fixture
def api() -> Iterator[ApiBehaviour]:
    """Serve the API of a DNS host."""
    with domain_connect_api() as behaviour:
        behaviour.zones.add("acme.dev")
        yield behaviour


@asynccontextmanager
async def opened(folder: Path, api: ApiBehaviour) -> AsyncIterator[tuple[Story, httpx2.AsyncClient, str]]:
    """Add a domain, make a set-up link, and return a browser without script, and the link's path."""
    async with told(folder, api) as story, story.house.client() as browser:
        await story.add()
        yield story, browser, await link_of(story)


async def link_of(story: Story, sender: str = "acme.dev") -> str:
    """Make a set-up link and return its path."""
    async with story.house.client(story.house.keys["acme"]) as acme:
        url = (await acme.post(f"/domains/{sender}/setup-links")).json()["url"]
    return str(urlsplit(url).path)


async def way_out(browser: httpx2.AsyncClient, path: str) -> str:
    """Press the button, and return the address that the browser is led to."""
    answer = await browser.get(f"{path}/apply")
    assert answer.status_code == 303
    return answer.headers["location"]


async def state_for(browser: httpx2.AsyncClient, path: str) -> str:
    """Press the button, and return the `state` of the link."""
    return parse_qs(urlsplit(await way_out(browser, path)).query)["state"][0]


async def come_back(browser: httpx2.AsyncClient, path: str, **query: str) -> tuple[str, str]:
    """Come back from the DNS host; return how the page is told of it, and what it says."""
    answer = await browser.get(f"{path}/applied", params=query)
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert where.path.endswith(path)
    page = await browser.get(f"{path}?{where.query}")
    said = re.search(r'id="returned"[^>]*>([^<]+)<', page.text)
    assert said, page.text
    return parse_qs(where.query)["applied"][0], said[1]


async def test_the_button_leads_to_the_host_and_back(tmp_path: Path, api: ApiBehaviour) -> None:
    """The page has the button; its link is for this domain, and returns to this page with a state of its own."""
    async with opened(tmp_path, api) as (_, browser, path):
        page = await browser.get(path)
        while BUTTON not in page.text:  # the host is asked in the background
            page = await browser.get(path)
        assert f'href="{path}/apply"' in page.text
        assert "Add the records by hand instead" in page.text
        out = urlsplit(await way_out(browser, path))
        given = parse_qs(out.query)
        assert f"{out.scheme}://{out.netloc}" == api.url
        assert given["domain"] == ["acme.dev"]
        assert given["redirect_uri"] == [f"https://mail.example.net{path}/applied"]
        states = {await state_for(browser, path) for _ in range(20)}
        assert len(states) == 20
        assert all(re.fullmatch(r"[A-Za-z0-9._-]{20,80}", each) for each in states)


async def test_a_silent_host_is_asked_again(tmp_path: Path, api: ApiBehaviour) -> None:
    """An open page goes on asking, by its stream, until the host has said what it can do."""
    api.status = 503
    async with opened(tmp_path, api) as (story, browser, path):
        async with story.house.client(story.house.keys["acme"]) as acme:
            told = (await acme.get("/domains/acme.dev/apply-link")).json()
            assert told["reason"] == "host-unreachable"
        assert f'data-news="{path}/news?asks=1"' in (await browser.get(path)).text
        api.status = None
        page = await browser.get(path)
        while BUTTON not in page.text:  # silence is kept for a moment
            page = await browser.get(path)
        assert f'data-news="{path}/news"' in page.text


async def test_a_return_counts_once(tmp_path: Path, api: ApiBehaviour) -> None:
    """Accepted, audited and never accepted again; nor is one that was made before the last one that was."""
    async with opened(tmp_path, api) as (story, browser, path):
        older, newer = await state_for(browser, path), await state_for(browser, path)
        assert (await browser.head(f"{path}/applied", params={"state": newer})).status_code == 303
        ahead = await browser.get(f"{path}/applied", params={"state": newer}, headers={"Sec-Purpose": "prefetch"})
        assert ahead.headers["location"].endswith(path)
        how, said = await come_back(browser, path, state=newer)
        assert how == "added"
        assert "The records are added" in said
        assert "every 5 seconds" not in said  # no worker runs here, and nothing is promised that nobody does
        for repeated in (newer, older):
            assert (await come_back(browser, path, state=repeated))[0] == "repeated"
        assert (await come_back(browser, path, state=await state_for(browser, path)))[0] == "added"
        rows = await story.house.deps.store.audit_rows(story.house.accounts["acme"], None, 20)
        (found,) = [each for each in rows if each.row.action == "setup-link.applied"]
        assert found.count == 2
        assert re.fullmatch(r"acme\.dev link_\w+: added", found.row.subject)


async def test_a_return_counts_once_whenever_it_is_read(tmp_path: Path, api: ApiBehaviour) -> None:
    """Also where the clock moves on by microseconds while a return is read: the state alone says when it was made."""
    at, step = datetime(2026, 11, 30, 2, 30, 0, 999_999, tzinfo=UTC), timedelta(microseconds=1)

    def now() -> datetime:
        nonlocal at, step
        at, step = at + step, step * 1.07 % timedelta(milliseconds=7) + timedelta(microseconds=1)
        return at

    async with told(tmp_path, api, now=now) as story, story.house.client() as browser:
        await story.add()
        path = await link_of(story)
        for _ in range(10):
            state = await state_for(browser, path)
            assert (await come_back(browser, path, state=state))[0] == "added"
            assert {(await come_back(browser, path, state=state))[0] for _ in range(10)} == {"repeated"}


async def test_states_that_were_not_given(tmp_path: Path, api: ApiBehaviour) -> None:
    """Made up, changed in any part, of another link of the same domain, or of another domain: not believed."""
    async with opened(tmp_path, api) as (story, browser, path):
        state, other = await state_for(browser, path), await link_of(story)
        issued, nonce, mac = state.split(".")
        wrong = ["", ".", "a.b.c", "\u00e9.\u00e9.\u00e9", f"{issued}.{nonce}", f".{mac}"]
        wrong += [
            f"{int(issued) + 1}.{nonce}.{mac}",
            f"{issued}.x{nonce}.{mac}",
            f"{issued}.{nonce}.{mac[:-1]}",
            f"{state}x",
            state.upper(),
            "9" * 4000,
        ]
        wrong += [await state_for(browser, other)]
        for each in wrong:
            assert (await come_back(browser, path, state=each))[0] == "foreign", each
        assert (await come_back(browser, path, state=state))[0] == "added"


async def test_an_old_return_is_not_relied_on(tmp_path: Path, api: ApiBehaviour) -> None:
    """An hour later the page says so, and shows what is in DNS; so does a link that has ended, as a whole."""
    clock = Clock(datetime.now(UTC))
    async with told(tmp_path, api, now=clock) as story, story.house.client() as browser:
        await story.add()
        path = await link_of(story)
        early, late = await state_for(browser, path), await state_for(browser, path)
        clock.turn(minutes=59)
        assert (await come_back(browser, path, state=early))[0] == "added"
        clock.turn(minutes=2)
        assert (await come_back(browser, path, state=late))[0] == "late"
        clock.turn(days=15)
        for way in ("apply", f"applied?state={late}"):
            assert (await browser.get(f"{path}/{way}")).status_code == 404


@pytest.mark.parametrize(
    "error", [*ERRORS, "access_denied", "<script>alert(1)</script>", "ADDED", "foreign", "x" * 2000]
)
async def test_errors_of_the_draft(tmp_path: Path, api: ApiBehaviour, error: str) -> None:
    """Each has a sentence with its code; of an error that is none of the draft's, nothing is repeated."""
    async with opened(tmp_path, api) as (_, browser, path):
        state = await state_for(browser, path)
        how, said = await come_back(browser, path, state=state, error=error, error_description="<b>told</b> by a host")
        known = error in {*ERRORS, "access_denied"}
        assert how == (error if known else "other_error")
        assert (f"({error})" in said) == known
        assert "told" not in said
        assert "by hand" in said


async def test_cancelled(tmp_path: Path, api: ApiBehaviour) -> None:
    """Whoever cancelled at the host reads that, and not that they are not allowed to."""
    async with opened(tmp_path, api) as (_, browser, path):
        query = {"error": "access_denied", "error_description": "user_cancel: pressed the button"}
        how, said = await come_back(browser, path, state=await state_for(browser, path), **query)
        assert (how, "You cancelled" in said) == ("cancelled", True)


async def test_nobody_is_led_where_nothing_can_be_added(tmp_path: Path, api: ApiBehaviour) -> None:
    """Records in the way, or all of them there, or no public key in DNS: the button's address leads back here."""
    async with told(tmp_path / "first", api) as story, story.house.client() as browser:
        host = (await story.add())["mail_from_mx"]["host"]
        story.zones.records += f"{host}. 300 MX 5 mx.elsewhere.test.\n"
        back = await way_out(browser, path := await link_of(story))
        assert back.endswith("?applied=collides")
        page = (await browser.get(f"{path}?applied=collides")).text
        assert ("mx.elsewhere.test" in page.partition('id="returned"')[2].partition("</p>")[0], BUTTON in page) == (
            True,
            False,
        )
    async with told(tmp_path / "second", api) as story, story.house.client() as browser:
        story.zones.records += published(await story.add())
        assert (await way_out(browser, await link_of(story))).endswith("?applied=nothing")
    async with told(tmp_path / "left", api) as story, story.house.client() as browser:
        story.zones.records += published(await story.add(mailFrom="odd"), "dkim", "dmarc")
        back = await way_out(browser, path := await link_of(story))
        assert back.endswith("?applied=left")
        assert "Add it by hand" in (await browser.get(f"{path}?applied=left")).text
    async with told(tmp_path / "stale", api) as story, story.house.client() as browser:
        await story.add("news.acme.dev")
        async with story.house.client(story.house.keys["acme"]) as acme:
            await acme.post("/domains/news.acme.dev/check")
        story.zones.records += "* A 192.0.2.9\n"
        path = await link_of(story, "news.acme.dev")
        assert BUTTON in (await browser.get(path)).text  # by the last check
        assert (await way_out(browser, path)).endswith("?applied=collides")
        page = (await browser.get(f"{path}?applied=collides")).text
        assert ("*.acme.dev answers for it" in page, BUTTON in page) == (True, False)
    async with told(tmp_path / "third", api) as story, story.house.client() as browser:
        story.zones.keys = ""  # no host could verify what we sign
        await story.add()
        path = await link_of(story)
        assert BUTTON not in (await browser.get(path)).text
        assert (await way_out(browser, path)).endswith("?applied=unsupported")


async def test_a_host_that_does_not_answer(tmp_path: Path, api: ApiBehaviour) -> None:
    """Its silence is told as what it is; the page itself never waits for it."""
    api.seconds = 4.0
    async with told(tmp_path, api) as story, story.house.client() as browser:
        await story.add()
        account_id = story.house.accounts["acme"]
        path = urlsplit((await make_link(story.house.deps, account_id, "acme.dev", 14, OPERATOR)).url).path
        began = time.monotonic()
        assert BUTTON not in (await browser.get(path)).text
        assert is_within(time.monotonic() - began, 2.0)
        api.status, api.seconds = 500, 0.0
        assert (await way_out(browser, path)).endswith("?applied=silent")


async def test_without_a_template(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Where the operator has none, the page is as it was: no button, and the records in sight."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    path = urlsplit((await acme.post("/domains/acme.dev/setup-links")).json()["url"]).path
    async with house.client() as browser:
        page = (await browser.get(path)).text
        assert 'id="apply" data-live aria-labelledby="apply-title" hidden' in page
        assert "by hand instead" not in page
        assert (await way_out(browser, path)).endswith("?applied=unsupported")
        assert "Add them by hand" in (await browser.get(f"{path}?applied=unsupported")).text
        assert 'id="returned"' not in (await browser.get(f"{path}?applied=%3Cscript%3E")).text


def test_every_sentence_is_there() -> None:
    """Each way to come back, and each reason to stay, has a text."""
    assert {f"setup.applied_{each}" for each in SENTENCES} <= set(read_texts())
    assert len(ApplyReturn) + 5 == len(SENTENCES)
    assert len(ApplyLinkReason) == 9
