"""What people ask for over HTTP is done once for all who ask: by the parsed name, with a budget of the account's."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import httpx2
import pytest

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.accounts.accounts import Scope
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.domain.provider_identity import IdentityReport
from letterhead.operations import checks
from letterhead.operations.domains import plan_of
from letterhead.operations.recent_results import BUDGET_BURST
from letterhead.ports.resolver import Allowance
from tests.operations.world import WrittenDns, noon
from tests.web.conftest import Installation, running

REFRESHERS = 40
PATHS = [("GET", "/domains/{}/dns-check"), ("POST", "/domains/{}/preflight"), ("POST", "/domains/{}/check")]


class CountingDns(ZoneFileResolver):
    """Answers from a zone, and counts the times that it is asked."""

    asked = 0

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Count, and let others run meanwhile."""
        self.asked += 1
        await asyncio.sleep(0.01)
        return await super().ask(questions, allowance)


class CountingProvider(SimulatedProvider):
    """Counts the reports that it is asked for."""

    reports = 0

    async def identity_report(self, sender: str, tag: str) -> IdentityReport:
        """Count, and let others run meanwhile."""
        self.reports += 1
        await asyncio.sleep(0.01)
        return await super().identity_report(sender, tag)


def all_alike(answers: list[httpx2.Response]) -> bool:
    """Tell whether all have status 200 and show one and the same check."""
    assert {each.status_code for each in answers} == {200}
    return len({str(each.json().get("checkedAt", each.json().get("lastSync"))) for each in answers}) == 1


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_look_is_made_once_however_the_name_is_typed(tmp_path: Path, method: str, path: str) -> None:
    """Twenty at once, and others in other capitals, cost DNS what one costs."""
    dns = CountingDns("$ORIGIN acme.dev.\n@ SOA ns1 dns 1 7200 3600 1209600 7200\n@ NS ns1\n")
    async with running(tmp_path, resolver=dns) as house, house.client(house.keys["acme"]) as client:
        await client.post("/domains", json={"sender": "acme.dev", "startVerification": False})
        first = await client.request(method, path.format("acme.dev"))
        once, dns.asked = dns.asked, 0
        assert once > 0
        await client.post("/domains", json={"sender": "two.acme.dev", "startVerification": False})
        typed = ["two.acme.dev", "TWO.acme.dev", "two.ACME.dev.", "Two.Acme.Dev"] * 5
        answers = await asyncio.gather(*(client.request(method, path.format(name)) for name in typed))
        assert all_alike(answers)
        assert 0 < dns.asked <= 2 * once
        again = await client.request(method, path.format("ACME.dev"))
        assert {"age", "retry-after"} <= set(again.headers)
        assert all_alike([first, again])


async def test_a_look_after_a_change_is_new(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A dns-check does not answer with the records that were planned before a rotation."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    before = (await acme.get("/domains/acme.dev/dns-check")).json()
    domain = (await house.deps.store.domain(house.accounts["acme"], "acme.dev")) or pytest.fail("it is there")
    assert await checks.check(house.deps, domain)
    after = (await acme.get("/domains/acme.dev/dns-check")).json()
    assert before["checkedAt"] != after["checkedAt"]


async def test_forty_refreshers_cost_one_call(tmp_path: Path) -> None:
    """They all get the list, and the provider is asked once for each domain, within a minute too."""
    provider, dns = CountingProvider(noon), WrittenDns("acme.dev")
    async with running(tmp_path, resolver=dns, provider=provider) as house:
        added = await house.world.add("acme.dev")
        dns.publish(*plan_of(house.deps, added).records)
        for _ in range(2):
            await house.world.look("acme.dev")
        assert (await house.world.domain("acme.dev")).registered_at is not None
        provider.reports = 0
        async with house.client(await house.make_key("acme", Scope.READ)) as client:
            for _ in range(2):
                answers = await asyncio.gather(*(client.get("/domains?refresh=true") for _ in range(REFRESHERS)))
                assert {each.status_code for each in answers} == {200}
                assert {len(each.json()) for each in answers} == {1}
        assert provider.reports == 1


async def test_an_account_that_asks_too_much_is_told_so(tmp_path: Path) -> None:
    """Its budget ends in 429 with a code, a time and what to do; another account's looks are made."""
    async with running(tmp_path) as house, house.client(house.keys["acme"]) as client:
        names = [f"x{number}.acme.dev" for number in range(BUDGET_BURST + 20)]
        answers = await asyncio.gather(*(client.post(f"/domains/{name}/preflight") for name in names))
        refused = [each for each in answers if each.status_code == 429]
        assert {each.status_code for each in answers} == {200, 429}
        assert 0 < len(refused) <= 20
        error = refused[0].json()["error"]
        assert error["code"] == "too-many-requests"
        assert refused[0].headers["retry-after"] in error["fix"]
        async with house.client(await house.open_account("other")) as other:
            assert (await other.post("/domains/x0.acme.dev/preflight")).status_code == 200


async def test_a_webhook_is_tried_once(acme: httpx2.AsyncClient) -> None:
    """Ten that press the button within seconds get one and the same delivery."""
    made = await acme.post("/webhooks", json={"webhook": "https://hooks.example.com/a", "events": ["*"]})
    path = f"/webhooks/{made.json()['id']}"
    tried = await asyncio.gather(*(acme.post(f"{path}/test") for _ in range(10)))
    assert len({each.json()["id"] for each in tried}) == 1
    assert len((await acme.get(f"{path}/deliveries")).json()) == 1
