"""Lists that are made while they are sent: whole or cut, never half, with the tag and the audit of their beginning."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import msgspec
import pytest
import structlog

from benchmarks import seed
from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.domain import Domain
from letterhead.operations.domain_keys import key_purpose
from letterhead.ports.store.domains import DomainQuery, DomainUpdate
from letterhead.web.routes.domains import LONG, PIECE
from tests.web.conftest import Installation, running

COUNT = LONG + 2 * PIECE + 7


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation whose account acme has a long list of domains, with their keys."""
    async with running(tmp_path) as installation:
        fill(installation, tmp_path)
        yield installation


def fill(house: Installation, folder: Path) -> None:
    """Return the account acme COUNT domains with their keys."""
    pair = house.deps.keyring.make_pair()
    made = [
        msgspec.structs.replace(seed.domain(0, place, pair.public_key), account_id=house.accounts["acme"])
        for place in range(COUNT)
    ]
    keys = [(each.id, each.selector, house.deps.keyring.seal(pair.private_key, key_purpose(each))) for each in made]
    with sqlite3.connect(folder / "letterhead.db", timeout=10) as connection:
        for table, rows in (("domains", map(seed.as_row, made)), ("domain_keys", keys)):
            columns = seed.COLUMNS[table]
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
    connection.close()


async def reader(house: Installation) -> httpx2.AsyncClient:
    """Make a client that may not see private keys."""
    return house.client(await house.make_key("acme", Scope.READ))


async def stored(house: Installation) -> list[Domain]:
    """Read all domains from the store."""
    return await house.deps.store.domains(house.accounts["acme"], DomainQuery())


async def test_a_long_list_is_whole(house: Installation) -> None:
    """It comes in pieces, holds every domain once in the order of names, and is what its pages hold."""
    async with await reader(house) as client:
        answer, paged = await client.get("/domains"), await client.get("/domains?limit=1000")
    assert "content-length" not in answer.headers
    assert [each["sender"] for each in answer.json()] == [each.sender for each in await stored(house)]
    assert answer.json() == paged.json()
    assert len(answer.json()) == COUNT


async def test_its_tag_is_known_and_changes(house: Installation) -> None:
    """If-None-Match with its tag is 304 until a domain changes; HEAD tells the tag and sends nothing."""
    async with await reader(house) as client:
        first = await client.get("/domains")
        known = {"If-None-Match": first.headers["etag"]}
        assert (await client.get("/domains", headers=known)).status_code == 304
        head = await client.head("/domains")
        assert (head.status_code, head.headers["etag"], head.content) == (200, first.headers["etag"], b"")
        assert await house.deps.store.save(DomainUpdate(domain=(await stored(house))[3]))
        again = await client.get("/domains", headers=known)
    assert (again.status_code, again.headers["etag"] != first.headers["etag"]) == (200, True)


async def test_private_keys_are_audited_once_and_first(house: Installation) -> None:
    """Who may see private keys gets all of them; one row of the audit says so, and nobody may keep the answer."""
    async with house.client(house.keys["acme"]) as client, client.stream("GET", "/domains") as answer:
        rows = await house.deps.store.audit_rows(house.accounts["acme"], None, 10)
        listed = json.loads(await answer.aread())
    reads = [row.row.subject for row in rows if row.row.action == "private-key.read"]
    assert reads == [f"{COUNT} domains"]
    assert len(listed) == COUNT
    assert all(each["privateDKIMKey"] for each in listed)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_list_that_breaks_is_cut(house: Installation, tmp_path: Path) -> None:
    """What goes wrong in the middle cuts the connection: nobody takes half a list for the whole."""
    last = (await stored(house))[-1]
    with sqlite3.connect(tmp_path / "letterhead.db", timeout=10) as connection:
        connection.execute("UPDATE domains SET life = '{}' WHERE id = ?", (last.id,))
    connection.close()
    async with await reader(house) as client:
        with structlog.testing.capture_logs() as lines, pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/domains")
        assert "request.broken" in [line["event"] for line in lines]
        assert (await client.get("/status")).status_code == 200


async def test_others_are_answered_meanwhile(house: Installation) -> None:
    """While one client does not read its long list, others are answered."""
    async with await reader(house) as slow, house.client() as other, slow.stream("GET", "/domains") as answer:
        for _ in range(3):
            assert (await asyncio.wait_for(other.get("/status"), 5)).status_code == 200
        assert len(json.loads(await answer.aread())) == COUNT


async def test_old_clients_get_one_piece(house: Installation) -> None:
    """HTTP/1.0, which could not tell a cut list from a whole one, gets a length."""
    key = await house.make_key("acme", Scope.READ)
    host, _, port = house.url.removeprefix("http://").partition(":")
    reading, writing = await asyncio.open_connection(host, int(port))
    writing.write(f"GET /domains HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    head, _, body = (await reading.read()).partition(b"\r\n\r\n")
    writing.close()
    assert b"content-length: %d" % len(body) in head
    assert len(json.loads(body)) == COUNT
