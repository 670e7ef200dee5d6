"""Ask over HTTP who may send from a name: by its own domain or by one above it, with the DMARC policy for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from letterhead.operations.recent_results import BUDGET_BURST, OnDemand
from tests.operations.world import World, WrittenDns
from tests.rigs import proving
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

EU = "eu.acme.dev"


class Covering:
    """An installation in which the account acme has verified acme.dev, which covers the names below it."""

    def __init__(self, house: Installation, dns: WrittenDns, client: httpx2.AsyncClient) -> None:
        self.house, self.dns, self.client = house, dns, client

    async def prove(self, world: World, sender: str) -> None:
        """Add a domain and have it verified."""
        await world.add(sender)
        self.dns.publish(await world.dkim(sender))
        await proving.prove(world.deps, world.account.id, sender)

    async def ask(self, sent_from: str, **query: str) -> dict[str, Any]:
        """Ask for a name, and return the answer."""
        answer = await self.client.get("/can-send", params={"from": sent_from, **query})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def covering(folder: Path, **environment: str) -> AsyncIterator[Covering]:
    """Run the installation; the client has a key of the scope read."""
    dns = WrittenDns("dev")
    async with running(folder, resolver=dns, provider=proving.provider_at_once(), environment=environment) as house:
        client = house.client(await house.make_key("acme", Scope.READ))
        found = Covering(house, dns, client)
        await found.prove(house.world, "acme.dev")
        async with client:
            yield found


async def test_a_covered_name_and_what_signs_it(tmp_path: Path) -> None:
    """A name, an address and a From field get one answer; the domain itself is its own."""
    async with covering(tmp_path) as house:
        selector = (await house.house.world.domain("acme.dev")).selector
        answers = [
            await house.ask(sent_from) for sent_from in (EU, f"hello@{EU}", f"Acme, Inc. <hello@{EU.upper()}>"[6:])
        ]
        for found in answers:
            assert (found["name"], found["canSend"], found["reason"]) == (EU, True, "covered")
            assert found["coveredBy"] == "acme.dev"
            assert found["signature"] == {"domain": "acme.dev", "selector": selector}
            assert found["dmarc"]["notes"] == [
                {
                    "code": "dmarc-no-policy",
                    "severity": "tip",
                    "text": f"No DMARC policy applies to {EU}: anybody may send as it.",
                }
            ]
        own = await house.ask("acme.dev")
        assert (own["canSend"], own["reason"], own["signature"]["domain"]) == (True, "own-domain", "acme.dev")
        assert "dmarc" not in own
        assert "coveredBy" not in own
        assert "dmarc" not in await house.ask(EU, dns="false")
        for name in ("123acme.dev", "acme.dev.evil.dev", "other.dev"):
            found = await house.ask(name)
            assert (found["canSend"], found["reason"]) == (False, "not-verified")
            assert found["fix"] == f"Add {name} as a sender domain of this account, and publish its records."


@pytest.mark.parametrize(
    ("record", "at", "reason", "notes"),
    [
        ("v=DMARC1; p=reject", "", "covered", []),
        ("v=DMARC1; p=reject; adkim=s", "", "not-aligned", ["dmarc-strict-dkim"]),
        ("v=DMARC1; p=none; adkim=s", "", "covered", ["dmarc-strict-dkim"]),
        ("v=DMARC1; p=none; sp=reject; adkim=s", "", "not-aligned", ["dmarc-strict-dkim", "dmarc-subdomain-policy"]),
        ("v=DMARC1; p=reject", ".eu", "not-aligned", ["dmarc-signer-without-record", "dmarc-own-record"]),
    ],
)
async def test_dmarc_is_told_before_a_message_fails(
    tmp_path: Path, record: str, at: str, reason: str, notes: list[str]
) -> None:
    """Strict alignment, sp, and a record of the name's own; MAIL FROM is not verified here, so SPF saves nothing."""
    async with covering(tmp_path) as house:
        host = f"_dmarc{at}.acme.dev"
        house.dns.records[host, "TXT"] = f'{host}. 300 TXT "{record}"'
        house.dns.records[EU, "TXT"] = f'{EU}. 300 TXT "here"'
        found = await house.ask(EU)
        assert (found["reason"], found["canSend"]) == (reason, reason == "covered")
        assert [each["code"] for each in found["dmarc"]["notes"]] == notes
        assert found["dmarc"]["host"] == host
        assert found["dmarc"]["aligned"] is (not notes)
        assert ("signature" in found) is found["canSend"]


async def test_silent_dns_is_said(tmp_path: Path) -> None:
    """The name may send, and what is not known is said."""
    async with covering(tmp_path) as house:
        house.dns.silent = True
        found = await house.ask(EU)
        assert (found["canSend"], [each["code"] for each in found["dmarc"]["notes"]]) == (True, ["dmarc-unanswered"])
        assert "aligned" not in found["dmarc"]


async def test_dns_is_asked_within_the_accounts_budget(tmp_path: Path) -> None:
    """The same question in 5 s is asked once; many names use up what the account may have checked on request."""
    async with covering(tmp_path) as house:
        asked = 0
        resolve = house.dns.ask

        async def counted(questions: Any, allowance: Any) -> Any:
            nonlocal asked
            asked += 1
            return await resolve(questions, allowance)

        house.dns.ask = counted  # type: ignore[method-assign]
        # By a clock that stands still, so that the budget is not filled again meanwhile.
        object.__setattr__(house.house.state, "on_demand", OnDemand(lambda: 1.0))
        for _ in range(5):
            await house.ask(EU)
        assert asked == 1
        statuses = [
            (await house.client.get("/can-send", params={"from": f"n{number}.acme.dev"})).status_code
            for number in range(70)
        ]
        assert statuses == [200] * (BUDGET_BURST - 1) + [429] * (71 - BUDGET_BURST)
        assert (await house.ask("n69.acme.dev", dns="false"))["canSend"]


async def test_another_accounts_claims_do_not_show(tmp_path: Path) -> None:
    """Whatever another account has verified: to a stranger its names are as those that nobody has."""
    async with covering(tmp_path) as house:
        stranger = await house.house.world.other("stranger")
        async with house.house.client(stranger.key) as client:

            async def told(name: str) -> str:
                answer = await client.get("/can-send", params={"from": name})
                found = {key: value for key, value in answer.json().items() if key != "checkedAt"}
                return f"{answer.status_code} {found}".replace(name, "NAME")

            for pair in (("acme.dev", "other.dev"), (EU, "eu.other.dev"), ("a.b.c.acme.dev", "a.b.c.other.dev")):
                assert await told(pair[0]) == await told(pair[1])
            await stranger.add("acme.dev")
            assert await told("acme.dev") == (await told("other.dev"))
            assert (await client.get("/covers")).json() == []


async def test_a_verified_child_of_another_account_is_taken_out(tmp_path: Path) -> None:
    """It is said what is taken out, and not by whom; the list of covering domains says the same."""
    async with covering(tmp_path) as house:
        theirs = await house.house.world.other("theirs")
        await theirs.add(EU)
        assert (await house.ask(EU))["reason"] == "covered"
        house.dns.publish(await theirs.dkim(EU))
        await proving.prove(theirs.deps, theirs.account.id, EU)
        for name in (EU, f"deep.{EU}"):
            found = await house.ask(name)
            assert (found["canSend"], found["reason"], found["takenOut"]) == (False, "taken-out", EU)
            assert found["detail"] == f"{EU} is taken out of the cover of acme.dev, with all names below it."
            assert theirs.account.id not in str(found)
        assert (await house.ask(f"x{EU}"))["canSend"]
        listed = await house.client.get("/covers")
        assert listed.json() == [{"sender": "acme.dev", "takenOut": [EU], "whole": True}]


@pytest.mark.parametrize(
    ("sent_from", "code"),
    [
        ("localhost", "domain-reserved"),
        ("a b.dev", "domain-charset"),
        ("*.acme.dev", "domain-wildcard"),
        ("user@gmail.com", "domain-forbidden"),
        ("user@-acme.dev", "domain-invalid"),
        ("a@acme.dev, b@acme.dev", "parameter-invalid"),
        ("@acme.dev", "parameter-invalid"),
        ('"a@b" <a@acme.dev> <b@acme.dev>', "parameter-invalid"),
        ("x" * 1500, "domain-too-long"),
        ("x" * 2001, "parameter-invalid"),
        ("", "domain-required"),
    ],
)
async def test_what_is_no_name_is_refused(
    house: Installation, acme: httpx2.AsyncClient, sent_from: str, code: str
) -> None:
    """By the order in which every name is checked, with the same codes as when it is added."""
    answer = await acme.get("/can-send", params={"from": sent_from})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text
    assert answer.json()["error"]["fix"]


@pytest.mark.parametrize(("setting", "account", "asked", "covers"), [
    (None, None, None, True), ("off", None, None, False), ("off", True, None, True), (None, False, None, False),
    (None, False, True, True), ("off", True, False, False),
])  # fmt: skip
async def test_who_says_whether_a_new_domain_covers(
    tmp_path: Path, setting: str | None, account: bool | None, asked: bool | None, covers: bool
) -> None:
    """The request, else the account, else the installation; the account's word is the operator's or its own."""
    environment = {} if setting is None else {"COVERS_SUBDOMAINS": setting}
    async with running(tmp_path, environment=environment) as house, house.client(house.keys["acme"]) as acme:
        shown = (await acme.get("/account")).json()
        assert "coversSubdomains" not in shown
        if account is not None:
            changed = await acme.patch("/account", json={"coversSubdomains": account})
            assert changed.json()["coversSubdomains"] is account, changed.text
        body = {"sender": "acme.dev"} | ({} if asked is None else {"coversSubdomains": asked})
        listed = await acme.post("/domains", json=body)
        assert "coversSubdomains" not in listed.text
        assert (await acme.get("/domains/acme.dev")).json()["coversSubdomains"] is covers
        async with house.client(OPERATOR_TOKEN) as operator:
            path = f"/accounts/{house.accounts['acme']}"
            changed = await operator.patch(path, json={"coversSubdomains": not covers})
            assert changed.json()["coversSubdomains"] is (not covers)
            changed = await operator.patch(path, json={"coversSubdomains": None})
            assert "coversSubdomains" not in changed.json()
        assert (await acme.get("/domains/acme.dev")).json()["coversSubdomains"] is covers


async def test_the_cover_is_switched(tmp_path: Path) -> None:
    """By PATCH, with a key of the scope write; the next answer goes by it, and the audit says who did it."""
    async with covering(tmp_path) as house, house.house.client(house.house.keys["acme"]) as acme:
        refused = await house.client.patch("/domains/acme.dev", json={"coversSubdomains": False})
        assert refused.status_code == 403
        for covers, reason in ((False, "cover-off"), (True, "covered")):
            changed = await acme.patch("/domains/acme.dev", json={"coversSubdomains": covers})
            assert changed.json()["coversSubdomains"] is covers, changed.text
            found = await house.ask(EU)
            assert (found["reason"], found["canSend"]) == (reason, covers)
            assert bool((await acme.get("/covers")).json()) is covers
        async with house.house.client(OPERATOR_TOKEN) as operator:
            entries = (await operator.get("/audit")).json()
        subjects = {each["subject"] for each in entries if each["action"] == "domain.change"}
        assert subjects == {"acme.dev: covers subdomains"}
        assert (await acme.patch("/domains/other.dev", json={"coversSubdomains": True})).status_code == 404
        assert (await acme.patch("/domains/acme.dev", json={"coversSubdomains": "yes"})).status_code == 400


async def test_a_request_without_a_name_is_refused(acme: httpx2.AsyncClient) -> None:
    """What is left out is as an empty name."""
    answer = await acme.get("/can-send")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "domain-required")


async def test_covering_domains_come_in_pages(tmp_path: Path) -> None:
    """Each page leads to the next by its Link header; a domain that does not cover is not among them."""
    async with covering(tmp_path) as house:
        for name in ("a.acme.dev", "b.acme.dev"):
            await house.prove(house.house.world, name)
        await house.house.world.add("pending.acme.dev")
        found, path = [], "/covers?limit=2"
        while path:
            page = await house.client.get(path)
            found += [each["sender"] for each in page.json()]
            path = page.links.get("next", {}).get("url", "")
        assert found == ["a.acme.dev", "acme.dev", "b.acme.dev"]
