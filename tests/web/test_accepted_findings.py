"""A finding that an account accepts until a day: shown as accepted, counted nowhere, over by itself, never blocking."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from letterhead.core.accounts.accounts import Scope
from letterhead.core.dns.records import zone_line
from letterhead.core.findings.acceptance import identity_of, mark_accepted
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.errors import Kind
from tests.operations.world import Clock, WrittenDns
from tests.web.conftest import Installation, running
from tests.web.test_pages import csrf, sign_in

SENDER, HOST = "acme.dev", "_dmarc.acme.dev"
CODE, PATH = "dmarc.policy-invalid", "/domains/acme.dev/accepted-findings"
REASON = "The relay of the shop is moved by then"
BEGAN = datetime(2026, 11, 29, 12, tzinfo=UTC)
UNTIL = "2027-03-01"


def set_policy(dns: WrittenDns, text: str, host: str = HOST) -> None:
    """Publish a DMARC record."""
    dns.records[host, "TXT"] = zone_line(host, "TXT", text, None)


@asynccontextmanager
async def accepting(folder: Path) -> AsyncIterator[tuple[Installation, WrittenDns, Clock]]:
    """Run an installation with a domain whose records are right but for its policy, which is no word of DMARC."""
    dns, clock = WrittenDns(SENDER), Clock(BEGAN)
    async with running(folder, resolver=dns, now=clock) as house:
        await house.world.add(SENDER)
        dns.publish(*(await house.world.view(SENDER)).plan.records)
        set_policy(dns, "v=DMARC1; p=some")
        await house.world.look(SENDER, thorough=True)
        yield house, dns, clock


async def finding(client: httpx2.AsyncClient, code: str = CODE) -> dict[str, Any]:
    """Return the domain's finding with this code."""
    found = (await client.get(f"/domains/{SENDER}")).json()["findings"]
    return next(each for each in found if each["code"] == code)


async def health(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Return the summary of the domain in the list."""
    summary: dict[str, Any] = (await client.get("/domains?expand=health")).json()[0]["health"]
    return summary


async def refused(client: httpx2.AsyncClient, **body: str) -> tuple[int, str]:
    """Ask for an acceptance that is refused, and return status and code."""
    answer = await client.post(PATH, json={"code": CODE, "until": UNTIL, "reason": REASON} | body)
    return answer.status_code, answer.json()["error"]["code"]


async def test_an_accepted_finding_is_in_the_api_and_counted_nowhere(tmp_path: Path) -> None:
    """By whom, why and until when is at the finding; the counts leave it out; `GET /domains` does not change."""
    async with accepting(tmp_path) as (house, dns, clock), house.client(house.keys["acme"]) as acme:
        before, plain = await health(acme), (await acme.get("/domains")).json()
        assert "accepted" not in await finding(acme)
        answer = await acme.post(PATH, json={"code": CODE, "until": UNTIL, "reason": f"  {REASON}\n "})
        assert answer.status_code == 200, answer.text
        listed = answer.json()["acceptedFindings"]
        assert [(each["code"], each["host"], each["record"], each["state"]) for each in listed] == [
            (CODE, HOST, "dmarc", "accepted")
        ]
        assert (await acme.get(PATH)).json() == answer.json()
        accepted = (await finding(acme))["accepted"]
        assert accepted == {"by": listed[0]["by"], "reason": REASON, "at": "2026-11-29T12:00:00Z",
                            "until": "2027-03-01T00:00:00Z"}  # fmt: skip
        assert accepted["by"].startswith("key_")
        after = await health(acme)
        assert (after["warnings"], after["accepted"]) == (before["warnings"] - 1, [CODE])
        assert after["codes"] == before["codes"]
        assert (await acme.get("/domains")).json() == plain
        dry = (await acme.get(f"/domains/{SENDER}/dns-check")).json()["findings"]
        assert [each["code"] for each in dry if "accepted" in each] == [CODE]
        set_policy(dns, "v=DMARC1; p=none", "_dmarc.other.acme.dev")
        clock.turn(hours=6)
        await house.world.look(SENDER, thorough=True)  # a check does not lose it
        assert "accepted" in await finding(acme)


async def test_it_ends_by_itself_and_when_it_is_withdrawn(tmp_path: Path) -> None:
    """At its day it counts again, and is listed as ended for a month; a new acceptance takes its place."""
    async with accepting(tmp_path) as (house, _, clock), house.client(house.keys["acme"]) as acme:
        await acme.post(PATH, json={"code": CODE, "until": UNTIL, "reason": REASON})
        clock.at = datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC)
        assert "accepted" in await finding(acme)
        clock.turn(seconds=1)
        assert "accepted" not in await finding(acme)
        assert "accepted" not in await health(acme)
        assert (await acme.get(PATH)).json()["acceptedFindings"][0]["state"] == "ended"
        again = await acme.post(PATH, json={"code": CODE, "until": "2027-04-01T00:00:00+02:00", "reason": "Longer"})
        assert [(each["until"], each["reason"]) for each in again.json()["acceptedFindings"]] == [
            ("2027-03-31T22:00:00Z", "Longer")
        ]
        assert (await acme.delete(f"{PATH}/{CODE}", params={"host": "_dmarc.acme.test"})).status_code == 404
        assert (await acme.delete(f"{PATH}/{CODE}")).status_code == 204
        assert (await acme.delete(f"{PATH}/{CODE}")).status_code == 404
        assert "accepted" not in await finding(acme)
        kinds = [each["kind"] for each in (await acme.get(f"/domains/{SENDER}/events")).json()]
        assert [each for each in kinds if each.startswith("finding.")] == [
            "finding.accepted", "finding.accepted", "finding.unaccepted",
        ]  # fmt: skip
        audit = await house.deps.store.audit_rows(house.accounts["acme"], None, 10)
        said = [(each.row.action, each.row.subject) for each in audit if each.row.action.startswith("finding.")]
        assert said[-1] == ("finding.accept", f"{SENDER} {CODE} at {HOST} until 2027-03-01")
        assert said[0] == ("finding.unaccept", f"{SENDER} {CODE}")
        assert REASON not in str(audit)


async def test_what_blocks_sending_is_never_accepted(tmp_path: Path) -> None:
    """Neither when it is asked for, nor when an accepted finding becomes blocking later."""
    async with accepting(tmp_path) as (house, dns, _), house.client(house.keys["acme"]) as acme:
        dns.withdraw(await house.world.dkim(SENDER))
        await house.world.look(SENDER, thorough=True)
        assert (await finding(acme, "dkim.removed"))["severity"] == "blocking"
        assert await refused(acme, code="dkim.removed") == (409, "finding-blocking")
    spoilt = Finding(code=CODE, severity=Severity.WARNING, record="dmarc", host=HOST, title="T", detail="D", fix="F")
    async with accepting(tmp_path / "later") as (house, _, clock), house.client(house.keys["acme"]) as acme:
        await acme.post(PATH, json={"code": CODE, "until": UNTIL, "reason": REASON})
        accepted = (await house.world.domain(SENDER)).accepted
    grave = Finding(code=CODE, severity=Severity.BLOCKING, record="dmarc", host=HOST, title="T", detail="D", fix="F")
    assert [each.accepted is not None for each in mark_accepted((spoilt, grave), accepted, clock.at)] == [True, False]


async def test_only_the_finding_that_is_meant_is_accepted(tmp_path: Path) -> None:
    """Another name, another record or another code is new; an unknown code, a wrong day and no reason are refused."""
    async with accepting(tmp_path) as (house, _, clock), house.client(house.keys["acme"]) as acme:
        await acme.post(PATH, json={"code": CODE, "until": UNTIL, "reason": REASON})
        accepted = (await house.world.domain(SENDER)).accepted
        same = Finding(code=CODE, severity=Severity.TIP, record="dmarc", host=HOST, title="T", detail="D", fix="F")
        for other in ({"host": "_dmarc.b.acme.dev"}, {"record": "dkim"}, {"record": None}, {"code": "dmarc.syntax"}):
            changed = Finding(**{name: getattr(same, name) for name in same.__struct_fields__} | other)
            assert identity_of(changed) != accepted[0].identity
            assert mark_accepted((changed, same), accepted, clock.at)[0].accepted is None
        assert await refused(acme, code="dmarc.policy-none") == (404, "not-found")
        assert await refused(acme, host="acme.dev") == (404, "not-found")
        assert await refused(acme, code="dmarc.policy") == (400, "parameter-invalid")
        for until in ("2026-11-29", "2028-01-01", "soon", "2026-11-29T12:30:00Z"):
            assert await refused(acme, until=until) == (400, "parameter-invalid"), until
        assert await refused(acme, reason=" \n ") == (400, "parameter-invalid")
        assert await refused(acme, reason="x\x07y") == (400, "parameter-invalid")
        assert await refused(acme, reason="x" * 501) == (400, "body-invalid")
        async with house.client(await house.make_key("acme", Scope.READ)) as reader:
            assert (await reader.get(PATH)).status_code == 200
            assert await refused(reader) == (403, Kind.SCOPE_MISSING)


async def test_the_pages_show_it_as_accepted_and_not_as_a_problem(tmp_path: Path) -> None:
    """Grey with who and why on the domain's page, gone from the list's problems, unknown on the customer's page."""
    async with (
        accepting(tmp_path) as (house, _, _),
        house.client() as browser,
        house.client(house.keys["acme"]) as acme,
    ):
        await sign_in(browser, house.keys["acme"])
        title = (await finding(acme))["title"]
        link = urlsplit((await acme.post(f"/domains/{SENDER}/setup-links")).json()["url"]).path
        assert f'class="code-tag of-warning" href="/dashboard?problem={CODE}"' in (await browser.get("/dashboard")).text
        assert title in (await acme.get(link)).text
        page = await browser.get(f"/dashboard/domains/{SENDER}")
        assert f'<option value="{CODE} {HOST}">' in page.text
        form = {"csrf": csrf(page), "finding": f"{CODE} {HOST}", "until": UNTIL, "reason": f"{REASON} <b>"}
        done = await browser.post(f"/dashboard{PATH}", data=form)
        assert done.headers["location"] == f"/dashboard/domains/{SENDER}?done=finding_accepted"
        shown = (await browser.get(f"/dashboard/domains/{SENDER}")).text
        box = re.search(r'<section class="finding is-accepted">.*?</section>', shown, re.DOTALL)
        assert box is not None
        assert title in box[0]
        assert "Accepted by first key until" in box[0]
        assert f"{REASON} &lt;b&gt;" in box[0]
        assert f'<option value="{CODE} {HOST}">' not in shown
        assert 'data-state="accepted"' in shown
        assert CODE not in (await browser.get("/dashboard")).text
        assert f'aria-current="true">{CODE}' in (await browser.get(f"/dashboard?problem={CODE}")).text
        customers = (await acme.get(link)).text
        assert title not in customers
        assert REASON not in customers
        assert "first key" not in customers
        assert 'data-state="accepted"' in customers
        form["csrf"] = csrf(await browser.get(f"/dashboard/domains/{SENDER}"))
        await browser.post(f"/dashboard{PATH}/withdraw", data=form)
        assert "is-accepted" not in (await browser.get(f"/dashboard/domains/{SENDER}")).text
        assert title in (await acme.get(link)).text


async def test_it_goes_with_the_domain(tmp_path: Path) -> None:
    """A domain that is deleted and added again has accepted nothing."""
    async with accepting(tmp_path) as (house, _, clock), house.client(house.keys["acme"]) as acme:
        await acme.post(PATH, json={"code": CODE, "until": UNTIL, "reason": REASON})
        await acme.delete(f"/domains/{SENDER}")
        await house.world.add(SENDER)
        clock.turn(minutes=1)
        assert (await acme.get(PATH)).json() == {"acceptedFindings": []}
