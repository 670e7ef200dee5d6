"""Private keys stay inside: after a life full of keys no piece of one is in logs, database, dumps, errors or pages."""

import asyncio
import base64
import contextlib
import sqlite3
from pathlib import Path

import asyncpg
import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from tests.acceptance.test_processes import eventually
from tests.rigs.canary import Canary, numbers_of
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving

PAGES = (
    "/docs", "/openapi.json", "/metrics", "/status", "/readyz", "/domains", "/domains?expand=health", "/keys",
    "/account",
)  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, lab: DnsLab) -> Installation:
    """Sets up an installation on either database, asking the lab's DNS."""
    settings = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
    }
    if request.param == "postgres":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    made = Installation(tmp_path, **settings)
    assert made.run("migrate").returncode == 0
    return made


def pem_of(key: rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """Writes a key as its owner has it."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


class Life:
    """Lives through what an account does with keys, and remembers every answer but the one that may show them."""

    def __init__(self, serving: Serving, lab: DnsLab, zone: str) -> None:
        self.serving, self.lab, self.zone = serving, lab, zone
        self.own = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
        self.shown: list[rsa.RSAPrivateKey] = []
        self.answers: list[bytes] = []

    def remember(self, answer: httpx2.Response) -> httpx2.Response:
        """Remembers an answer, head and body."""
        self.answers.append(answer.content + repr(answer.headers.multi_items()).encode())
        return answer

    def live(self) -> None:
        """Adds, verifies, rotates, fails, reads and deletes."""
        with self.serving.client(self.serving.open_account()) as client:
            self.add(client)
            self.verify(client)
            rotation = f"/domains/{self.zone}/dkim-rotation"
            self.remember(client.post(rotation, json={"privateKey": pem_of(self.own[1])}))
            self.remember(client.get(rotation))
            self.fail(client)
            self.read(client)
            self.remember(client.delete(rotation))
            self.remember(client.delete(f"/domains/{self.zone}"))

    def add(self, client: httpx2.Client) -> None:
        """Adds one domain with a key of its own, in the older form, and some with pooled keys."""
        own = pem_of(self.own[0], PrivateFormat.TraditionalOpenSSL)
        assert self.remember(client.post("/domains", json={"sender": self.zone, "privateKey": own})).status_code == 200
        for number in range(3):
            self.remember(client.post("/domains", json={"sender": f"d{number}.{self.zone}"}))

    def verify(self, client: httpx2.Client) -> None:
        """Publishes the first one's record and waits until it is seen."""
        listed = {each["sender"]: each for each in client.get("/domains").json()}
        record = listed[self.zone]["verificationRecords"]["dkim"]
        value = record["recordValue"]
        self.lab.publish(record["host"], "TXT", f'"{value[:200]}" "{value[200:]}"')
        self.lab.flush()
        status = "/domains/" + self.zone
        assert eventually(lambda: self.remember(client.post(f"{status}/check")).json()["status"] == "SUCCESS", 30)
        ders = [base64.b64decode(each["privateDKIMKey"]) for each in listed.values()]
        loaded = [load_der_private_key(der, None) for der in ders]
        self.shown = [key for key in loaded if isinstance(key, rsa.RSAPrivateKey)]

    def fail(self, client: httpx2.Client) -> None:
        """Sends a key in every wrong way: broken, in another field, in no JSON, as a name, as a token."""
        pem, rotation = pem_of(self.own[2]), f"/domains/{self.zone}/dkim-rotation"
        line = pem.splitlines()[8]
        for body in (
            {"sender": "x.dev", "privateKey": pem[:-200]},
            {"sender": "x.dev", "privateKey": pem.replace("PRIVATE", "PUBLIC")},
            {"sender": "x.dev", "privateKey": pem + pem},
            {"sender": "x.dev", "privateKEY": pem},
            {"sender": pem},
            {"sender": f"{line}.dev"},
            {"sender": "x.dev", "selector": pem},
            {"sender": "x.dev", "selector": line},
            {"sender": "x.dev", "mailFrom": line},
            {"sender": "x.dev", pem: 1},
        ):
            self.remember(client.post("/domains", json=body))
            self.remember(client.post(rotation, json=body))
        as_json = {"Content-Type": "application/json"}
        self.remember(client.post("/domains", content='{"privateKey": "' + pem, headers=as_json))
        self.remember(client.post("/keys", json={"name": line, "keyType": line}))
        self.remember(client.get("/domains", params={"cursor": line}))
        self.remember(client.get("/domains", params={"status": line}))
        self.remember(client.get(f"/domains/{line.replace('/', '+')}"))
        self.remember(client.get("/domains", headers={"Authorization": f"Bearer {line}"}))

    def read(self, client: httpx2.Client) -> None:
        """Reads every page with keys that may not see private ones."""
        for scope in ("read", "write"):
            made = client.post("/keys", json={"name": scope, "keyType": "secret", "scope": scope}).json()["key"]
            with self.serving.client(made) as reader:
                for page in (*PAGES, f"/domains/{self.zone}", f"/domains/{self.zone}/dns-check"):
                    self.remember(reader.get(page))
        with self.serving.operator() as operator:
            for page in (*PAGES, "/accounts"):
                self.remember(operator.get(page))


async def dumped(url: str) -> bytes:
    """Copies every table of a PostgreSQL database as text."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f'SELECT * FROM "{name[0]}"') for name in names]
    finally:
        await connection.close()
    values = [value for table in rows for row in table for value in row.values()]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def stored(installation: Installation) -> list[bytes]:
    """Gives the database's files as they lie there, and a dump."""
    url = installation.settings.get("LETTERHEAD_DATABASE_URL")
    if url:
        return [asyncio.run(dumped(url))]
    files = sorted(installation.folder.glob("letterhead.db*"))
    with contextlib.closing(sqlite3.connect(installation.folder / "letterhead.db")) as file:
        dump = "\n".join(file.iterdump())
    return [*(path.read_bytes() for path in files), dump.encode()]


@pytest.mark.timeout(120)
def test_no_piece_of_a_private_key_anywhere(installation: Installation, lab: DnsLab, zone: str) -> None:
    """0 windows of 24 characters, in logs, database, write-ahead log, dump, errors and pages."""
    with installation.serving() as serving:
        life = Life(serving, lab, zone)
        life.live()
        while_running = (
            stored(installation)
            if "LETTERHEAD_DATABASE_URL" in installation.settings
            else [path.read_bytes() for path in installation.folder.glob("letterhead.db*")]
        )
    canary = Canary([*life.own, *life.shown])
    assert len(life.shown) == 4
    assert canary.hits(pem_of(life.shown[0]).encode()) > 100
    found = {
        "logs": canary.hits(installation.logs().encode()),
        "answers": canary.hits(b"\n".join(life.answers)),
        "stored while running": sum(map(canary.hits, while_running)),
        "stored": sum(map(canary.hits, stored(installation))),
    }
    assert found == dict.fromkeys(found, 0)
    assert len(life.answers) > 60


def test_the_canary_is_heard() -> None:
    """A piece of a private number is found in any way of writing it, and a public one is none."""
    key = rsa.generate_private_key(65537, 2048)
    canary, piece = Canary([key]), numbers_of(key)[1][20:50]
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for written in (piece, base64.b64encode(piece), base64.urlsafe_b64encode(piece), piece.hex().encode()):
        assert canary.hits(b"somewhere " + written + b" in a log")
    assert canary.hits(public) == canary.hits(base64.b64encode(public)) == 0
