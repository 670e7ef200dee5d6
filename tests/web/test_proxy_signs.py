"""A proxy that nobody has set is told of by readiness; what clients may well send without one is not."""

from pathlib import Path

import pytest

from tests.web.conftest import OPERATOR_TOKEN, running
from tests.web.test_pages import sign_in

FORWARDED = {"X-Forwarded-For": "203.0.113.7"}


@pytest.mark.parametrize(
    ("headers", "trusts", "told"),
    [
        ({}, False, ""),
        ({"Host": "127.0.0.1:1"}, False, ""),
        ({"Host": "localhost"}, False, ""),
        ({"Host": "[::1]"}, False, ""),
        ({"Host": "letterhead.example.com:443"}, False, ""),
        ({"Host": "other.example.com"}, False, "another host"),
        (FORWARDED, False, "LETTERHEAD_TRUSTED_PROXIES"),
        (FORWARDED, True, ""),
        ({"Forwarded": "for=203.0.113.7"}, False, "LETTERHEAD_TRUSTED_PROXIES"),
    ],
)
async def test_signs_of_a_proxy(tmp_path: Path, headers: dict[str, str], trusts: bool, told: str) -> None:
    """Each sign is told in words of ours, and stays until the process ends."""
    public_url = "https://letterhead.example.com"
    async with running(tmp_path, public_url=public_url, trusts_proxies=trusts) as house, house.client() as nobody:
        assert (await nobody.get("/status", headers=headers)).status_code == 200
        ready = (await nobody.get("/readyz")).json()
        assert ready["ready"] is True
        assert told in ready.get("proxy", {"detail": ""})["detail"]
        assert ("proxy" in ready) is bool(told)
        assert "203.0.113.7" not in str(ready)


@pytest.mark.parametrize(("public_url", "url"), [("https://a.example/mail/", "/mail"), ("https://a.example", "/")])
async def test_the_description_knows_the_path_of_the_public_url(tmp_path: Path, public_url: str, url: str) -> None:
    """A client that is made from the description calls below the prefix."""
    async with running(tmp_path, public_url=public_url) as house, house.client() as nobody:
        assert (await nobody.get("/openapi.json")).json()["servers"] == [{"url": url}]


async def test_nobody_writes_another_address_into_the_audit(tmp_path: Path) -> None:
    """Whoever is no trusted proxy has the address of the connection, whatever the fields say."""
    fields = FORWARDED | {"Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
    async with running(tmp_path) as house, house.client(house.keys["acme"]) as acme, house.client() as operator:
        assert (await acme.post("/domains", json={"sender": "acme.dev"}, headers=fields)).status_code == 200
        assert (await acme.delete("/domains/acme.dev", headers=fields)).is_success
        rows = (await operator.get("/audit", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"})).json()
        assert {row["address"] for row in rows if row["action"] == "domain.delete"} == {"127.0.0.1"}


async def test_the_operators_page_has_every_part(tmp_path: Path) -> None:
    """A missing worker, free space and an unknown proxy stand on the operator's page, as in readiness."""
    async with running(tmp_path) as house, house.client() as browser:
        await browser.get("/status", headers=FORWARDED)
        await sign_in(browser, OPERATOR_TOKEN)
        page = await browser.get("/operator")
        assert page.status_code == 200
        for words in ("no worker runs: start one", "free for the database", "LETTERHEAD_TRUSTED_PROXIES"):
            assert words in page.text
