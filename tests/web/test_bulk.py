"""Many domains in one request: each whole, with a result of its own; each counts; nothing changes the second time."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.accounts.quotas import Limits
from letterhead.core.dns.answers import Question, Reply
from letterhead.operations import bulk
from letterhead.operations.recent_results import PLACES_EACH
from letterhead.ports.resolver import Allowance
from tests.rigs.waiting import until_async
from tests.web.conftest import Installation, running
from tests.web.test_records import ZONE


async def add(client: httpx2.AsyncClient, *domains: object) -> list[dict[str, Any]]:
    """Add domains and return the results."""
    answer = await client.post("/domains/bulk", json={"domains": list(domains)}, timeout=60)  # it may take 20 s
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def test_each_has_a_result_of_its_own(acme: httpx2.AsyncClient) -> None:
    """A bad name, a reserved one and a wrong type fail for themselves, with the code they would have alone."""
    asked = [{"sender": "acme.dev"}, {"sender": "co.uk"}, {"sender": 7}, {"sender": "ACME.dev."}, {"sender": "b.dev"}]
    results = await add(acme, *asked)
    assert [each["result"] for each in results] == ["added", "failed", "failed", "exists", "added"]
    assert [each["error"]["code"] for each in results if "error" in each] == ["domain-public-suffix", "domain-type"]
    assert results[0]["domain"]["verificationRecords"]["dkim"]["recordType"] == "TXT"
    assert "privateDKIMKey" not in results[0]["domain"]
    for each in results:
        if each["result"] == "failed":
            assert "domain" not in each
            alone = await acme.post("/domains", json=asked[results.index(each)])
            assert alone.json()["error"]["code"] == each["error"]["code"]
    assert {each["sender"] for each in (await acme.get("/domains")).json()} == {"acme.dev", "b.dev"}


async def test_again_changes_nothing(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The same request again answers with the same domains, and leaves no event."""
    asked = [{"sender": f"d{number}.dev"} for number in range(5)]
    first = await add(acme, *asked)
    events = len(await house.world.events())
    again = await add(acme, *asked)
    assert {each["result"] for each in again} == {"exists"}
    assert [each["domain"]["selector"] for each in again] == [each["domain"]["selector"] for each in first]
    assert len(await house.world.events()) == events


async def test_limits_count_each(tmp_path: Path) -> None:
    """The limit on domains lets the first ones in and refuses the rest one by one; those can be added later."""
    async with running(tmp_path, limits=Limits(domains=2)) as house, house.client(house.keys["acme"]) as acme:
        results = await add(acme, *({"sender": f"d{number}.dev"} for number in range(4)))
        assert [each["result"] for each in results] == ["added", "added", "failed", "failed"]
        assert {each["error"]["code"] for each in results[2:]} == {"usage-limit-exceeded"}
        assert len((await acme.get("/domains")).json()) == 2


async def test_each_counts_as_a_request(tmp_path: Path) -> None:
    """A bulk of ten takes ten requests of the month, and none of its domains gets past the rate of requests."""
    limits = Limits(requests_per_month=8)
    async with running(tmp_path / "month", limits=limits) as house, house.client(house.keys["acme"]) as acme:
        results = await add(acme, *({"sender": f"d{number}.dev"} for number in range(10)))
        assert [each["result"] for each in results].count("added") == 8
        assert {each["error"]["code"] for each in results[8:]} == {"usage-limit-exceeded"}
    async with running(tmp_path / "rate", rate=20, burst=4) as house, house.client(house.keys["acme"]) as acme:
        loop = asyncio.get_running_loop()
        began = loop.time()
        results = await add(acme, *({"sender": f"d{number}.dev"} for number in range(20)))
        assert {each["result"] for each in results} == {"added"}
        assert loop.time() - began > 0.9  # 17 of them waited for a token: 15 in a second


async def test_too_many_and_too_few_are_refused_whole(acme: httpx2.AsyncClient) -> None:
    """More than 100 domains, none, or an unknown field: the request is refused, and nothing of it is done."""
    many = [{"sender": f"d{number}.dev"} for number in range(bulk.MOST + 1)]
    bodies: list[dict[str, Any]] = [{"domains": many}, {"domains": []}, {}, {"domains": [{"sender": "a", "zone": "x"}]}]
    for body in bodies:
        answer = await acme.post("/domains/bulk", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "body-invalid"), body
    assert (await acme.get("/domains")).json() == []


async def test_a_hundred_at_once(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A hundred domains are added while others are served; what time did not reach says so, and is sent again."""
    left = [{"sender": f"d{number}.dev"} for number in range(100)]
    await house.open_account("zeta")
    async with house.client(house.keys["zeta"]) as zeta:
        adding = asyncio.create_task(add(acme, *left))
        while not adding.done():
            assert (await zeta.get("/domains")).status_code == 200
            await asyncio.sleep(0.05)
    for _ in range(10):
        results = await adding
        left = [{"sender": each["sender"]} for each in results if each["result"] == "failed"]
        assert {each["error"]["code"] for each in results if each["result"] == "failed"} <= {"too-many-requests"}
        if not left:
            break
        adding = asyncio.create_task(add(acme, *left))
    assert len((await acme.get("/domains")).json()) == 100


async def test_checks_of_many(tmp_path: Path) -> None:
    """Each domain is checked and shown without its snapshot; one that the account does not have fails for itself."""
    async with running(tmp_path, ZONE) as house, house.client(house.keys["acme"]) as acme:
        await add(acme, {"sender": "acme.dev"}, {"sender": "news.acme.dev"})
        asked = ["acme.dev", "news.acme.dev", "other.dev", "not a name"]
        answer = await acme.post("/domains/check", json={"domains": asked})
        results = answer.json()["results"]
        assert [each["result"] for each in results] == ["checked", "checked", "failed", "failed"]
        assert {each["error"]["code"] for each in results[2:]} == {"not-found"}
        for each in results[:2]:
            assert "snapshot" not in each["domain"]
            assert "dkim.missing" in {found["code"] for found in each["domain"]["findings"]}
        again = (await acme.post("/domains/check", json={"domains": asked[:1]})).json()["results"]
        assert again[0]["domain"]["lastCheckAge"] >= 0


class SlowDns:
    """Answers from zone text, each time after a while, and counts the checks of an account that are under way."""

    def __init__(self) -> None:
        self.inner, self.most = ZoneFileResolver(ZONE), 0
        self.house: Installation | None = None

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer after a while."""
        if self.house is not None:
            held = self.house.state.on_demand.budget.places.held_by_account()
            self.most = max(self.most, held.get(self.house.accounts["acme"], 0))
        await asyncio.sleep(0.05)
        return await self.inner.ask(questions, allowance)


async def test_checks_of_many_leave_room_for_others(tmp_path: Path) -> None:
    """An account that checks fifty domains has no more places than another, whose check is made meanwhile."""
    dns = SlowDns()
    async with running(tmp_path, resolver=dns) as house, house.client(house.keys["acme"]) as acme:
        await house.open_account("zeta")
        names = [f"d{number}.acme.dev" for number in range(50)]
        await add(acme, *({"sender": each} for each in names))
        async with house.client(house.keys["zeta"]) as zeta:
            await add(zeta, {"sender": "zeta.acme.dev"})
            dns.house = house
            checking = asyncio.create_task(acme.post("/domains/check", json={"domains": names}))
            await until_async(lambda: dns.most > 0)
            answer = await zeta.post("/domains/zeta.acme.dev/check")
            assert answer.status_code == 200
            assert not checking.done()
        results = (await checking).json()["results"]
        assert {each.get("error", {}).get("code") for each in results} <= {None, "too-many-requests"}
        assert 0 < dns.most <= PLACES_EACH
