"""The operator moves a closed month of the audit into a file, by the API and by the command."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contracts.samples import audit
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

MONTH = "2026-01"


async def filled(house: Installation, rows: int) -> None:
    """Write entries of a month that is long over."""
    for number in range(rows):
        at = datetime(2026, 1, 1 + number, tzinfo=UTC)
        await house.deps.store.audit(replace(audit(), at=at, subject=f"number {number}"))


async def test_pages_then_digest_then_gone(tmp_path: Path) -> None:
    """The pages are the file; a wrong digest deletes nothing; the right one deletes the month, and the audit tells."""
    async with running(tmp_path) as house, house.client(OPERATOR_TOKEN) as operator:
        await filled(house, 5)
        content, path = b"", f"/audit/month?month={MONTH}&limit=2"
        while path:
            page = await operator.get(path)
            assert (page.status_code, page.headers["content-type"]) == (200, "application/x-ndjson")
            content += page.content
            following = page.links.get("next")
            path = following["url"].removeprefix(house.url) if following else ""
        assert [line.count(b'"number ') for line in content.splitlines()] == [1] * 5
        file = {"month": MONTH, "rows": 5, "sha256": "0" * 64}
        refused = await operator.post("/audit/detach", json=file)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert "Nothing was deleted" in refused.json()["error"]["message"]
        done = await operator.post("/audit/detach", json=file | {"sha256": sha256(content).hexdigest()})
        assert done.json() == file | {"sha256": sha256(content).hexdigest(), "deleted": 5, "hasMore": False}
        assert (await operator.get(f"/audit/month?month={MONTH}")).content == b""
        (newest, *_) = (await operator.get("/audit")).json()
        assert (newest["action"], newest["actor"]) == ("audit.detach", "operator")
        for wrong, status in (("2026", 400), ("2026-1", 400), ("9999-12", 400), ("2999-12", 409)):
            assert (await operator.get(f"/audit/month?month={wrong}")).status_code == status


@pytest.mark.parametrize("path", ["/audit/month?month=2026-01", "/audit/detach"])
async def test_nobody_else_may(tmp_path: Path, path: str) -> None:
    """An account's key is none of the operator's."""
    async with running(tmp_path) as house, house.client(house.keys["acme"]) as acme:
        ask = acme.get(path) if "month=" in path else acme.post(path, json={})
        assert (await ask).status_code == 401


async def test_equal_reads_are_one_entry_with_their_number(tmp_path: Path) -> None:
    """A program that reads private keys again and again leaves one entry an hour, which counts each of them."""
    async with (
        running(tmp_path) as house,
        house.client(house.keys["acme"]) as acme,
        house.client(OPERATOR_TOKEN) as operator,
    ):
        await acme.post("/domains", json={"sender": "acme.dev"})
        for _ in range(4):
            assert "privateDKIMKey" in (await acme.get("/domains")).text
        rows = (await operator.get("/audit")).json()
        (read,) = (each for each in rows if each["action"] == "private-key.read" and each["subject"] == "acme.dev")
        assert read["count"] >= 4
        assert read["lastAt"] >= read["at"]
