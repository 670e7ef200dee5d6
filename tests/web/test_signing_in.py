"""Hold signing in to docs/threat-model.md: who gets in, and that those who do not learn nothing."""

import asyncio
import base64
import json
from pathlib import Path

import httpx2
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.api_keys import Mode, new_api_key
from letterhead.operations import accounts
from tests.operations.world import OPERATOR
from tests.web.conftest import OPERATOR_TOKEN, Installation, running


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def without_tracking(answer: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    """Return all of an answer that may not differ."""
    tracking = answer.json()["trackingId"]
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-tracking-id")}
    return answer.status_code, answer.text.replace(tracking, "T"), headers


async def test_all_401_are_alike(house: Installation, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """Missing, malformed, unknown, revoked and expired: byte for byte the same 401, but for the trackingId."""
    revoked = (await acme.post("/keys", json={"keyType": "secret", "name": "soon gone"})).json()
    await acme.delete(f"/keys/{revoked['id']}")
    unknown, _ = new_api_key(Mode.LIVE, bytes(32))
    values = [
        "", "Bearer", "Bearer x", "Bearer \xff", f"Bearer {unknown}", f"Bearer {revoked['key']}", "Basic", "Basic %%%",
        basic("x", "y"), basic(house.accounts["acme"], unknown), basic("acc_other", house.keys["acme"]),
        f"Bearer {OPERATOR_TOKEN}", f"Digest {house.keys['acme']}", f"Bearer {house.keys['acme'][:-1]}",
    ]  # fmt: skip
    answers = [await nobody.get("/domains")]
    answers += [await nobody.get("/domains", headers=[(b"Authorization", value.encode("latin-1"))]) for value in values]
    assert {answer.status_code for answer in answers} == {401}
    assert len({str(without_tracking(answer)) for answer in answers}) == 1
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert len({answer.json()["trackingId"] for answer in answers}) == len(answers)


async def test_bearer_and_basic(house: Installation, nobody: httpx2.AsyncClient) -> None:
    """A key signs in as Bearer, and as Basic with its account's id as the user."""
    key = house.keys["acme"]
    for value in (f"Bearer {key}", f"bearer {key}", basic(house.accounts["acme"], key)):
        assert (await nobody.get("/domains", headers={"Authorization": value})).status_code == 200


async def test_two_authorization_headers(house: Installation, nobody: httpx2.AsyncClient) -> None:
    """Two keys in one request are none: nobody has to guess which of them counts."""
    value = f"Bearer {house.keys['acme']}"
    answer = await nobody.get("/domains", headers=[("Authorization", value), ("Authorization", value)])
    assert answer.status_code == 401


async def test_scopes(house: Installation) -> None:
    """A key of the scope read can't write, one of write can't make keys; both are told which scope it takes."""
    async with house.client(await house.make_key("acme", Scope.READ)) as read:
        assert (await read.get("/domains")).status_code == 200
        refused = await read.post("/domains", json={"sender": "acme.dev"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope-missing")
    async with house.client(await house.make_key("acme", Scope.WRITE)) as write:
        assert (await write.post("/domains", json={"sender": "acme.dev"})).status_code == 200
        refused = await write.post("/keys", json={"keyType": "secret", "name": "x"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope-missing")


async def test_private_keys_are_for_full_keys_alone(house: Installation, acme: httpx2.AsyncClient) -> None:
    """`privateDKIMKey` comes with GET for a full key, with no-store; it is absent for any other, and from POST."""
    added = await acme.post("/domains", json={"sender": "acme.dev"})
    assert "privateDKIMKey" not in added.json()[0]
    for path in ("/domains", "/domains/acme.dev"):
        told = await acme.get(path)
        assert told.headers["cache-control"] == "no-store"
        assert b"privateDKIMKey" in told.content
    secret = base64.b64decode((await acme.get("/domains")).json()[0]["privateDKIMKey"], validate=True)
    assert secret[:1] == b"\x30"  # a DER sequence
    async with house.client(await house.make_key("acme", Scope.WRITE)) as write:
        for path in ("/domains", "/domains/acme.dev"):
            told = await write.get(path)
            assert b"privateDKIMKey" not in told.content
            assert told.headers["cache-control"] != "no-store"


async def test_revoked_key_is_dead_within_a_second(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A key that another process revokes is refused here within 1 s, though it was good a moment ago."""
    made = (await acme.post("/keys", json={"keyType": "secret", "name": "to go"})).json()
    async with house.client(made["key"]) as doomed:
        assert (await doomed.get("/domains")).status_code == 200
        caller = await house.deps.store.find_caller(house.deps.digest(made["key"]))
        assert caller is not None
        await accounts.end_key(house.deps, caller.account_id, caller.key_id, OPERATOR)
        await asyncio.sleep(1.0)
        assert (await doomed.get("/domains")).status_code == 401


async def test_rate_per_key(tmp_path: Path) -> None:
    """A key that asks too fast is told so with 429, Retry-After and RateLimit; another key has what the account has."""
    async with running(tmp_path, rate=0.1, burst=4) as house, house.client(house.keys["acme"]) as acme:
        answers = [await acme.get("/domains") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=40, "account";q=4;w=40'
        assert answers[0].headers["ratelimit"].startswith('"key";r=2;t=')
        assert answers[3].json()["error"]["code"] == "too-many-requests"
        assert int(answers[3].headers["retry-after"]) in range(10, 15)
        async with house.client(await house.make_key("acme", Scope.READ)) as other:
            codes = [(await other.get("/domains")).status_code for _ in range(3)]
            assert (codes[0], codes[-1]) == (200, 429)


async def test_failed_sign_ins_per_address(tmp_path: Path) -> None:
    """Whoever guesses keys or tokens is slowed down; valid ones still get in from the same address."""
    async with (
        running(tmp_path, failure_burst=3, failure_rate=0.1) as house,
        house.client(house.keys["acme"]) as acme,
        house.client("lh_live_guess") as guesser,
        house.client(OPERATOR_TOKEN) as operator,
    ):
        answers = [await guesser.get("/domains") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert int(answers[3].headers["retry-after"]) in range(1, 11)
        assert (await guesser.get("/accounts")).status_code == 429
        assert (await acme.get("/domains")).status_code == 200
        assert (await operator.get("/accounts")).status_code == 200


async def test_operator(operator: httpx2.AsyncClient, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """The operator's endpoints open to the operator's token alone; its 401s are alike too."""
    assert (await operator.get("/accounts")).status_code == 200
    refused = [await acme.get("/accounts"), await nobody.get("/accounts")]
    assert {answer.status_code for answer in refused} == {401}
    assert len({str(without_tracking(answer)) for answer in refused}) == 1
    assert (await operator.get("/domains")).status_code == 401


async def test_private_key_shows_nowhere_else(house: Installation, acme: httpx2.AsyncClient) -> None:
    """No 24 characters of a private key show in a log line, an error, or any answer but the two permitted ones."""
    pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8 = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = pair.private_bytes(serialization.Encoding.PEM, *pkcs8).decode()
    secret = base64.b64encode(pair.private_bytes(serialization.Encoding.DER, *pkcs8)).decode()
    windows = {secret[at : at + 24] for at in range(40, len(secret) - 24)}  # the first octets are alike in every key
    told: list[str] = []
    with structlog.testing.capture_logs() as lines:
        for body in (
            {"sender": "acme.dev", "privateKey": pem},
            {"sender": "zeta.dev", "privateKey": pem.replace("BEGIN", "BEGAN")},
            {"sender": "zeta.dev", "privateKey": pem[:-200]},
            {"sender": "zeta.dev", "privateKey": pem, "selector": "lh 1"},
            {"sender": "zeta.dev", "privateKey": [pem]},
            {"sender": pem},
            {"sender": "zeta.dev", "selector": pem},
            {"sender": "zeta.dev", pem: 1},
        ):
            told += [(await acme.post("/domains", json=body)).text]
        permitted = [await acme.get("/domains"), await acme.get("/domains/acme.dev")]
        told += [
            (await acme.post("/domains/acme.dev/check")).text,
            (await acme.get("/domains/acme.dev/dns-check")).text,
        ]
    assert all(json.dumps(secret) in answer.text for answer in permitted)
    seen = "\n".join([*told, *map(str, lines)])
    assert not [window for window in windows if window in seen]
