"""Show the endpoints of proofs: what they answer, whom they refuse, and that no message makes them fall."""

import base64
from pathlib import Path

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from letterhead.operations.proofs import SEND_EVERY
from tests.core.test_hostile_messages import HOSTILE
from tests.rigs.proving import add_proven, given_to, provider_at_once, zone_of
from tests.rigs.signing import OWN, message, sealed
from tests.web.conftest import running

ZONES = zone_of("acme.dev") + '@ TXT "v=spf1 ip4:203.0.113.0/24 -all"\n_dmarc TXT "v=DMARC1; p=reject"\n'
SIGNED = sealed(message("acme.dev"), OWN, "acme.dev", "lh1")
ENVELOPE = {"clientIp": "203.0.113.9", "mailFrom": "bounce@acme.dev", "helo": "mta.acme.dev"}
PATH = "/domains/acme.dev/proof"


async def answered(client: httpx2.AsyncClient, **body: object) -> dict[str, object]:
    """Ask for a proof of a message."""
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_a_message_is_judged(tmp_path: Path) -> None:
    """The verdict with each part, and where the envelope is known from."""
    async with running(tmp_path, ZONES) as house, house.client(house.keys["acme"]) as client:
        await client.post("/domains", json={"sender": "acme.dev"})
        told = (await client.post(PATH, json={"raw": SIGNED.decode(), **ENVELOPE})).json()
        assert told["status"] == "judged"
        verdict = told["verdict"]
        assert verdict["envelope"] == {
            "clientIp": "203.0.113.9", "clientIpFrom": "given", "mailFrom": "bounce@acme.dev",
            "mailFromFrom": "given", "helo": "mta.acme.dev",
        }  # fmt: skip
        (signature,) = verdict["dkim"]
        assert (signature["result"], signature["aligned"], signature["keyBits"]) == ("pass", True, 2048)
        assert signature["host"] == "lh1._domainkey.acme.dev"
        assert (verdict["spf"]["result"], verdict["spf"]["identity"], verdict["spf"]["aligned"]) == (
            "pass",
            "mailfrom",
            True,
        )
        assert verdict["dmarc"]["result"] == "pass"
        assert (verdict["dmarc"]["outcome"], verdict["dmarc"]["policy"]) == ("delivered", "reject")
        assert verdict["dmarc"]["host"] == "_dmarc.acme.dev"
        assert "code" not in verdict["dmarc"]
        octets = base64.b64encode(SIGNED.replace(b"Hello", b"H\xe4llo")).decode()
        spoilt = (await client.post(PATH, json={"raw": octets, "encoding": "base64", "clientIp": "9.9.9.9"})).json()
        assert spoilt["verdict"]["dkim"][0]["result"] == "fail"
        assert spoilt["verdict"]["dmarc"]["outcome"] == "rejected"


async def test_who_may_ask(tmp_path: Path) -> None:
    """A key that may write, for a domain of its own account; a read key may look, and not send."""
    async with running(tmp_path, ZONES) as house:
        stranger, reading = await house.open_account("stranger"), await house.make_key("acme", Scope.READ)
        async with house.client(house.keys["acme"]) as client:
            await client.post("/domains", json={"sender": "acme.dev"})
        for key, status, code in (
            (stranger, 404, "not-found"),
            (reading, 403, "scope-missing"),
            (None, 401, "unauthorized"),
        ):
            async with house.client(key) as client:
                answer = await client.post(PATH, json={"raw": SIGNED.decode()})
                assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Fields without a message, what is no base64, what is too long or unknown, no mailbox: 400, with a fix."""
    async with running(tmp_path, ZONES) as house, house.client(house.keys["acme"]) as client:
        await client.post("/domains", json={"sender": "acme.dev"})
        for body in (
            {"clientIp": "9.9.9.9"}, {"encoding": "base64"}, {"raw": "!", "encoding": "base64"}, {"raw": 1},
            {"raw": "x", "clientIp": "9" * 46}, {"raw": "x", "mailFrom": "a" * 321}, {"raw": "x", "to": "a@b.c"}, {},
        ):  # fmt: skip
            answer = await client.post(PATH, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "body-invalid"), body
            assert answer.json()["error"]["fix"]
        box = given_to(house.deps)
        assert (await client.post(PATH, json={"clientIp": "9.9.9.9"})).status_code == 400
        assert box.letters == []
        large = await client.post(PATH, json={"raw": "x" * 66_000})
        assert large.status_code == 413


async def test_a_domain_is_judged_five_times_and_then_waits(tmp_path: Path) -> None:
    """After five the next is 429, with the time to wait; another domain is not held up."""
    async with running(tmp_path, ZONES) as house, house.client(house.keys["acme"]) as client:
        for sender in ("acme.dev", "other.dev"):
            await client.post("/domains", json={"sender": sender})
        answers = [await client.post(PATH, json={"raw": "x"}) for _ in range(6)]
        assert [each.status_code for each in answers] == [200] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) <= 5
        assert (await client.post("/domains/other.dev/proof", json={"raw": "x"})).status_code == 200


@pytest.mark.parametrize("name", ["10,000 fields", "no header", "8-bit", "100 signatures", "b= of spaces", "NUL"])
async def test_a_hostile_message_is_answered(tmp_path: Path, name: str) -> None:
    """Whatever the message, there is a verdict, or the body is refused: never 500."""
    async with running(tmp_path, ZONES) as house, house.client(house.keys["acme"]) as client:
        await client.post("/domains", json={"sender": "acme.dev"})
        octets = HOSTILE[name][: 45 * 1024]
        told = await answered(client, raw=base64.b64encode(octets).decode(), encoding="base64")
        assert told["status"] == "judged"
        text = await client.post(PATH, json={"raw": octets.decode("latin-1")})
        assert text.status_code in (200, 400, 413)


async def test_a_proof_is_sent_and_waited_for(tmp_path: Path) -> None:
    """Sent, then waiting, then judged; a look stands for 5 s, and the same Idempotency-Key sends nothing again."""
    async with (
        running(tmp_path, ZONES, provider=provider_at_once()) as house,
        house.client(house.keys["acme"]) as client,
    ):
        box = given_to(house.deps)
        await add_proven(client, house.deps, house.accounts["acme"], "acme.dev")
        key = {"Idempotency-Key": "once"}
        sent = (await client.post(PATH, headers=key)).json()
        assert (sent["status"], sent["to"], sent["messageId"]) == (
            "sent",
            "proof@operator.example",
            f"<{sent['id']}@acme.dev>",
        )
        assert f"/domains/acme.dev/proof/{sent['id']}" in sent["next"]
        assert (await client.post(PATH, headers=key)).json() == sent
        assert [(each.to, each.sender) for each in box.letters] == [
            ("proof@operator.example", "letterhead-proof@acme.dev")
        ]
        again = await client.post(PATH, headers={"Idempotency-Key": "twice"})
        assert again.status_code == 429
        assert int(again.headers["retry-after"]) == SEND_EVERY.total_seconds()
        waiting = (await client.get(f"{PATH}/{sent['id']}")).json()
        assert waiting["status"] == "waiting"
        box.arrived[sent["id"]] = b"Return-Path: <bounce@acme.dev>\r\n" + SIGNED
        assert (await client.get(f"{PATH}/{sent['id']}")).json() == waiting
        assert box.looks == 1
    async with (
        running(tmp_path / "again", ZONES, provider=provider_at_once()) as house,
        house.client(house.keys["acme"]) as client,
    ):
        box = given_to(house.deps)
        await add_proven(client, house.deps, house.accounts["acme"], "acme.dev")
        sent = (await client.post(PATH)).json()
        box.arrived[sent["id"]] = b"Return-Path: <bounce@acme.dev>\r\n" + SIGNED
        found = (await client.get(f"{PATH}/{sent['id']}")).json()
        assert found["status"] == "judged"
        assert found["verdict"]["dmarc"]["result"] == "pass"
        assert (await client.get(f"{PATH}/{sent['id']}0")).status_code == 404


async def test_a_mailbox_that_can_not_be_read(tmp_path: Path) -> None:
    """Without IMAP it is said where the message lies and how its source comes back."""
    async with (
        running(tmp_path, ZONES, provider=provider_at_once()) as house,
        house.client(house.keys["acme"]) as client,
    ):
        given_to(house.deps, readable=False)
        await add_proven(client, house.deps, house.accounts["acme"], "acme.dev")
        sent = (await client.post(PATH)).json()
        assert sent["status"] == "sent"
        assert "raw" in sent["next"]
        looked = (await client.get(f"{PATH}/{sent['id']}")).json()
        assert (looked["status"], looked["next"]) == ("sent", sent["next"])


async def test_nothing_is_sent_from_a_name_that_is_not_proven(tmp_path: Path) -> None:
    """Whoever only claims a name is told what to do; a message of theirs is judged all the same."""
    async with running(tmp_path, ZONES) as house, house.client(house.keys["acme"]) as client:
        box = given_to(house.deps)
        await client.post("/domains", json={"sender": "acme.dev"})
        answer = await client.post(PATH)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "conflict")
        assert "not proven" in error["message"]
        assert "Publish its records" in error["fix"]
        assert box.letters == []
        assert (await client.post(PATH, json={"raw": SIGNED.decode()})).status_code == 200
