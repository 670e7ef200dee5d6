"""An outage of our own resolvers is told where people and monitors look, and ends by itself."""

from datetime import UTC, datetime

import httpx2
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.plan.plan import Verdict
from letterhead.ports.store.domains import DomainUpdate
from tests.contracts.samples import checkup
from tests.web.conftest import OPERATOR_TOKEN, Installation
from tests.web.test_pages import sign_in

WORDS = "the trouble is ours, not yours"


async def looked(house: Installation, sender: str, verdict: Verdict) -> None:
    """Writes down a look that met this verdict."""
    domain: Domain = await house.world.domain(sender)
    one = checkup()
    standings = tuple(replace(each, verdict=verdict) for each in one.results)
    done = replace(one, results=standings, taken_at=datetime.now(UTC))
    assert await house.deps.store.save(DomainUpdate(domain=replace(domain, zone=sender), check=done))


async def told(house: Installation, nobody: httpx2.AsyncClient) -> tuple[bool, bool, bool]:
    """Says whether /readyz, /metrics and the dashboard tell of it."""
    ready = (await nobody.get("/readyz")).json()["resolvers"]
    async with house.client(OPERATOR_TOKEN) as operator:
        numbers = (await operator.get("/metrics")).text
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = (await browser.get("/dashboard")).text
    return "degraded" in ready["detail"], "letterhead_resolver_outage 1.0" in numbers, WORDS in page


async def test_an_outage_is_told(house: Installation, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """One silent zone is that zone's trouble; several at once are ours, until anybody is heard again."""
    names = ["one.dev", "two.dev", "three.dev"]
    for name in names:
        await acme.post("/domains", json={"sender": name})
    await looked(house, names[0], Verdict.UNANSWERED)
    assert await told(house, nobody) == (False, False, False)
    for name in names[1:]:
        await looked(house, name, Verdict.UNANSWERED)
    assert await told(house, nobody) == (True, True, True)
    await looked(house, names[1], Verdict.ABSENT)
    assert await told(house, nobody) == (False, False, False)
