"""Private keys stay inside: after a life full of keys no piece of one is in what is logged, stored, told or sent."""

import asyncio
import base64
import contextlib
import signal
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from msgspec.structs import replace
from structlog.testing import capture_logs

from letterhead import config
from letterhead.core.secret import reveal
from letterhead.operations import alerts, checks, reminders
from letterhead.operations.domain_keys import key_purpose
from letterhead.ports.deps import Deps
from letterhead.ports.store.domains import DomainQuery, DomainUpdate
from letterhead.wiring.assemble import Overrides, open_deps
from tests.acceptance.canary_life import Life, exported, pem_of
from tests.acceptance.canary_notes import Elsewhere, Notes
from tests.acceptance.canary_words import Words
from tests.acceptance.test_kms import sql
from tests.rigs import alert_services, openid, smtp, webhook_receiver
from tests.rigs import kms as kms_rig
from tests.rigs.canary import Canary, Key, secrets_of
from tests.rigs.dns_lab import KEY, NS1, DnsLab
from tests.rigs.kms import Kms
from tests.rigs.letterhead import Installation
from tests.rigs.otlp import Collector, collector
from tests.rigs.webhook_receiver import Ledger as Receiver


@pytest.fixture
def mails() -> Iterator[smtp.Ledger]:
    """Run a mail server that takes everything."""
    with smtp.running(None, sign_in=False) as ledger:
        yield ledger


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver of webhooks."""
    with webhook_receiver.running() as ledger:
        yield ledger


@pytest.fixture
def elsewhere(mails: smtp.Ledger) -> Iterator[Elsewhere]:
    """Run a service that takes alerts, and an OpenID provider, beside the mail server."""
    with alert_services.serving() as alerts, openid.providing() as provider:
        yield Elsewhere(alerts, mails, provider)


@pytest.fixture
def kms() -> Iterator[Kms]:
    """Run a KMS."""
    with kms_rig.running() as running:
        yield running


@pytest.fixture
def traces() -> Iterator[Collector]:
    """Run a collector of traces and metrics."""
    with collector() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres", "kms"])
def installation(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    lab: DnsLab,
    elsewhere: Elsewhere,
    kms: Kms,
    traces: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> Installation:
    """Set up an installation on either database, or under a key of KMS, that asks the lab's DNS and can send mail."""
    settings = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "ED25519": "on",
        "RATE_LIMIT": "10000/s burst 20000",
        "DNS_SERVERS": f"{NS1}:{lab.authoritative_port}",
        "SMTP_URL": f"smtp://127.0.0.1:{elsewhere.mails.port}",
        "SMTP_STARTTLS": "never",
        "MAIL_SENDER": "dns@lh.example.com",
        "WEBHOOKS_ALLOW_HTTP": "true",
        "WEBHOOKS_ALLOW_PRIVATE": "true",
        "DOMAIN_CONNECT_PROVIDER": "lh.example.com",
        "OPENTELEMETRY": "true",
        "OIDC_ISSUER": elsewhere.openid.url,
        "OIDC_CLIENT_ID": openid.CLIENT_ID,
        "OIDC_CLIENT_SECRET": openid.SECRET,
        "PUBLIC_URL": "http://lh.example.com",  # links in mails need one that others reach; cookies come without TLS
    }
    if request.param == "postgres":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    if request.param == "kms":
        settings["KEYS"] = f"k1:kms:{kms.key()}"
    (tmp_path / "data").mkdir()
    made = Installation(tmp_path / "data", **settings)
    made.settings |= {**kms.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url}
    for name, value in kms.environment.items():
        monkeypatch.setenv(name, value)
    assert made.run("migrate").returncode == 0
    return made


async def dumped(url: str) -> bytes:
    """Copy every table of a PostgreSQL database as text."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f'SELECT * FROM "{name[0]}"') for name in names]
    finally:
        await connection.close()
    values = [value for table in rows for row in table for value in row.values()]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def stored(installation: Installation) -> list[bytes]:
    """Return the database's files as they lie there, and a dump."""
    url = installation.settings.get("LETTERHEAD_DATABASE_URL")
    if url:
        return [asyncio.run(dumped(url))]
    files = sorted(installation.folder.glob("letterhead.db*"))
    with contextlib.closing(sqlite3.connect(installation.folder / "letterhead.db")) as file:
        dump = "\n".join(file.iterdump())
    return [*(path.read_bytes() for path in files), dump.encode()]


async def a_day_later(installation: Installation) -> list[Key]:
    """Let a day pass: reminders and alerts go out, a second key begins to sign; return the keys nobody was shown."""
    now = datetime.now(UTC) + timedelta(hours=25)
    async with open_deps(config.read(installation.settings, installation.folder), Overrides(now=lambda: now)) as deps:
        account, _ = await deps.store.accounts()
        domains = await deps.store.domains(account.id, DomainQuery())
        for domain in domains:
            assert await checks.check(deps, domain)
        for owed in await deps.store.claim_reminders(now, now + timedelta(minutes=1), "test", 100):
            await reminders.send(deps, owed, "test")
        for due in await deps.store.claim_alerts(now, now + timedelta(minutes=1), "test", 100):
            await alerts.send_alert(deps, due, "test")
        keys = await _second_keys(deps, account.id)
        sealed = await deps.store.installation_secret("domain-connect|_dcpubkeyv1") or b""
        link_key = load_der_private_key(reveal(deps.keyring.unseal(sealed, "domain-connect|_dcpubkeyv1")), None)
        assert isinstance(link_key, rsa.RSAPrivateKey)
        keys.append(link_key)
        signs = await deps.store.domain(account.id, domains[0].sender)
        assert signs is not None
        assert signs.ed25519 is not None
        assert await deps.store.save(DomainUpdate(domain=replace(signs, ed25519=replace(signs.ed25519, live=True))))
        return keys


async def _second_keys(deps: Deps, account_id: str) -> list[Key]:
    sealed = await deps.store.sealed_keys(account_id)
    found: list[Key] = []
    for domain in await deps.store.domains(account_id, DomainQuery()):
        assert domain.ed25519 is not None
        selector = domain.ed25519.selector
        secret = deps.keyring.unseal(sealed[domain.id, selector], key_purpose(domain, selector))
        key = load_der_private_key(reveal(secret), None)
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        found.append(key)
    return found


def spoilt(installation: Installation) -> list[bytes]:
    """Meet rows that nothing can read, and an end in the middle: errors are told, crashes are logged, keys are not."""
    told = []
    with installation.serving("--no-worker") as serving:
        key = installation.settings["LETTERHEAD_API_KEY"]
        with serving.client(key) as client:
            assert "privateEd25519Key" in client.get("/domains").text, "shown where it may be"
            for scope in ("read", "write"):
                made = client.post("/keys", json={"name": scope, "keyType": "secret", "scope": scope}).json()["key"]
                with serving.client(made) as reader:
                    told += [reader.get("/domains").content, reader.get("/events").content]
    one, other = (f"(SELECT id FROM domains WHERE sender LIKE 'd{number}.%')" for number in (0, 1))
    of_other = f"(SELECT sealed FROM domain_keys WHERE domain_id = {other})"
    sql(installation, f"UPDATE domain_keys SET sealed = {of_other} WHERE domain_id = {one}")
    serving = installation.serve("--no-worker")
    with serving.client(key) as client:
        moved = client.get("/domains")
        assert moved.status_code == 200, "one row that does not open costs the others nothing"
        assert moved.text.count('"privateDKIMKey"') == len(moved.json()) - 1
    serving.process.send_signal(signal.SIGABRT)
    serving.process.wait(20)
    sql(installation, f"UPDATE domains SET life = '{{}}' WHERE id = {other}")
    with installation.serving("--no-worker") as serving, serving.client(key) as client:
        bug = client.get("/domains")
        assert bug.status_code == 500
        told.append(bug.content)
    return told


def as_read(taken: smtp.Taken) -> bytes:
    """Return a mail's parts as a reader sees them, out of the base64 that they may have travelled in."""
    parts = (part.get_payload(decode=True) for part in taken.message.walk())
    return b"\n".join(part for part in parts if isinstance(part, bytes))


def wrapping_key(installation: Installation, kms: Kms) -> list[Key]:
    """Return the key-encryption key that AWS KMS keeps, if it does."""
    arn = installation.settings["LETTERHEAD_KEYS"].partition(":kms:")[2]
    if not arn:
        return []
    rows = dict(sql(installation, "SELECT name, blob FROM vault"))
    context = {"letterhead:installation": bytes(rows["installation"]).decode(), "letterhead:key": "k1"}
    blob = bytes(rows["kek|k1"])
    return [kms.client().decrypt(CiphertextBlob=blob, EncryptionContext=context, KeyId=arn)["Plaintext"]]


@pytest.mark.timeout(900)
def test_no_piece_of_a_private_key_anywhere(
    installation: Installation,
    lab: DnsLab,
    zone: str,
    elsewhere: Elsewhere,
    receiver: Receiver,
    kms: Kms,
    traces: Collector,
) -> None:
    """0 windows of 24 characters in all that is logged, stored, answered, mailed, posted and printed, crashes too.

    And what an account says of itself stands where it may, and nowhere else: `Words`.
    """
    with installation.serving() as serving:
        life = Life(installation, serving, lab, zone, receiver)
        life.live()
        words = Words()
        Notes(life, words, elsewhere).live()
        while_running = (
            stored(installation)
            if "LETTERHEAD_DATABASE_URL" in installation.settings
            else [path.read_bytes() for path in installation.folder.glob("letterhead.db*")]
        )
    with capture_logs() as logged:
        second = asyncio.run(a_day_later(installation))
    afterwards, crashes = stored(installation), spoilt(installation)
    kept = wrapping_key(installation, kms)
    handed = [each.encode() for each in words.secrets]
    canary = Canary([*life.own, *life.shown, *second, *kept, KEY.secret, *handed])
    assert (len(life.shown), len(second)) == (4, 4)
    assert canary.hits(exported(installation.folder.parent / "exported")) > 100
    seen = {
        "logs": [installation.logs().encode(), repr(logged).encode()],
        "answers": life.answers,
        "stored while running": while_running,
        "stored": afterwards,
        "mails": [each.octets + as_read(each) for each in elsewhere.mails.taken],
        "webhooks": [repr(each.headers).encode() + each.body for each in receiver.received],
        "crashes": crashes,
        "traces": traces.raw,
        "alerts": [repr(each.body.get("message")).encode() for each in elsewhere.alerts.posted],
        **life.heard,
    }
    found = {place: sum(map(canary.hits, octets)) for place, octets in seen.items()}
    assert found == dict.fromkeys(found, 0)
    seen["exported"] = [exported(installation.folder.parent / "exported")]
    stand = [(word.of, word.places, word.found(seen)) for word in words.everywhere(elsewhere.mails.taken)]
    assert [each for each in stand if each[1] != each[2]] == [], "it stands where it must not, or not where it must"
    sent = repr([each.headers for each in elsewhere.alerts.posted])
    assert words.alert_secrets[0] in sent, "an alert channel's address is used, and heard where it goes"
    assert any(zone.encode() in each for each in seen["alerts"]), "an alert of a day later"
    heard = {place: len(octets) for place, octets in seen.items()}
    assert heard["answers"] > 60
    assert heard["mails"] >= 4, "three reminders and a trial"
    assert heard["webhooks"] >= 12
    assert len(traces.spans) > 100
    assert zone.encode() not in b"".join(traces.raw), "no name of a domain leaves by a span"
    assert b"Traceback" in b"".join(seen["logs"]) or b"exception" in b"".join(seen["logs"])


def test_the_canary_is_heard() -> None:
    """A piece of a private number or seed is found in any way of writing it, and a public one is none."""
    first, second, third = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate(), bytes(range(32))
    canary = Canary([first, second, third])
    for piece in (secrets_of(first)[1][20:50], secrets_of(second)[0][3:24], third[7:28]):
        for written in (piece, base64.b64encode(piece), base64.urlsafe_b64encode(piece), piece.hex().encode()):
            assert canary.hits(b"somewhere " + written + b" in a log")
    public = [
        first.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        second.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
    ]
    assert all(canary.hits(each) == canary.hits(base64.b64encode(each)) == 0 for each in public)
    assert canary.hits(pem_of(first).encode()) > 100
