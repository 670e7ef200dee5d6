"""An API key that is bound to domains, on every path and method of the committed document: nothing else shows or moves.

A route that is added has no row in GETS, and fails here until somebody has said what such a key gets of it.
"""

import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from letterhead.core.accounts.accounts import Caller, Scope
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.accounts.quotas import Limits
from letterhead.errors import Fault, Kind
from letterhead.operations import bound_keys
from letterhead.ports.store import Store
from tests.faults.test_p12_isolation import IDS, Route, routes, unlike
from tests.rigs.account_people import plant_people
from tests.rigs.hosted_zones import plant_credential, plant_plan
from tests.rigs.proving import add_proven, given_to, provider_at_once, zone_of
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))
OWN, BELOW = "own-sender.dev", "team.own-sender.dev"
HIDDEN = "canary-sender.dev"
BESIDE = "canary-own-sender.dev"  # ends in the own name, but not at a dot
CANARY = "canary"
PART, DOMAIN, WEBHOOK, BOUND = "its part", "its domain", "its webhook", "key-bound"
OPERATOR, OPEN = "operator", "open"
GETS: Mapping[str, tuple[str, ...]] = {
    PART: (
        "GET /domains", "POST /domains", "POST /domains/bulk", "POST /domains/check", "GET /domains/records",
        "GET /events", "GET /events/{eventId}", "GET /dns-hosts", "GET /can-send", "GET /covers",
        "GET /webhooks", "POST /webhooks",
    ),
    DOMAIN: (
        "GET /domains/{sender}", "PATCH /domains/{sender}", "DELETE /domains/{sender}",
        "POST /domains/{sender}/start-verification",
        "POST /domains/{sender}/check", "GET /domains/{sender}/dns-check", "POST /domains/{sender}/preflight",
        "POST /domains/{sender}/setup-links", "GET /domains/{sender}/setup-links",
        "DELETE /domains/{sender}/setup-links/{linkId}", "GET /domains/{sender}/apply-link",
        "GET /domains/{sender}/records", "GET /domains/{sender}/events", "POST /domains/{sender}/proof",
        "GET /domains/{sender}/proof/{proofId}", "POST /domains/{sender}/dkim-rotation",
        "GET /domains/{sender}/dkim-rotation", "DELETE /domains/{sender}/dkim-rotation",
        "POST /domains/{sender}/accepted-findings", "GET /domains/{sender}/accepted-findings",
        "DELETE /domains/{sender}/accepted-findings/{code}",
        "POST /domains/{sender}/dns-plan", "GET /domains/{sender}/dns-plans",
        "GET /domains/{sender}/dns-plans/{planId}",
        "POST /domains/{sender}/dns-plans/{planId}/apply", "POST /domains/{sender}/dns-plans/{planId}/undo",
    ),
    WEBHOOK: (
        "PUT /webhooks/{webhookId}", "DELETE /webhooks/{webhookId}", "POST /webhooks/{webhookId}/rotate-secret",
        "POST /webhooks/{webhookId}/test", "GET /webhooks/{webhookId}/deliveries",
        "POST /webhooks/{webhookId}/deliveries/{deliveryId}/redeliver",
    ),
    BOUND: (
        "GET /keys", "POST /keys", "DELETE /keys/{keyId}", "GET /account", "PATCH /account", "GET /account/usage",
        "GET /dns-credentials", "POST /dns-credentials", "PATCH /dns-credentials/{credentialId}",
        "DELETE /dns-credentials/{credentialId}",
        "GET /alert-channels", "POST /alert-channels", "POST /alert-channels/{channelId}/test",
        "DELETE /alert-channels/{channelId}", "GET /members", "PATCH /members/{memberId}", "DELETE /members/{memberId}",
        "POST /invitations", "DELETE /invitations/{invitationId}",
    ),
    OPERATOR: (
        "GET /accounts", "POST /accounts", "GET /accounts/usage", "GET /accounts/domains", "GET /accounts/{accountId}",
        "PATCH /accounts/{accountId}", "DELETE /accounts/{accountId}", "POST /accounts/{accountId}/keys",
        "POST /accounts/{accountId}/archive", "POST /audit/backups", "GET /accounts/{accountId}/members",
        "PATCH /accounts/{accountId}/members/{memberId}", "DELETE /accounts/{accountId}/members/{memberId}",
        "POST /accounts/{accountId}/invitations", "DELETE /accounts/{accountId}/invitations/{invitationId}",
        "GET /accounts/{accountId}/sign-in", "PATCH /accounts/{accountId}/sign-in",
        "GET /accounts/{accountId}/domains/{sender}", "GET /audit", "GET /audit/month", "POST /audit/detach",
        "GET /identities", "POST /identities/reconcile", "POST /identities/{sender}/adopt", "POST /secrets/rewrap",
        "GET /domain-connect", "GET /domain-connect/template", "POST /domain-connect/keys",
        "DELETE /domain-connect/keys/{keyName}",
    ),
    OPEN: (
        "GET /status", "GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /docs",
        "POST /provider/notices", "GET /reminders/opt-out/{token}", "POST /reminders/opt-out/{token}",
        "GET /account/address/{token}", "POST /account/address/{token}",
    ),
}  # fmt: skip
LOUD = {"/docs", "/openapi.json", "/metrics"}  # long, the same for everybody, and without any account's names
# What a body has besides the names and ids that are drawn for it.
BODIES: Mapping[str, dict[str, Any]] = {
    "POST /webhooks": {"webhook": "https://hooks.example.org/x", "events": ["*"]},
    "PUT /webhooks/{webhookId}": {"webhook": "https://hooks.example.org/x", "events": ["*"]},
    "POST /alert-channels": {"name": "x", "url": "ntfys://token@ntfy.example.org/x"},
    "POST /keys": {"keyType": "secret", "name": "wider", "scope": "full"},
    "POST /invitations": {"email": "wider@example.org", "role": "owner"},
    "PATCH /members/{memberId}": {"role": "viewer"},
    "PATCH /account": {"reminders": False},
    "PATCH /domains/{sender}": {"note": "wider"},
    "POST /domains/{sender}/accepted-findings": {"code": "dmarc.missing", "reason": "x"},
    "PATCH /dns-credentials/{credentialId}": {"putBack": True},
    "POST /dns-credentials": {"host": "cloudflare", "credential": {"token": "x"}},
    "POST /domains/{sender}/dns-plan": {"host": "cloudflare", "credential": {"token": "x"}},
    "POST /domains/{sender}/dns-plans/{planId}/apply": {"credential": {"token": "x"}},
    "POST /domains/{sender}/dns-plans/{planId}/undo": {"credential": {"token": "x"}},
}
VOLATILE = re.compile(r'"(lastUsedAt|trackingId|checkableAt)":"[^"]*",?')


@dataclass
class Hidden:
    """What a bound key may not learn of its own account: names, and the ids of all that belongs to them."""

    names: tuple[str, ...]
    ids: dict[str, list[str]] = field(default_factory=dict)  # by the parameter of a path that they fit
    own: dict[str, str] = field(default_factory=dict)  # ids of the bound domain's own things, likewise
    all_ids: set[str] = field(default_factory=set)

    def name(self, chance: random.Random) -> str:
        """Draw a name that is hidden."""
        return chance.choice(self.names)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation that nobody is too fast for."""
    rates: dict[str, Any] = {"rate": 1e6, "burst": 10**6, "failure_rate": 1e6, "failure_burst": 10**6}
    zone = zone_of(HIDDEN, "canary1")
    async with running(tmp_path, zone, provider=provider_at_once(), **rates) as installation:
        yield installation


async def bound_key(acme: httpx2.AsyncClient, scope: Scope, **more: Any) -> str:
    """Make a key that is bound to the own domain."""
    wish = {"keyType": "secret", "name": "bound", "scope": scope.value, "domains": [OWN]} | more
    made = await acme.post("/keys", json=wish)
    assert made.status_code == 200, made.text
    return str(made.json()["key"])


async def filled(house: Installation, acme: httpx2.AsyncClient, own: tuple[str, ...] = (OWN,)) -> Hidden:
    """Give the account a domain of the key's own, and others with one of everything, a canary in each thing."""
    account = house.accounts["acme"]
    for name in (OWN, BELOW, BESIDE):
        assert (await acme.post("/domains", json={"sender": name})).status_code == 200
    await add_proven(acme, house.deps, account, HIDDEN, mailFrom="canary", selector="canary1")
    assert (await acme.patch(f"/domains/{HIDDEN}", json={"note": "a canary"})).status_code == 200
    given_to(house.deps)
    hidden = Hidden(tuple(name for name in (HIDDEN, BESIDE, BELOW) if name not in own))
    hooks = [
        (await acme.post("/webhooks", json={"webhook": "https://canary.dev/x", "events": ["*"]} | bounds)).json()["id"]
        for bounds in ({}, {"domains": [HIDDEN]}, {"domains": [OWN, HIDDEN], "coversSubdomains": True})
    ]
    hidden.ids = {
        "webhookId": hooks,
        "deliveryId": [(await acme.post(f"/webhooks/{hook}/test")).json()["id"] for hook in hooks],
        "keyId": [(await acme.post("/keys", json={"keyType": "secret", "name": "canary key"})).json()["id"]],
        "credentialId": [await plant_credential(house.deps, HIDDEN, account)],
        "linkId": [(await acme.post(f"/domains/{HIDDEN}/setup-links")).json()["id"]],
        "planId": [(await plant_plan(house.deps, HIDDEN, account)).id],
        "proofId": [(await acme.post(f"/domains/{HIDDEN}/proof")).json()["id"]],
        "eventId": [each["id"] for name in hidden.names for each in (await acme.get(f"/domains/{name}/events")).json()],
    }
    hidden.ids |= {name: [each] for name, each in (await plant_people(house.deps, account)).items()}
    hidden.own = {
        "linkId": (await acme.post(f"/domains/{OWN}/setup-links")).json()["id"],
        "planId": (await plant_plan(house.deps, OWN, account)).id,
        "eventId": (await acme.get(f"/domains/{OWN}/events")).json()[0]["id"],
    }
    hidden.all_ids = {each for listed in hidden.ids.values() for each in listed}
    for path in ("/domains", f"/domains/{HIDDEN}", "/events", "/webhooks", "/keys", "/dns-credentials"):
        hidden.all_ids |= set(IDS.findall((await acme.get(path)).text))
    for name in own:
        shown = (await acme.get(f"/domains/{name}")).text + (await acme.get(f"/domains/{name}/events")).text
        hidden.all_ids -= {*IDS.findall(shown), *hidden.own.values(), account}
    return hidden


async def state_of_others(acme: httpx2.AsyncClient, names: tuple[str, ...]) -> list[str]:
    """Return all that the account's own key sees of the other domains and of the account."""
    paths = ["/keys", "/webhooks", "/account", "/dns-credentials", "/members"]
    paths += [f"/domains/{name}{rest}" for name in names for rest in ("", "/events", "/setup-links", "/dns-plans")]
    return [VOLATILE.sub("", (await acme.get(path)).text) for path in paths]


def what(route: Route) -> str:
    """Name a route."""
    return f"{route.method} {route.path}"


def gets(route: Route) -> str:
    """Say what a bound key gets of a route."""
    return next(each for each, named in GETS.items() if what(route) in named)


def test_every_route_says_what_a_bound_key_gets() -> None:
    """A new route needs a row in GETS, and a row in the table of docs/api-keys.md."""
    there = sorted(map(what, routes(DOCUMENT)))
    said = sorted(each for named in GETS.values() for each in named)
    assert said == there, f"say in GETS what a key bound to domains gets of {set(there) ^ set(said)}"
    page = (Path(__file__).parents[2] / "docs" / "api-keys.md").read_text("utf-8")
    for each in GETS[PART]:
        assert f"`{each}`" in page or f"`{each}`," in page, f"docs/api-keys.md does not say what a key gets of {each}"


def test_the_store_is_closed_unless_said() -> None:
    """What a bound key's store lets through is named; each name is a method of the store, and no list of an account."""
    methods = {name for name in dir(Store) if not name.startswith("_")}
    named = bound_keys.OPEN | bound_keys.BY_DOMAIN_ID | bound_keys.BY_WEBHOOK_ID | bound_keys.BY_DOMAIN
    assert named <= methods
    closed = methods - named - {name for name in vars(bound_keys.BoundStore) if not name.startswith("_")}
    assert {"keys", "audit_rows", "count_domains", "dns_credential", "claim_deliveries", "add_key"} <= closed


async def test_what_is_not_named_refuses_whatever_it_is_given(house: Installation) -> None:
    """The store holds by itself: a route that was opened by mistake gets nothing of a domain that was not found."""
    async with house.client(house.keys["acme"]) as acme:
        await filled(house, acme, (OWN,))
    account, binding = house.accounts["acme"], DomainBinding(names=(OWN,))
    caller = Caller(account_id=account, key_id="key_1", scope=Scope.FULL, limits=Limits(), binding=binding)
    bound = bound_keys.BoundStore(house.deps.store, caller, binding)
    hidden = await house.deps.store.domain(account, HIDDEN)
    assert hidden is not None
    methods = {name for name in dir(Store) if not name.startswith("_")}
    own = {name for name in vars(bound_keys.BoundStore) if not name.startswith("_")}
    for name in sorted(methods - bound_keys.OPEN - own):
        for given in ((), (account,), (hidden.id,), (hidden,)):
            with pytest.raises(Fault) as refused:
                await getattr(bound, name)(*given)
            assert refused.value.kind is Kind.KEY_BOUND, (name, given)
    assert await bound.domain(account, HIDDEN) is None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("covers", [False, True])
async def test_no_canary_in_any_answer(house: Installation, covers: bool) -> None:
    """Whatever is asked with whatever of the other domains, by each scope: nothing of them is told or changed."""
    chance, told = random.Random(19), Counter[int]()
    async with house.client(house.keys["acme"]) as acme, AsyncExitStack() as stack:
        hidden = await filled(house, acme, (OWN, BELOW) if covers else (OWN,))
        keys = [await bound_key(acme, scope, coversSubdomains=covers) for scope in Scope]
        clients = [await stack.enter_async_context(house.client(key)) for key in keys]
        before = await state_of_others(acme, hidden.names)
        for route in routes(DOCUMENT):
            for client in clients:
                for _ in range(4):
                    told[await ask_for_hidden(chance, client, route, hidden)] += 1
        assert told.keys() >= {200, 401, 403, 404}
        assert not told.keys() & {500, 502}
        assert await state_of_others(acme, hidden.names) == before


async def ask_for_hidden(chance: random.Random, client: httpx2.AsyncClient, route: Route, hidden: Hidden) -> int:
    """Ask once with hidden names and ids wherever one fits, and hold that the answer tells nothing."""
    given = {name: drawn(chance, name, hidden) for name in route.parameters}
    if "sender" in given and len(given) > 1 and chance.random() < 0.5:
        given["sender"] = OWN  # with the id of a thing of another domain
    elif route.method == "DELETE" and route.path == "/domains/{sender}" and given["sender"] == OWN:
        given["sender"] = HIDDEN
    query = {name: chance.choice([*hidden.names, *hidden.all_ids]) for name in route.queries if chance.random() < 0.3}
    body = body_of(chance, route, hidden.name(chance), hidden)
    answer = await client.request(route.method, route.path.format(**given), params=query, json=body)
    sent = [*given.values(), *query.values(), *strings_of(body)]
    if route.path not in LOUD:
        require_silent(answer, sent, hidden, route)
    if given.get("sender") in hidden.names and gets(route) == DOMAIN:
        assert answer.status_code in (403, 404), (route, given)
    if gets(route) == WEBHOOK:
        assert answer.json()["error"]["code"] in ("not-found", "scope-missing", "parameter-invalid")
    if gets(route) == BOUND:
        assert answer.json()["error"]["code"] in ("key-bound", "scope-missing"), (route, answer.text)
    if gets(route) == OPERATOR:
        assert answer.status_code == 401, route
    return answer.status_code


def drawn(chance: random.Random, parameter: str, hidden: Hidden) -> str:
    """Draw what a parameter of a path is asked with."""
    if parameter == "sender":
        return hidden.name(chance)
    listed = hidden.ids.get(parameter)
    return chance.choice(listed) if listed else "none"


def body_of(chance: random.Random, route: Route, name: str, hidden: Hidden) -> dict[str, Any] | None:
    """Make a body that names a domain wherever a body can."""
    if not route.fields:
        return None
    body = dict(BODIES.get(what(route), {}))
    if "sender" in route.fields:
        body["sender"] = name
    if "domains" in route.fields:
        body["domains"] = [{"sender": name}] if route.path == "/domains/bulk" else [name]
    if "credentialId" in route.fields and chance.random() < 0.5:
        body = {"credentialId": hidden.ids["credentialId"][0]}
    return body


def strings_of(value: object) -> list[str]:
    """List the texts in a body."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings_of(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings_of(each)]
    return [value] if isinstance(value, str) else []


def require_silent(answer: httpx2.Response, sent: list[str], hidden: Hidden, asked: object) -> None:
    """Hold that an answer has nothing of the other domains but what was sent to get it."""
    text = answer.text + str(answer.headers)
    for echoed in sorted(sent, key=len, reverse=True):
        text = text.replace(echoed, "")
    leaks = [each for each in (CANARY, *hidden.names, *hidden.all_ids) if each in text]
    assert not leaks, (asked, sent, leaks, answer.text[:2000])


async def test_hidden_and_unknown_answer_alike(house: Installation) -> None:
    """A domain or an id that is hidden is answered, octet by octet, as one that does not exist."""
    asked = 0
    async with house.client(house.keys["acme"]) as acme:
        hidden = await filled(house, acme)
        async with house.client(await bound_key(acme, Scope.FULL)) as bound:
            for route in routes(DOCUMENT):
                values = [hidden.names[0]] if "sender" in route.parameters + list(route.fields) else []
                for known in [*values, *(each for name in route.parameters for each in hidden.ids.get(name, ())[:1])]:
                    answers = [await one(bound, route, known, each) for each in (known, unlike_it(known))]
                    assert answers[0] == answers[1], (route, known)
                    asked += 1
    assert asked > 35


def unlike_it(known: str) -> str:
    """Make a value of the same form and length that nobody has."""
    return "nobody-sender.dev" if known == HIDDEN else unlike(known)


async def one(bound: httpx2.AsyncClient, route: Route, known: str, first: str) -> tuple[int, str, dict[str, str]]:
    """Ask for one name or id, and return the answer without what differs each time."""
    chance, is_name = random.Random(1), known == HIDDEN
    given = {
        name: (first if (name == "sender") == is_name else OWN if name == "sender" else "none")
        for name in route.parameters
    }
    body = body_of(chance, route, first if is_name else OWN, Hidden((HIDDEN,), {"credentialId": [first]}))
    answer = await bound.request(route.method, route.path.format(**given), json=body)
    text = re.sub(r'"(trackingId|at|checkedAt)":"[^"]+"', "", answer.text)
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in ("date", "x-tracking-id", "ratelimit", "content-length")
    }
    return answer.status_code, text.replace(first, "ID"), headers


async def test_its_own_part_works(house: Installation) -> None:
    """A bound key of scope full reads, changes and watches its own domain as any key does, private key and all."""
    async with house.client(house.keys["acme"]) as acme:
        hidden = await filled(house, acme)
        async with house.client(await bound_key(acme, Scope.FULL)) as bound:
            listed = (await bound.get("/domains")).json()
            assert [each["sender"] for each in listed] == [OWN]
            assert listed[0]["privateDKIMKey"]
            assert {each["domain"] for each in (await bound.get("/events")).json()} == {OWN}
            for route in routes(DOCUMENT):
                if gets(route) in (PART, DOMAIN) and route.method == "GET":
                    names = {"sender": OWN, **hidden.own, "proofId": "none"}
                    query = {"from": OWN} if route.path == "/can-send" else {"format": "bind"}
                    answer = await bound.get(
                        route.path.format(**names), params=query if {"from", "format"} & {*route.queries} else None
                    )
                    assert answer.status_code in ((404,) if "{proofId}" in route.path else (200,)), (route, answer.text)
            noted = await bound.patch(f"/domains/{OWN}", json={"note": "ours"})
            assert noted.json()["note"] == "ours"
            added = await bound.post("/domains/bulk", json={"domains": [{"sender": OWN}, {"sender": "new.dev"}]})
            assert [each["result"] for each in added.json()["results"]] == ["exists", "failed"]
            assert added.json()["results"][1]["error"]["code"] == "key-bound"
            assert [each["sender"] for each in (await bound.post("/domains", json={"sender": OWN})).json()] == [OWN]
            assert (await bound.post(f"/domains/{OWN}/start-verification")).status_code == 200
            assert (await bound.delete(f"/domains/{OWN}")).status_code == 200
            assert (await bound.get("/domains")).json() == []
            again = await bound.post("/domains", json={"sender": OWN})
            assert [each["sender"] for each in again.json()] == [OWN]
        async with house.client(await bound_key(acme, Scope.READ, coversSubdomains=True)) as wide:
            listed = (await wide.get("/domains")).json()
            assert [each["sender"] for each in listed] == [OWN, BELOW]
            assert (await wide.get("/domains?limit=1")).json() == listed[:1]
            assert (await wide.get(f"/domains/{BESIDE}")).status_code == 404


async def test_lists_of_two_keys_do_not_mix(house: Installation) -> None:
    """The cached list and the ETag of one key are never those of another, in either order, also where none changed."""
    async with house.client(house.keys["acme"]) as acme, AsyncExitStack() as stack:
        await filled(house, acme)
        keys = [await house.make_key("acme", Scope.READ), await bound_key(acme, Scope.READ)]
        keys.append(await bound_key(acme, Scope.READ, domains=[HIDDEN]))
        whole, own, other = [await stack.enter_async_context(house.client(key)) for key in keys]
        for _ in range(2):
            lists = [await client.get("/domains") for client in (whole, own, other, own, whole)]
            assert [len(each.json()) for each in lists] == [4, 1, 1, 1, 4]
            tags = [each.headers["etag"] for each in lists]
            assert len(set(tags[:3])) == 3
            assert tags[3:] == [tags[1], tags[0]]
        for client, tag in ((whole, tags[0]), (own, tags[1]), (other, tags[2])):
            assert (await client.get("/domains", headers={"If-None-Match": tag})).status_code == 304
        assert (await own.get("/domains", headers={"If-None-Match": tags[0]})).status_code == 200
        await acme.post(f"/domains/{HIDDEN}/start-verification")
        assert (await own.get("/domains", headers={"If-None-Match": tags[1]})).status_code == 304
        assert (await other.get("/domains", headers={"If-None-Match": tags[2]})).status_code == 200


async def test_the_operator_makes_them_too(house: Installation) -> None:
    """`POST /accounts/{id}/keys` takes the same fields."""
    async with house.client(OPERATOR_TOKEN) as operator, house.client(house.keys["acme"]) as acme:
        await filled(house, acme)
        wish = {"keyType": "secret", "name": "bound", "domains": [HIDDEN.upper()]}
        made = (await operator.post(f"/accounts/{house.accounts['acme']}/keys", json=wish)).json()
        assert (made["domains"], made["coversSubdomains"]) == ([HIDDEN], False)
        async with house.client(made["key"]) as bound:
            assert [each["sender"] for each in (await bound.get("/domains")).json()] == [HIDDEN]
