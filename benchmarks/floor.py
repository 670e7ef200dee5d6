"""Run the floor of GET /domains: bare ASGI on our own server, one statement, msgspec; the same octets as ours.

    python -m benchmarks.floor DATABASE_URL PORT

It has all that a list can't do without (the key's look-up, in the same statement) and nothing else.
"""

import hashlib
import hmac
import os
import socket
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop
from msgspec import UNSET, UnsetType

from letterhead.web.server import ServerSettings, serve

SQL = """
SELECT d.sender, d.status, d.last_sync, d.created_at, d.selector, d.public_key, d.mail_from, d.mail_from_status,
       d.tokens
FROM floor_keys AS k LEFT JOIN floor_domains AS d ON d.account_id = k.account_id
WHERE k.digest = {mark} ORDER BY d.sender"""
HEADERS = [(b"content-type", b"application/json")]
MX_HOST, MX_PRIORITY, SPF = "feedback.example.net", 10, "include:spf.example.net"
PEPPER = bytes.fromhex(os.environ.get("FLOOR_PEPPER", "00"))

Rows = Callable[[bytes], Awaitable[Sequence[Any]]]


class Record(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    record_type: str
    record_name: str
    host: str
    record_value: str
    required: bool
    priority: int | UnsetType = UNSET


class Records(msgspec.Struct, gc=False):
    dkim: Record
    mail_from_spf: Record
    mail_from_mx: Record
    dmarc: Record


class Domain(msgspec.Struct, rename="camel", gc=False):
    sender: str
    status: str
    last_sync: datetime
    created_at: datetime
    selector: str
    verification_tokens: list[str]
    mail_from_domain_status: str
    verification_records: Records


def domain(row: Any) -> Domain:
    sender, status, last_sync, created_at, selector, public_key, mail_from, mail_from_status, tokens = row
    key, bounce = f"{selector}._domainkey", mail_from.removesuffix("." + sender)
    return Domain(
        sender, status, datetime.fromtimestamp(last_sync / 1000, UTC), datetime.fromtimestamp(created_at / 1000, UTC),
        selector, tokens.split(), mail_from_status,
        Records(
            Record("TXT", key, f"{key}.{sender}", f"v=DKIM1; k=rsa; p={public_key}", True),
            Record("TXT", bounce, mail_from, f"v=spf1 {SPF} ~all", False),
            Record("MX", bounce, mail_from, MX_HOST, False, MX_PRIORITY),
            Record("TXT", "_dmarc", f"_dmarc.{sender}", "v=DMARC1; p=none;", False),
        ),
    )  # fmt: skip


encode = msgspec.json.Encoder().encode


async def answer(send: Any, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": HEADERS})
    await send({"type": "http.response.body", "body": body})


def app(rows: Rows, pepper: bytes = PEPPER) -> Any:
    async def listing(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] != "/domains" or scope["method"] != "GET":
            await answer(send, 404, b'{"detail":"Not Found"}')
            return
        token = next((v[7:] for k, v in scope["headers"] if k == b"authorization" and v[:7] == b"Bearer "), b"")
        found = await rows(hmac.digest(pepper, token, hashlib.sha256))
        if not found:
            await answer(send, 401, b'{"detail":"invalid API key"}')
            return
        await answer(send, 200, encode([domain(row) for row in found if row[0] is not None]))

    return listing


def from_sqlite(path: str | Path) -> Rows:
    """Read from a file in the loop's own thread, as the barest service would."""
    connection = sqlite3.connect(path)
    statement = SQL.format(mark="?")

    async def rows(digest: bytes) -> Sequence[Any]:
        return connection.execute(statement, (digest,)).fetchall()

    return rows


async def serving(url: str, listener: socket.socket) -> None:
    if url.startswith("sqlite:"):
        await serve(app(from_sqlite(url.removeprefix("sqlite:///"))), [listener], ServerSettings())
        return
    statement = SQL.format(mark="$1")

    async def keep(_: object) -> None:
        """Reset nothing: no session state is ever set."""

    async with asyncpg.create_pool(url, min_size=10, max_size=10, reset=keep) as pool:
        await serve(app(lambda digest: pool.fetch(statement, digest)), [listener], ServerSettings())


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=1024) as listener:
        uvloop.run(serving(sys.argv[1], listener))
