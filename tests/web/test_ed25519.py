"""The Ed25519 key over HTTP: its record is told from the first answer on, its private half to few, while it is live."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.health import HealthState, new_health
from letterhead.ports.store.domains import DomainUpdate
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

SECRET = {"privateEd25519Key"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation that gives domains a second key."""
    async with running(tmp_path, environment={"ED25519": "on"}) as installation:
        yield installation


async def live(house: Installation) -> None:
    """Has the second key of the one domain sign, as looks would."""
    domain = await house.world.domain("acme.dev")
    assert domain.ed25519 is not None
    now = house.deps.now()
    signs = replace(domain.ed25519, seen_since=now, live=True)
    verified = replace(domain, dkim=new_health(HealthState.VERIFIED, now), is_holder=True, ed25519=signs)
    assert await house.deps.store.save(DomainUpdate(domain=verified))


async def test_the_first_answer_says_what_to_publish(house: Installation, acme: httpx2.AsyncClient) -> None:
    """`dkim_ed25519` stands among the records, at a selector of its own, and nothing requires it."""
    (domain,) = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    records = domain["verificationRecords"]
    second = records["dkim_ed25519"]
    assert second["recordValue"].startswith("v=DKIM1; k=ed25519; p=")
    assert len(second["recordValue"]) == len("v=DKIM1; k=ed25519; p=") + 44
    assert second["required"] is False
    assert second["host"].endswith("._domainkey.acme.dev")
    assert second["host"] != records["dkim"]["host"]
    assert not {*SECRET, "ed25519Selector"} & set(domain)
    check = (await acme.get("/domains/acme.dev/dns-check")).json()
    assert [each["id"] for each in check["ed25519Keys"]] == ["dkim_ed25519"]
    known = {"dkim", "mail_from_mx", "mail_from_spf", "dmarc"}
    assert {each["id"] for each in check["records"]} <= known, "the list that clients know is closed"


async def test_the_private_key_is_shown_to_full_scope_while_it_is_live(
    house: Installation, acme: httpx2.AsyncClient
) -> None:
    """Absent before, and for every other scope; the selector is told to all."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    await live(house)
    for path in ("/domains", "/domains/acme.dev", "/domains?expand=health"):
        body = (await acme.get(path)).json()
        (full,) = body if isinstance(body, list) else [body]
        assert full["privateEd25519Key"].startswith("MC4CAQAwBQYDK2Vw")
        for scope in (Scope.READ, Scope.WRITE):
            async with house.client(await house.make_key("acme", scope)) as other:
                answer = await other.get(path)
                assert "ed25519Selector" in answer.text
                assert full["privateEd25519Key"] not in answer.text
    async with house.client(OPERATOR_TOKEN) as operator:
        assert "privateEd25519Key" not in (await operator.get("/audit")).text


async def test_a_change_of_keys_brings_both(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A rotation plans a new Ed25519 record beside the new RSA one; abandoning takes both away."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    await live(house)
    await acme.post("/domains/acme.dev/dkim-rotation")
    (domain,) = (await acme.get("/domains")).json()
    records = domain["verificationRecords"]
    assert {"dkim", "dkim_next", "dkim_ed25519", "dkim_ed25519_next"} <= set(records)
    assert len({records[name]["host"] for name in records if name.startswith("dkim")}) == 4
    assert domain["ed25519Selector"] in records["dkim_ed25519"]["host"]
    await acme.delete("/domains/acme.dev/dkim-rotation")
    (domain,) = (await acme.get("/domains")).json()
    assert "dkim_ed25519_next" not in domain["verificationRecords"]
    kept = {selector for _, selector in await house.deps.store.sealed_keys(house.accounts["acme"])}
    assert kept == {domain["selector"], domain["ed25519Selector"]}


async def test_the_set_up_page_shows_it_as_recommended(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A card of its own, in words, and never a private half."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    await live(house)
    (shown,) = (await acme.get("/domains")).json()
    link = (await acme.post("/domains/acme.dev/setup-links")).json()["url"]
    path = link.removeprefix(house.deps.policy.public_url)
    async with house.client() as anybody:
        page, zone = await anybody.get(path), await anybody.get(f"{path}/zone")
    assert 'id="record-dkim_ed25519"' in page.text
    assert "Second signing key" in page.text
    assert "k=ed25519" in zone.text
    assert shown["privateEd25519Key"] not in page.text + zone.text


async def test_off_there_is_none(tmp_path: Path) -> None:
    """Unless it is turned on nothing of it is told."""
    async with running(tmp_path) as plain, plain.client(plain.keys["acme"]) as client:
        (domain,) = (await client.post("/domains", json={"sender": "acme.dev"})).json()
        assert "dkim_ed25519" not in domain["verificationRecords"]
        assert "ed25519Keys" not in (await client.get("/domains/acme.dev/dns-check")).json()
