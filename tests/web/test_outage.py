"""An outage of our own resolvers or of our own storage is told where people, programs and monitors look."""

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import structlog
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.plan.plan import Verdict
from letterhead.operations.health import log_outage
from letterhead.ports.store.domains import DomainUpdate
from tests.contracts.samples import checkup
from tests.rigs.waiting import CEILING
from tests.web.conftest import OPERATOR_TOKEN, Installation
from tests.web.test_pages import sign_in

WORDS = "the trouble is ours, not yours"


async def looked(house: Installation, sender: str, verdict: Verdict) -> None:
    """Write down a look that met this verdict."""
    domain: Domain = await house.world.domain(sender)
    one = checkup()
    standings = tuple(replace(each, verdict=verdict) for each in one.results)
    done = replace(one, results=standings, taken_at=datetime.now(UTC))
    assert await house.deps.store.save(DomainUpdate(domain=replace(domain, zone=sender), check=done))


async def told(house: Installation, nobody: httpx2.AsyncClient) -> tuple[bool, bool, bool]:
    """Say whether /readyz, /metrics and the dashboard tell of it."""
    ready = (await nobody.get("/readyz")).json()["resolvers"]
    async with house.client(OPERATOR_TOKEN) as operator:
        numbers = (await operator.get("/metrics")).text
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = (await browser.get("/dashboard")).text
    return "degraded" in ready["detail"], "letterhead_resolver_outage 1.0" in numbers, WORDS in page


async def until_told(house: Installation, nobody: httpx2.AsyncClient, expected: tuple[bool, bool, bool]) -> None:
    """Wait until all of them tell the same: /readyz asks the store at a bounded rate."""
    async with asyncio.timeout(CEILING):
        while await told(house, nobody) != expected:  # noqa: ASYNC110 nothing tells when to ask again
            await asyncio.sleep(0.1)


async def test_an_outage_is_told(house: Installation, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """One silent zone is that zone's trouble; several at once are ours, until anybody is heard again."""
    names = ["one.dev", "two.dev", "three.dev"]
    for name in names:
        await acme.post("/domains", json={"sender": name})
    await looked(house, names[0], Verdict.UNANSWERED)
    assert await told(house, nobody) == (False, False, False)
    assert await log_outage(house.deps, None) is None
    for name in names[1:]:
        await looked(house, name, Verdict.UNANSWERED)
    await until_told(house, nobody, (True, True, True))
    with structlog.testing.capture_logs() as logs:
        began = await log_outage(house.deps, None)
        assert began is not None
        assert await log_outage(house.deps, began) == began
    assert [(line["event"], line["log_level"]) for line in logs] == [("resolver.outage.began", "error")]
    await looked(house, names[1], Verdict.ABSENT)
    await until_told(house, nobody, (False, False, False))
    with structlog.testing.capture_logs() as logs:
        assert await log_outage(house.deps, began) is None
    assert [(line["event"], line["log_level"]) for line in logs] == [("resolver.outage.ended", "info")]


async def test_storage_out_of_reach_asks_to_come_back(
    house: Installation, acme: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """Proxies and clients repeat what is 503, not what is 500; the envelope and its code stay, and no path is in it."""
    with closing(sqlite3.connect(tmp_path / "letterhead.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = await acme.post("/domains", json={"sender": "kept.dev"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    envelope = refused.json()
    assert envelope["trackingId"] == refused.headers["X-Tracking-Id"]
    assert envelope["error"]["code"] == "storage-unavailable"
    assert "5 s" in envelope["error"]["fix"]
    assert str(tmp_path) not in refused.text
    assert (await acme.post("/domains", json={"sender": "kept.dev"})).status_code == 200


async def test_a_page_tells_a_customer_nothing_of_our_storage(
    house: Installation, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """Whoever opens a set-up link reads one sentence that concerns him, in no program's words."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    path = urlsplit((await acme.post("/domains/acme.dev/setup-links")).json()["url"]).path
    with closing(sqlite3.connect(tmp_path / "letterhead.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        page = await nobody.get(path)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "can&#39;t be shown at the moment" in page.text
    assert not re.search(r"SQLite|PostgreSQL|storage|Idempotency|operator|Errno|POST", page.text)
    assert (await nobody.get(path)).status_code == 200
