"""The dashboard's list narrows by problem, beside state and search, and every link keeps the other filters."""

import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from msgspec.structs import replace

from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.findings.diagnosis import Severity
from letterhead.ports.store.domains import DomainUpdate
from tests.contracts.samples import checkup
from tests.web.conftest import Installation
from tests.web.test_pages import sign_in


async def found(house: Installation, acme: httpx2.AsyncClient, sender: str, *codes: str) -> None:
    """Add a domain whose last check found problems with these codes."""
    await acme.post("/domains", json={"sender": sender})
    one = checkup()
    findings = tuple(replace(one.findings[0], code=code) for code in codes)
    domain = await house.world.domain(sender)
    assert await house.deps.store.save(DomainUpdate(domain=domain, check=replace(one, findings=findings)))


def listed(page: httpx2.Response) -> list[str]:
    """Read the domains of the list."""
    return re.findall(r'<th scope="row"><a [^>]*>([^<]+)<', page.text)


@pytest.fixture
async def three(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Add three domains, two of which lack a key."""
    await found(house, acme, "one.dev", "dkim.missing")
    await found(house, acme, "two.dev", "spf.missing", "zone.lame", "dkim.missing")
    await found(house, acme, "three.dev", "spf.missing")


@pytest.mark.usefixtures("three")
async def test_a_code_leads_to_the_domains_that_have_it(house: Installation) -> None:
    """Each chip is a link to the list of that problem, where it comes first; a link there leads out again."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard")
        assert listed(page) == ["one.dev", "three.dev", "two.dev"]
        chip = re.search(r'class="code-tag of-blocking" href="([^"]+)"[^>]*>dkim.missing<', page.text)
        assert chip is not None
        narrowed = await browser.get(chip[1])
        assert listed(narrowed) == ["one.dev", "two.dev"]
        assert len(re.findall(r'aria-current="true">dkim.missing<', narrowed.text)) == 2
        out = re.search(r'href="([^"]+)">Show all problems<', narrowed.text)
        assert out is not None
        assert listed(await browser.get(out[1])) == listed(page)


@pytest.mark.usefixtures("three")
async def test_filters_go_together(house: Installation) -> None:
    """State, search and problem narrow at once, and a link for one of them keeps the others."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard?problem=dkim.missing&q=Two&status=PENDING")
        assert listed(page) == ["two.dev"]
        assert 'href="/dashboard?problem=dkim.missing&amp;q=Two"' in page.text
        assert 'href="/dashboard?status=PENDING&amp;problem=spf.missing&amp;q=Two"' in page.text
        assert '<input type="hidden" name="problem" value="dkim.missing">' in page.text
        assert "No domain matches." in (await browser.get("/dashboard?problem=dkim.missing&q=three")).text


@pytest.mark.usefixtures("three")
async def test_the_api_narrows_likewise(acme: httpx2.AsyncClient) -> None:
    """`problem` gives the same domains, beside the other parameters and from page to page."""

    async def names(**query: str) -> list[str]:
        return [each["sender"] for each in (await acme.get("/domains", params=query)).json()]

    assert await names(problem="dkim.missing") == ["one.dev", "two.dev"]
    assert await names(problem="dkim.missing", q="two") == ["two.dev"]
    assert await names(problem="dkim.missing", status="FAILED") == []
    first = await acme.get("/domains?problem=dkim.missing&limit=1")
    assert [each["sender"] for each in first.json()] == ["one.dev"]
    following = await acme.get(first.links["next"]["url"])
    assert [each["sender"] for each in following.json()] == ["two.dev"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("code", "fix"),
    [("dkim.mising", "Do you mean dkim.missing"), ("missing", "dkim.missing"), ("zzzz", "docs/findings lists all")],
)
async def test_the_api_refuses_what_is_no_code(acme: httpx2.AsyncClient, code: str, fix: str) -> None:
    """An unknown code is named and refused, with those that may have been meant: no list that looks like good news."""
    answer = await acme.get("/domains", params={"problem": code})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parameter-invalid")
    assert repr(code) in answer.json()["error"]["message"]
    assert fix in answer.json()["error"]["fix"]


@pytest.mark.usefixtures("three")
async def test_what_is_no_code_narrows_nothing(house: Installation) -> None:
    """A code that there is not is left alone, like a state that there is not, and is not written into the page."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard", params={"problem": '"><b>dkim'})
        assert len(listed(page)) == 3
        assert "<b>dkim" not in page.text


async def at_risk(house: Installation, sender: str, hours: int) -> None:
    """Put a domain at risk, from which nothing may be sent after so many hours."""
    stops = datetime.now(UTC) + timedelta(hours=hours)
    health = replace(new_health(HealthState.AT_RISK, datetime.now(UTC)), stops_sending_at=stops)
    domain = await house.world.domain(sender)
    assert await house.deps.store.save(DomainUpdate(domain=replace(domain, dkim=health)))


@pytest.mark.usefixtures("three")
async def test_what_is_at_risk_comes_first_with_its_deadline(house: Installation) -> None:
    """By when sending stops, each once, with the filters that are set; a list of one state is in its own order."""
    await at_risk(house, "two.dev", 5)
    await at_risk(house, "three.dev", 50)
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard")
        assert listed(page) == ["two.dev", "three.dev", "one.dev"]
        assert page.text.count("Sending stops at") == 2
        assert listed(await browser.get("/dashboard?q=three")) == ["three.dev"]
        assert listed(await browser.get("/dashboard?problem=dkim.missing")) == ["two.dev", "one.dev"]
        assert listed(await browser.get("/dashboard?status=TEMPORARY_FAILURE")) == ["three.dev", "two.dev"]
        assert listed(await browser.get("/dashboard?after=one.dev")) == []


@pytest.mark.usefixtures("three")
async def test_problems_are_told_in_words_with_the_code_beside(house: Installation) -> None:
    """The finding's own title, and the code that leads to others with it; a tip is none."""
    domain = await house.world.domain("one.dev")
    one = checkup()
    tip = replace(one.findings[0], code="dmarc.missing", severity=Severity.TIP, title="No policy")
    both = replace(one, findings=(replace(one.findings[0], title="The <key> is missing"), tip))
    assert await house.deps.store.save(DomainUpdate(domain=domain, check=both))
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard?q=one.dev")
        words = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
        assert "The &lt;key&gt; is missing dkim.missing" in words
        assert "No policy" not in words


async def test_adding_comes_before_the_list(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The form to add a domain stands above the list in the order of the page, as on a phone."""
    await acme.post("/domains", json={"sender": "one.dev"})
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = (await browser.get("/dashboard")).text
        assert page.index('id="sender"') < page.index('class="tabs"') < page.index('class="domains"')
