"""What a key bound to domains is told of who may send from a name, and of the domains that cover names below."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.rigs import proving
from tests.web.test_bound_keys import make
from tests.web.test_can_send import EU, Covering, covering

VARYING = ("date", "x-tracking-id", "ratelimit", "content-length")


@asynccontextmanager
async def bound(house: Covering, *domains: str, below: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client whose key is bound to some domains."""
    async with house.house.client(house.house.keys["acme"]) as acme:
        made = await make(acme, domains=list(domains), coversSubdomains=below, scope="read")
    async with house.house.client(made["key"]) as client:
        yield client


async def told(client: httpx2.AsyncClient, name: str, **query: str) -> str:
    """Ask for a name, and return the answer but for that name and what differs each time."""
    answer = await client.get("/can-send", params={"from": name, **query})
    assert answer.status_code == 200, answer.text
    found = {key: value for key, value in answer.json().items() if key != "checkedAt"}
    sent = {key: value for key, value in answer.headers.items() if key not in VARYING}
    return f"{found} {sent}".replace(name, "NAME")


async def reason(client: httpx2.AsyncClient, name: str) -> str:
    """Ask for a name, and return the reason."""
    answer = await client.get("/can-send", params={"from": name})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["reason"])


async def test_names_of_the_key_are_answered_and_no_others(tmp_path: Path) -> None:
    """Its names as for any key; the account's others as one that nobody has, also where somebody has just asked."""
    async with covering(tmp_path) as house:
        world = house.house.world
        for name in ("other.dev", "pending.dev"):
            await (house.prove(world, name) if name == "other.dev" else world.add(name))
        async with bound(house, "acme.dev") as exact, bound(house, "acme.dev", below=True) as wide:
            own = await told(house.client, "acme.dev")
            assert await told(exact, "acme.dev") == await told(wide, "acme.dev") == own
            below = await told(house.client, EU)  # with DMARC, which is kept for some seconds
            assert "'coveredBy': 'acme.dev'" in below
            assert await told(wide, EU) == below
            hidden = ("other.dev", "eu.other.dev", "pending.dev", "xacme.dev")
            assert [await reason(house.client, name) for name in hidden[:2]] == ["own-domain", "covered"]
            for client, names in ((exact, (EU, *hidden)), (wide, hidden)):
                for dns in ("true", "false"):
                    nobodys = await told(client, "nobodys.dev", dns=dns)
                    assert "'reason': 'not-verified'" in nobodys
                    assert {await told(client, name, dns=dns) for name in names} == {nobodys}


async def test_a_domain_that_is_hidden_decides_for_nobody(tmp_path: Path) -> None:
    """Neither the one above a key's name signs for it, nor one of the key's own where a hidden one lies between."""
    async with covering(tmp_path) as house:
        async with bound(house, EU) as child:
            assert await told(child, EU) == await told(child, "nobodys.dev")
            assert (await child.get("/covers")).json() == []
        async with bound(house, "acme.dev", f"news.{EU}") as both:
            assert await reason(both, f"news.{EU}") == "covered"
            await house.prove(house.house.world, EU)
            assert await reason(house.client, f"news.{EU}") == "covered"  # by the one between, for the account
            assert await told(both, f"news.{EU}") == await told(both, "nobodys.dev")
            assert await reason(both, "acme.dev") == "own-domain"


async def test_what_others_take_out_is_told_to_whom_it_concerns(tmp_path: Path) -> None:
    """A key of the covering domain and the names below learns of it, as any key; one of another domain does not."""
    async with covering(tmp_path) as house:
        await house.prove(house.house.world, "other.dev")
        theirs = await house.house.world.other("theirs")
        for name in (EU, "eu.other.dev"):
            await theirs.add(name)
            house.dns.publish(await theirs.dkim(name))
            await proving.prove(theirs.deps, theirs.account.id, name)
        async with bound(house, "acme.dev", below=True) as wide, bound(house, "acme.dev") as exact:
            assert await told(wide, f"deep.{EU}") == await told(house.client, f"deep.{EU}")
            assert await reason(wide, EU) == "taken-out"
            assert await told(wide, "eu.other.dev") == await told(wide, "nobodys.dev")
            assert await told(exact, EU) == await told(exact, "nobodys.dev")
            assert (await wide.get("/covers")).json() == [{"sender": "acme.dev", "takenOut": [EU], "whole": True}]
            assert (await exact.get("/covers")).json() == []
            assert len((await house.client.get("/covers")).json()) == 2


async def test_covering_domains_of_a_key_come_in_pages(tmp_path: Path) -> None:
    """Each page leads to the next; domains that the key is not bound to are neither listed nor counted."""
    async with covering(tmp_path) as house:
        for name in ("a.acme.dev", "aaa.dev", "b.acme.dev", "xacme.dev", "zeta.dev"):
            await house.prove(house.house.world, name)
        async with bound(house, "acme.dev", "zeta.dev", below=True) as wide:
            found, path = [], "/covers?limit=2"
            while path:
                page = await wide.get(path)
                found.append([each["sender"] for each in page.json()])
                path = page.links.get("next", {}).get("url", "")
            assert found == [["a.acme.dev", "acme.dev"], ["b.acme.dev", "zeta.dev"], []]


@pytest.mark.parametrize("sent_from", ["hello@acme.dev", "Acme <hello@ACME.dev>"])
async def test_an_address_is_asked_by_its_domain(tmp_path: Path, sent_from: str) -> None:
    """The name that counts is the one that was parsed."""
    async with covering(tmp_path) as house, bound(house, "acme.dev") as exact:
        assert await reason(exact, sent_from) == "own-domain"
