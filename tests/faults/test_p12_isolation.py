"""P12: accounts do not see each other. Every route of the served document is asked, with every scope, for every id of
another account; what a path may hold is said in FOREIGN, so that a new kind of id can't be forgotten.
"""

import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from letterhead.core.accounts.accounts import Scope
from letterhead.web.openapi import describe
from letterhead.web.routes import ENDPOINTS
from tests.faults.conftest import Figures
from tests.rigs.account_people import plant_people
from tests.rigs.hosted_zones import plant_credential, plant_plan
from tests.rigs.proving import add_proven, given_to, provider_at_once, zone_of
from tests.web.conftest import Installation, running

METHODS = {"get", "post", "put", "patch", "delete"}
SENDER = "canary-sender.dev"
# Each parameter of a path, and how its values look; a new one must be told here.
FOREIGN: Mapping[str, str] = {
    "sender": r"canary-sender\.dev",
    "code": r"[a-z-]+\.[a-z-]+(?<!canary-sender\.dev)",
    "keyId": r"key_[0-9a-f]{16,}",
    "keyName": r"_dcpubkeyv\d",
    "memberId": r"mem_[0-9a-f]{16,}",
    "invitationId": r"inv_[0-9a-f]{16,}",
    "channelId": r"alert_[0-9a-f]{16,}",
    "linkId": r"link_[0-9a-f]{16,}",
    "accountId": r"acc_[0-9a-f]{16,}",
    "webhookId": r"wh_[0-9a-f]{16,}",
    "deliveryId": r"\d{1,19}|[a-z]+_[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f-]{27}",
    "credentialId": r"dns_[0-9a-f]{16,}",
    "eventId": r"[0-9a-f]{8}-[0-9a-f-]{27}",
    "planId": r"plan_[0-9a-f]{16,}",
    "proofId": r"proof[0-9a-f]{40}",
    "token": r"acc_[0-9a-f]{16,}\.A+",
}
IDS = re.compile(r"\b(?:[a-z]{2,5}_[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21})\b")
NOT_OURS = (400, 401, 403, 404)
ANYBODYS = {"/domains/{sender}/preflight"}  # looks at public DNS alone: it knows no account's domain
CANARY = "canary"
FREE = {"environmentId"}  # fields that look like an id and are the client's own text


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the document."""

    method: str
    path: str
    fields: tuple[str, ...]  # of its body
    queries: tuple[str, ...]

    @property
    def parameters(self) -> list[str]:
        """Name what stands in braces in the path."""
        return re.findall(r"\{(\w+)\}", self.path)


def routes(document: dict[str, Any]) -> Iterator[Route]:
    """Read all operations out of a document."""
    for path, operations in document["paths"].items():
        for method in METHODS & operations.keys():
            told = operations[method]
            queries = [each["name"] for each in told.get("parameters", ()) if each.get("in") == "query"]
            yield Route(method.upper(), path, tuple(fields(document, told)), tuple(queries))


def fields(document: dict[str, Any], told: dict[str, Any]) -> list[str]:
    """Name the fields of an operation's body."""
    schema = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return list(document["components"]["schemas"].get(name, schema).get("properties", {}))


@dataclass
class Stranger:
    """Another account: its ids, by which it can be asked for, and what must never be told of it."""

    key: str
    account: str
    ids: set[str] = field(default_factory=set)

    def values(self, parameter: str) -> list[str]:
        """Return what a parameter of a path may hold to mean something of this account."""
        own = {*self.ids, SENDER, self.account, f"{self.account}.{'A' * 24}"}
        found = sorted(each for each in own if re.fullmatch(FOREIGN[parameter], each))
        assert found, f"the other account has no {parameter}: give it one in `stranger`"
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation that nobody is too fast for."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rates: dict[str, Any] = {"rate": 1e6, "burst": 10**6, "failure_rate": 1e6, "failure_burst": 10**6}
    zone = zone_of(SENDER, "canary1")
    async with running(tmp_path, zone, provider=provider_at_once(), **rates) as installation:
        yield installation
    structlog.reset_defaults()


@pytest.fixture
async def stranger(house: Installation) -> Stranger:
    """Open another account that has one of everything, each thing with a canary in it."""
    key = await house.open_account("canary-account")
    other = Stranger(key, house.accounts["canary-account"])
    async with house.client(key) as client:
        hook = await client.post("/webhooks", json={"webhook": "https://canary.dev/x", "events": ["domain.created"]})
        await add_proven(client, house.deps, other.account, SENDER, mailFrom="canary", selector="canary1")
        for bounds in ({}, {"domains": [SENDER], "networks": ["192.0.2.0/24"]}):
            await client.post("/keys", json={"keyType": "secret", "name": "canary key", **bounds})
        kept = {"note": "canary note", "labels": {"canary-label": "canary"}}
        assert (await client.patch(f"/domains/{SENDER}", json=kept)).status_code == 200
        other.ids |= set((await plant_people(house.deps, other.account)).values())
        await client.post(f"/domains/{SENDER}/setup-links")
        await client.post(f"/webhooks/{hook.json()['id']}/test")
        await plant_plan(house.deps, SENDER, other.account)
        other.ids.add(await plant_credential(house.deps, SENDER, other.account))
        given_to(house.deps)
        other.ids.add("_dcpubkeyv7")  # no account has such keys: they are the operator's
        other.ids.add((await client.post(f"/domains/{SENDER}/proof")).json()["id"])
        other.ids.add(await accepted(client))
        channel = {"name": "canary channel", "url": "ntfys://canary-token@canary.dev/mail"}
        other.ids.add((await client.post("/alert-channels", json=channel)).json()["id"])
        other.ids |= await known_ids(client, other, {"webhookId": hook.json()["id"]})
    return other


async def accepted(client: httpx2.AsyncClient) -> str:
    """Accept a finding for a reason that nobody else may read, and return its code."""
    findings = (await client.get(f"/domains/{SENDER}")).json()["findings"]
    code: str = next(each["code"] for each in findings if each["severity"] != "blocking")
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    body = {"code": code, "until": until, "reason": "canary reason"}
    answer = await client.post(f"/domains/{SENDER}/accepted-findings", json=body)
    assert answer.status_code == 200, answer.text
    return code


async def known_ids(client: httpx2.AsyncClient, other: Stranger, known: dict[str, str]) -> set[str]:
    """Read everything that the account can read of itself, and collect each id in it."""
    told = ""
    for route in routes(describe(ENDPOINTS)):
        given = {"sender": SENDER, "accountId": other.account, **known}
        if route.method == "GET" and set(route.parameters) <= given.keys() and "operator" not in route.path:
            answer = await client.get(route.path.format(**given))
            told += answer.text if answer.status_code == 200 and route.path not in ("/docs", "/openapi.json") else ""
    return set(IDS.findall(told))


async def seen_by_itself(house: Installation, other: Stranger) -> list[object]:
    """Return what the account sees of itself, but for the times of last use."""
    async with house.client(other.key) as client:
        paths = ("/domains", f"/domains/{SENDER}", "/keys", "/webhooks", "/account", "/alert-channels", "/members")
        answers = [(await client.get(path)).text for path in paths]
    return [re.sub(r'"lastUsedAt":"[^"]*",?', "", text) for text in answers]


def test_every_parameter_of_a_path_is_known() -> None:
    """A new kind of id in a path must be told in FOREIGN: only so can another account's be asked for."""
    asked = {name for route in routes(describe(ENDPOINTS)) for name in route.parameters}
    assert asked <= FOREIGN.keys(), f"say in FOREIGN how these look: {asked - FOREIGN.keys()}"


async def test_unknown_and_foreign_answer_alike(house: Installation, stranger: Stranger) -> None:
    """An id of another account is answered, octet by octet, as one that does not exist."""
    asked = 0
    async with house.client(house.keys["acme"]) as acme:
        for route in (each for each in routes(describe(ENDPOINTS)) if each.parameters and each.path not in ANYBODYS):
            for foreign in stranger.values(route.parameters[0]):
                answers = [await one(acme, route, stranger, each) for each in (foreign, unlike(foreign))]
                assert answers[0] == answers[1], route
                asked += 1
    assert asked > 20


async def one(acme: httpx2.AsyncClient, route: Route, stranger: Stranger, first: str) -> tuple[int, str]:
    """Ask for one id, and return the answer without what differs each time."""
    rest = {name: stranger.values(name)[0] for name in route.parameters[1:]}
    path = route.path.format(**{route.parameters[0]: first, **rest})
    answer = await acme.request(route.method, path, json={} if route.fields else None)
    text = answer.text.replace(answer.headers["x-tracking-id"], "")  # in JSON and on a page
    return answer.status_code, text.replace(first, "ID")


def unlike(known: str) -> str:
    """Make a value of the same form that nobody has."""
    if known == SENDER:
        return "nobody-sender.dev"
    head, mark, tail = known.partition("_" if "_" in known else "-")
    return head + mark + tail.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))


@pytest.mark.timeout(600)
async def test_no_foreign_canary_in_any_answer(
    house: Installation, stranger: Stranger, size: int, figures: Figures
) -> None:
    """Whatever route is asked, with whatever of another account's ids and scope: nothing of it is told or changed."""
    chance, told, before = random.Random(12), Counter[int](), await seen_by_itself(house, stranger)
    every = list(routes(describe(ENDPOINTS)))
    async with AsyncExitStack() as stack:
        keys = [*[await house.make_key("acme", scope) for scope in Scope], None]
        clients = [await stack.enter_async_context(house.client(key)) for key in keys]
        for number in range(max(size, len(every) * len(clients))):
            route = every[number % len(every)]
            client = clients[number // len(every) % len(clients)]
            told[await asked(chance, client, route, stranger)] += 1
    figures(requests=told.total(), routes=len(every), foreign_ids=len(stranger.ids), canaries_told=0)
    assert not told.keys() & {500, 502}
    assert told.keys() >= {200, 401, 403, 404}
    assert await seen_by_itself(house, stranger) == before


async def asked(chance: random.Random, client: httpx2.AsyncClient, route: Route, stranger: Stranger) -> int:
    """Ask once with foreign ids wherever one fits, and hold that the answer tells nothing."""
    given = {name: chance.choice(stranger.values(name)) for name in route.parameters}
    query = {name: chance.choice(sorted(stranger.ids)) for name in route.queries if chance.random() < 0.3}
    body = {
        name: chance.choice(sorted(stranger.ids)) for name in route.fields if name.endswith("Id") and name not in FREE
    }
    answer = await client.request(
        route.method, route.path.format(**given), params=query, json=body if route.fields else None
    )
    text = answer.text + str(answer.headers)
    for echoed in (*given.values(), *query.values(), *body.values()):
        text = text.replace(echoed, "")
    leaks = [each for each in (CANARY, stranger.account, *stranger.ids) if each in text]
    assert not leaks, (route, given, query, leaks)
    if route.parameters and route.path not in ANYBODYS:
        assert answer.status_code in NOT_OURS, (route, given, answer.text)
    return answer.status_code
