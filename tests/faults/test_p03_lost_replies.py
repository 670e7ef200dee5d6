"""P3: one effect per request. Replies are lost after the commit, clients ask again, and everything is there once."""

import random
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from letterhead.core.domain.domain import Domain, EventKind
from letterhead.operations.key_pool import new_pooled_key
from letterhead.ports.store.domains import DomainQuery
from tests.faults.conftest import Figures
from tests.operations.world import Clock, World, WrittenDns, noon
from tests.rigs import chaos
from tests.rigs.chaos import Chaos, Harm
from tests.web.conftest import Installation, running

HARMS = (Harm.LOSE_REPLY, Harm.RESET_REPLY, Harm.HALF_REPLY, Harm.CUT_REQUEST, Harm.SLICE)
AFTER_COMMIT = (Harm.LOSE_REPLY, Harm.RESET_REPLY, Harm.HALF_REPLY)
TRIES = 8
TLS = ssl.create_default_context()  # unused, and slow to make for each client


@pytest.fixture
async def house(tmp_path: Path, size: int) -> AsyncIterator[Installation]:
    """Run an installation."""
    async with running(tmp_path, rate=1e6, burst=10**6) as installation:
        pair = installation.deps.keyring.make_pair()  # one key under many names: making keys is not what is asked about
        await installation.deps.store.pool_keys([new_pooled_key(installation.deps, pair) for _ in range(size + 10)])
        yield installation


@pytest.fixture
async def proxy(house: Installation) -> AsyncIterator[Chaos]:
    """Run a proxy before it."""
    address = urlsplit(house.url)
    async with chaos.running(str(address.hostname), int(address.port or 0)) as running_proxy:
        yield running_proxy


class Stubborn:
    """Asks until it has an answer, each time over a new connection, as a client that heard nothing does."""

    def __init__(self, proxy: Chaos, key: str) -> None:
        self._url = f"http://127.0.0.1:{proxy.port}"
        self._key = key

    async def ask(self, method: str, path: str, *, idempotency: str | None = None, **body: object) -> httpx2.Response:
        """Ask until it is answered."""
        headers = {"Authorization": f"Bearer {self._key}", "Connection": "close"}
        if idempotency:
            headers["Idempotency-Key"] = idempotency
        for _ in range(TRIES):
            async with httpx2.AsyncClient(base_url=self._url, headers=headers, verify=TLS, timeout=10) as client:
                try:
                    return await client.request(method, path, json=body or None)
                except httpx2.TransportError:
                    continue
        raise AssertionError(f"{method} {path} was not answered in {TRIES} tries")


async def test_lost_replies_double_nothing(house: Installation, proxy: Chaos, size: int, figures: Figures) -> None:
    """However often a reply is lost, a domain is there once: one selector, one key, one story, one identity."""
    chance, client = random.Random(1), Stubborn(proxy, house.keys["acme"])
    names = [f"d{number}.acme.dev" for number in range(size)]
    for number, name in enumerate(names):
        proxy.next([*chance.choices(HARMS, k=chance.randint(1, 3)), Harm.NONE])
        answer = await client.ask("POST", "/domains", sender=name, idempotency=f"k{number}" if number % 2 else None)
        assert answer.status_code == 200
    stored = await house.deps.store.domains(house.accounts["acme"], DomainQuery())
    events = [each.kind for each in await house.world.events()]
    keys = await house.deps.store.sealed_keys(house.accounts["acme"])
    figures(requests=size, cut=sum(proxy.met[each] for each in AFTER_COMMIT), doubled=len(stored) - size)
    assert [each.sender for each in stored] == sorted(names)
    assert len({each.selector for each in stored}) == size
    assert keys.keys() == {(each.id, each.selector) for each in stored}
    assert events.count(EventKind.DOMAIN_CREATED) == events.count(EventKind.DOMAIN_PENDING) == size
    assert await identities_after_a_minute(house, names[:5]) == set(names[:5])


async def identities_after_a_minute(house: Installation, names: list[str]) -> set[str]:
    """Publish what the domains want, let a minute go by, and names what the provider holds."""
    clock, dns = Clock(noon()), WrittenDns("acme.dev")
    world = World(replace(house.deps, resolver=dns, now=clock), house.world.account, house.world.key)
    for name in names:
        dns.publish(await world.dkim(name))
    for _ in range(3):
        for name in names:
            await world.look(name)
        clock.turn(seconds=20)
    assert house.provider._identities.keys() <= {each.sender for each in await stored_domains(world)}
    return set(house.provider._identities)


async def stored_domains(world: World) -> list[Domain]:
    """List the account's domains."""
    return list(await world.deps.store.domains(world.account.id, DomainQuery()))


async def test_a_repeated_key_repeats_nothing(house: Installation, proxy: Chaos) -> None:
    """A request repeated with its Idempotency-Key has no second effect, not even when its domain is gone meanwhile."""
    client = Stubborn(proxy, house.keys["acme"])
    proxy.next([Harm.LOSE_REPLY])
    assert (await client.ask("POST", "/domains", sender="acme.dev", idempotency="one")).status_code == 200
    assert (await client.ask("DELETE", "/domains/acme.dev")).status_code == 200
    repeated = await client.ask("POST", "/domains", sender="acme.dev", idempotency="one")
    assert (repeated.status_code, repeated.json()) == (200, [])
    other = await client.ask("POST", "/domains", sender="other.dev", idempotency="one")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency-key-reused")
    (anew,) = (await client.ask("POST", "/domains", sender="acme.dev", idempotency="two")).json()
    assert anew["sender"] == "acme.dev"


async def test_a_lost_farewell_deletes_once(house: Installation, proxy: Chaos) -> None:
    """A deletion whose reply is lost happened once; repeated, it says that the domain is gone."""
    client = Stubborn(proxy, house.keys["acme"])
    await client.ask("POST", "/domains", sender="acme.dev")
    proxy.next([Harm.LOSE_REPLY])
    assert (await client.ask("DELETE", "/domains/acme.dev")).status_code == 404
    events = [each.kind for each in await house.world.events()]
    assert events.count(EventKind.DOMAIN_DELETED) == 1
    assert await house.deps.store.sealed_keys(house.accounts["acme"]) == {}
