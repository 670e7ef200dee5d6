"""Each trouble of the runbook is made to happen: what its page quotes is what the service says, and its commands work.

A page quotes in blocks of `text`, line by line; times, numbers, ids and paths may differ. Its commands of `letterhead`
are run here, its expressions are those of the alert rules.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs
from structlog.typing import EventDict

from letterhead.core.domain.health import HealthState
from letterhead.operations import provider_work
from tests.docs.markdown import ROOT
from tests.operations.ses_story import ses_story
from tests.operations.world import Clock, noon
from tests.relay.world import running as running_relay
from tests.rigs import postgres as postgres_rig
from tests.rigs import smtp, webhook_receiver
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.postgres import Postgres
from tests.rigs.processes import free_port
from tests.rigs.ses_wire import Ill
from tests.rigs.waiting import until, until_async
from tests.rigs.webhook_receiver import Mood

RUNBOOK = ROOT / "docs/runbook"
BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"^\$ (letterhead [^#\n]*)", re.MULTILINE)
NOT_QUOTED = ("event", "level", "log_level", "timestamp", "exception")
NOW = "CAST(extract(epoch FROM now()) * 1000 AS BIGINT)"
VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d{4}-\d\d-\d\d"), "TIME"),
    (re.compile(r"\b(?:wh|dom|acc)_[0-9a-f]+|\b[0-9a-f]{8}-[0-9a-f-]{27}"), "ID"),
    (re.compile(r"(?<=new )/[\w./-]+(?=/mail.pem)"), ""),
    (re.compile(r"127\.0\.0\.1|\d+(?:\.\d+)?(?:e[+]\d+)?"), "N"),
)


def steady(line: str) -> str:
    """Replace what differs from run to run, such as the order of what a log line says."""
    if line.startswith("{"):
        line = json.dumps(json.loads(line), sort_keys=True)
    for pattern, word in VARIABLE:
        line = pattern.sub(word, line)
    return " ".join(line.split())


class Evidence:
    """What was said during one trouble, and the commands that were run."""

    def __init__(self) -> None:
        self.lines: set[str] = set()
        self.ran: set[str] = set()

    def add(self, text: str) -> None:
        """Keep what was said."""
        self.lines |= {steady(line) for line in text.splitlines()}

    def log(self, logs: str, *events: str) -> None:
        """Keep log lines of some events, without what every line has."""
        for line in logs.splitlines():
            if line.startswith("{") and (entry := json.loads(line))["event"] in events:
                self.entry(entry)

    def entry(self, entry: EventDict) -> None:
        """Keep one log line as JSON: what happened first, then what it says of it, but for a traceback."""
        said = {name: value for name, value in entry.items() if name not in NOT_QUOTED}
        self.add(json.dumps({"event": entry["event"], **said}))

    def command(self, installation: Installation, *words: str) -> str:
        """Run a command, and keep what it says."""
        ended = installation.run(*words)
        self.ran.add("letterhead " + " ".join(words))
        self.add(ended.stdout + ended.stderr)
        return ended.stdout + ended.stderr

    def ready(self, serving: Serving) -> str:
        """Ask for the health, and keep each part that is not well."""
        answer = httpx2.get(f"{serving.url}/readyz", timeout=20, trust_env=False).json()
        parts = {name: part for name, part in answer.items() if isinstance(part, dict)}
        for name, part in parts.items():
            self.add(f"{name}: {part['detail']}")
        return " ".join(part["detail"] for part in parts.values())

    def metrics(self, serving: Serving) -> None:
        """Keep the samples."""
        with serving.operator() as operator:
            self.add(operator.get("/metrics").text)

    def proves(self, page: str) -> None:
        """Hold a page against it: every line that it quotes was said, every command was run."""
        text = (RUNBOOK / f"{page}.md").read_text("utf-8")
        quoted = [line for block in BLOCK.findall(text) for line in block.splitlines() if line.strip()]
        assert quoted, page
        missing = [line for line in quoted if steady(line) not in self.lines]
        assert missing == [], page
        assert {each.strip() for each in COMMANDS.findall(text)} <= self.ran, page


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL that may be crashed."""
    with postgres_rig.running() as server:
        yield server


async def _sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.timeout(600)
def test_processes_database_resolvers_clock_and_keys(tmp_path: Path, own_postgres: Postgres) -> None:
    """One installation with a worker and a relay of its own meets one trouble after the other, and gets over each."""
    with own_postgres.database() as url:
        installation = Installation(
            tmp_path, DATABASE_URL=url, DNS_RESOLVERS="127.0.0.1:9", KEY_POOL="1",
            RELAY_SMARTHOST=f"smtp://127.0.0.1:{free_port('127.0.0.1')}", RELAY_SMARTHOST_STARTTLS="never",
            RELAY_BIND=f"127.0.0.1:{free_port('127.0.0.1')}",
        )  # fmt: skip
        assert installation.run("migrate").returncode == 0
        with installation.serving("--no-worker") as serving:
            installation.settings["LETTERHEAD_BIND"] = serving.url.removeprefix("http://")
            installation.settings["LETTERHEAD_URL"] = serving.url
            key = serving.open_account()
            refused = Evidence()
            refused.command(installation, "serve")  # a second one, on the same port
            refused.command(installation, "doctor")
            refused.proves("process-down")
            resolvers_out(installation, serving, key)
            worker = installation.worker()
            until(lambda: installation.logs().count('"event":"worker.ready"') == 2)  # the health may tell of the first
            late(installation, serving, worker.process, url)
            clock_ahead(installation, serving, worker.process, url)
            worker.kill()
            relay = installation.relay()
            until(lambda: "1 relay runs" in Evidence().ready(serving))
            relay.kill()
            processes_dead(installation, serving, url)
            bug(installation, serving, key, url)
            database_out(installation, serving, key, own_postgres)
        lost = Evidence()
        installation.settings["LETTERHEAD_KEYS"] = "k2:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
        lost.command(installation, "serve")
        lost.command(installation, "doctor")
        lost.proves("key-ring-lost")


def resolvers_out(installation: Installation, serving: Serving, key: str) -> None:
    """Nothing answers in several zones: it is us."""
    told = Evidence()
    worker = installation.worker()
    with serving.client(key) as client:
        for number in range(4):
            assert client.post("/domains", json={"sender": f"d{number}.zone{number}.test"}).status_code == 200
    until(lambda: "degraded" in told.ready(serving))
    until(lambda: "resolver.outage.began" in installation.logs())
    told.log(installation.logs(), "resolver.outage.began")
    told.command(installation, "doctor")
    told.metrics(serving)
    told.proves("resolver-down")
    worker.stop()


def make_late(url: str) -> None:
    """Make every check due for a quarter of an hour; a claim that was under way may have leased some again."""
    asyncio.run(_sql(url, f"UPDATE domains SET next_check_at = {NOW} - 900000, lease_until = NULL"))


def late(installation: Installation, serving: Serving, worker: "subprocess.Popen[bytes]", url: str) -> None:
    """A worker lives and does nothing: here it stands still."""
    told = Evidence()
    worker.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED)

    def is_late() -> bool:
        make_late(url)
        return "a check has been due" in told.ready(serving)

    until(is_late)
    told.command(installation, "doctor")
    told.proves("queue-grows")


def clock_ahead(installation: Installation, serving: Serving, worker: "subprocess.Popen[bytes]", url: str) -> None:
    """What was planned by a clock far ahead is said, and made anew once a worker looks."""
    told = Evidence()
    asyncio.run(_sql(url, f"UPDATE domains SET next_check_at = {NOW} + 9000000000"))
    until(lambda: "dated in the future" in told.ready(serving))
    told.metrics(serving)
    told.command(installation, "doctor")
    worker.send_signal(signal.SIGCONT)
    until(lambda: "recall.done" in installation.logs())
    told.log(installation.logs(), "recall.done")
    told.proves("clock-jump")
    until(lambda: "dated in the future" not in Evidence().ready(serving))


def processes_dead(installation: Installation, serving: Serving, url: str) -> None:
    """No worker and no relay was seen for longer than they may be silent."""
    told = Evidence()
    asyncio.run(_sql(url, "UPDATE heartbeats SET at = at - 61000"))  # in place of a minute
    until(lambda: "no worker seen" in told.ready(serving) and "no relay seen" in told.ready(serving))
    told.command(installation, "doctor")
    told.metrics(serving)
    told.proves("worker-dead")
    told.proves("relay-dead")


def bug(installation: Installation, serving: Serving, key: str, url: str) -> None:
    """A row that nothing can read is a bug: 500, and a line with the same id."""
    told = Evidence()
    asyncio.run(_sql(url, "UPDATE domains SET life = '{}' WHERE sender LIKE 'd0.%'"))
    with serving.client(key) as client:
        answer = client.get("/domains")
    assert answer.status_code == 500
    told.add(answer.text)
    told_by = f'"tracking_id":"{answer.json()["trackingId"]}"'
    until(lambda: installation.logs().count(told_by) == 2)  # its lines may come after the answer
    told.log(installation.logs(), "request.answered", "request.broken")
    broken = next(line for line in installation.logs().splitlines() if '"request.broken"' in line)
    assert json.loads(broken)["tracking_id"] == answer.json()["trackingId"]
    assert json.loads(broken)["exception"]
    told.proves("errors")


def database_out(installation: Installation, serving: Serving, key: str, server: Postgres) -> None:
    """The database dies, and comes back: nobody has to be started again."""
    told = Evidence()
    server.crash(signal.SIGQUIT)
    until(lambda: "does not answer" in told.ready(serving))
    with serving.client(key) as client:
        answer = client.get("/domains")
    assert answer.status_code == 503
    told.add(answer.text)
    told.metrics(serving)
    told.command(installation, "doctor")
    told.proves("database-out")
    server.restart()
    until(lambda: httpx2.get(f"{serving.url}/readyz", timeout=20, trust_env=False).status_code == 200)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that ends in nine days, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.acme.test")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=80)).not_valid_after(now + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mail.acme.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, own = folder / "mail.pem", folder / "mail-key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    own.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
    return chain, own


def test_disk_certificate_and_webhooks(tmp_path: Path) -> None:
    """A disk with less room than it should have, a certificate that ends, an endpoint that is broken."""
    chain, own = certificate(tmp_path)
    installation = Installation(
        tmp_path, DNS_RESOLVERS="127.0.0.1:9", KEY_POOL="1", DISK_RESERVE_MB="1000000", RELAY_HOST="mail.acme.test",
        RELAY_SMARTHOST=f"smtp://127.0.0.1:{free_port('127.0.0.1')}", RELAY_SMARTHOST_STARTTLS="never",
        RELAY_BIND=f"127.0.0.1:{free_port('127.0.0.1')}", RELAY_CERTIFICATE=str(chain), RELAY_CERTIFICATE_KEY=str(own),
        WEBHOOKS_ALLOW_HTTP="true", WEBHOOKS_ALLOW_PRIVATE="true",
    )  # fmt: skip
    told = Evidence()
    assert installation.run("migrate").returncode == 0
    with webhook_receiver.running() as receiver, installation.serving() as serving:
        receiver.mood = Mood.BROKEN
        installation.settings |= {
            "LETTERHEAD_BIND": serving.url.removeprefix("http://"),
            "LETTERHEAD_URL": serving.url,
            "LETTERHEAD_API_KEY": (key := serving.open_account()),
        }
        with serving.client(key) as client:
            made = client.post("/webhooks", json={"webhook": receiver.url, "events": ["*"]}).json()["id"]
            assert client.post(f"/webhooks/{made}/test").status_code < 300
        until(lambda: "delivery.attempted" in installation.logs())
        told.log(installation.logs(), "delivery.attempted")
        told.command(installation, "webhooks", "list")
        told.command(installation, "webhooks", "deliveries", made)
        told.ran.add("letterhead webhooks deliveries wh_…")
        told.command(installation, "webhooks", "test", made)
        told.ran.add("letterhead webhooks test wh_…")
        told.ready(serving)
        told.metrics(serving)
        told.command(installation, "doctor")
    for page in ("disk-full", "certificate-ends", "webhooks-fail"):
        told.proves(page)


async def test_the_smart_host_is_gone(tmp_path: Path) -> None:
    """Mail is taken, waits, and goes out once the smart host is back."""
    port, told = free_port("127.0.0.1"), Evidence()
    nobody = smtp.Ledger(port=port)
    with capture_logs() as logs:
        async with running_relay(tmp_path, nobody) as relay:
            assert (await relay.send())[-1][0] == 250
            await until_async(lambda: any(each["event"] == "smarthost.unreached" for each in logs))
            told.add(relay.world.deps.meter.text(None).decode())
    for each in logs:
        told.entry(each)
    told.proves("relay-queue")


async def test_ses_throttles_and_refuses(
    lab: DnsLab, zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that SES puts off or refuses is counted by its kind, logged with its code, and made again later."""
    monkeypatch.setattr("letterhead.adapters.providers.ses.calls.FIRST_PAUSE", 0.001)
    with capture_logs() as logs:
        async with ses_story(lab, Clock(noon()), tmp_path, monkeypatch) as story:
            for page, ill in (
                ("provider-throttles", Ill(status=429, code="TooManyRequestsException")),
                ("provider-refuses", Ill(status=403, code="AccessDeniedException")),
            ):
                told = Evidence()
                name = f"{page.rpartition('-')[2]}.{zone}"
                story.publish(*story.plan(await story.world.add(name)))
                await story.world.look(name)
                story.ses.fate = lambda _operation, ill=ill: ill
                await story.world.look(name)
                deps = story.world.deps
                domain = await story.world.domain(name)
                await deps.provider.identity_report(name, provider_work.owner_tag(deps, domain))
                for each in logs:
                    told.entry(each)
                told.add(deps.meter.text(None).decode())
                told.proves(page)
                story.ses.fate = None


async def test_records_are_lost_in_numbers(
    lab: DnsLab, zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that goes puts the domain at risk; the log and the events say which, and until when mail flows."""
    told = Evidence()
    with capture_logs() as logs:
        async with ses_story(lab, Clock(noon()), tmp_path, monkeypatch) as story:
            record = story.plan(await story.verified(zone))[0]
            story.lab.withdraw(record.host, "TXT")
            await story.look(zone, hours=6)
            assert (await story.look(zone, minutes=11)).dkim.state is HealthState.AT_RISK
            assert (await story.world.deps.store.count_all_statuses())["TEMPORARY_FAILURE"] == 1
    for each in logs:
        told.entry(each)
    told.proves("domains-at-risk")
