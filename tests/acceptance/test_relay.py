"""The relay as processes: on either database, over TLS, through real DNS, while keys change; what it writes down."""

import asyncio
import base64
import smtplib
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from letterhead.adapters import mail_queue
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import RecordId
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.operations import rotations
from letterhead.operations.rotations import NOTHING
from letterhead.relay import Listeners, run
from letterhead.wiring.assemble import Overrides
from tests.operations.test_real_dns import publish, record
from tests.operations.world import OPERATOR, Clock, World, noon, opened
from tests.relay.world import QUICK, parts_of, submit
from tests.rigs import signing, smtp
from tests.rigs.canary import Canary
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Process, Serving
from tests.rigs.processes import free_port
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until, until_async


class Running:
    """An installation with its relay, wherever that runs."""

    def __init__(self, installation: Installation, serving: Serving, lab: DnsLab, within: Process | None) -> None:
        self.installation, self.serving, self.lab, self.apart = installation, serving, lab, within
        self.key = serving.open_account()

    @property
    def port(self) -> int:
        """Say where the relay listens."""
        return int(self.installation.settings["LETTERHEAD_RELAY_BIND"].rsplit(":", 1)[1])

    def kill(self) -> None:
        """Kill the process that the relay runs in."""
        (self.apart or self.serving).kill()

    def again(self) -> None:
        """Start it again."""
        if self.apart:
            self.apart = self.installation.relay()
        else:
            self.serving = self.installation.serve()

    def prove(self, sender: str) -> None:
        """Add a domain, publish its records, and wait until all of it is verified."""
        with self.serving.client(self.key) as client:
            client.post("/domains", json={"sender": sender})
            told = client.get(f"/domains/{sender}").json()["verificationRecords"]
            for each in told.values():
                if each["recordType"] == "MX":
                    self.lab.publish(each["host"], "MX", f"{each['priority']} {each['recordValue']}.")
                else:
                    value = each["recordValue"]
                    self.lab.publish(each["host"], "TXT", f'"{value[:200]}" "{value[200:]}"')
            self.lab.flush()

            def is_verified() -> bool:
                checked = client.post(f"/domains/{sender}/check").json()
                return {checked["status"], checked.get("mailFromDomainStatus")} == {"SUCCESS"}

            until(is_verified)

    def private_key(self) -> rsa.RSAPrivateKey:
        """Read the key of the one domain."""
        with self.serving.client(self.key) as client:
            (domain,) = client.get("/domains").json()
        key = load_der_private_key(base64.b64decode(domain["privateDKIMKey"]), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    def waiting(self) -> list[Path]:
        """List the messages in the queue."""
        return list((self.installation.folder / "relay").glob("*.mail"))


@contextmanager
def relaying(installation: Installation, lab: DnsLab) -> Iterator[Running]:
    """Run API and relay: within one process on SQLite, side by side on Postgres."""
    assert installation.run("migrate").returncode == 0
    serving = installation.serve()
    running = Running(installation, serving, lab, None)
    try:
        if "LETTERHEAD_DATABASE_URL" in installation.settings:
            running.apart = installation.relay()
        yield running
    finally:
        if running.apart:
            running.apart.stop()
        running.serving.stop()


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Run a smart host that keeps what it gets."""
    with smtp.running(None, sign_in=False) as ledger:
        yield ledger


def installed(folder: Path, lab: DnsLab, ledger: Ledger, **more: str) -> Installation:
    """Set an installation up with a relay."""
    return Installation(
        folder, DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}", DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        MAIL_FROM_MX="bounces.operator.example", MAIL_FROM_SPF="ip4:192.0.2.0/24", RATE_LIMIT="1000/s burst 5000",
        RELAY_SMARTHOST=f"smtp://127.0.0.1:{ledger.port}", RELAY_SMARTHOST_STARTTLS="never", RELAY_HOST="relay.test",
        **{"RELAY_BIND": f"127.0.0.1:{free_port('127.0.0.1')}", **more},
    )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def running(request: pytest.FixtureRequest, tmp_path: Path, lab: DnsLab, ledger: Ledger) -> Iterator[Running]:
    """Run it on either database."""
    more = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if request.param == "postgres" else {}
    with relaying(installed(tmp_path, lab, ledger, **more), lab) as running:
        yield running


@pytest.mark.timeout(600)
def test_what_goes_through_verifies(running: Running, ledger: Ledger, zone: str) -> None:
    """Sent as an application does, each message arrives, verifies through real DNS, and bounces come to MAIL FROM."""
    running.prove(zone)
    canary = Canary([running.private_key()])
    ledger.mood = smtp.Mood.GREYLISTS
    submit(running.port, running.key, signing.message(zone, 99), sender=f"app+99@{zone}")
    until(lambda: list((running.installation.folder / "relay").glob("*.progress")))
    kept = b"".join(path.read_bytes() for path in (running.installation.folder / "relay").iterdir())
    assert b"this is the message number 99" in kept
    ledger.mood = smtp.Mood.WILLING
    for number in range(5):
        assert (
            submit(running.port, running.key, signing.message(zone, number), sender=f"app+{number}@{zone}")[-1][0]
            == 250
        )
    until(lambda: len(ledger.taken) == 5 and len(running.waiting()) == 1)
    for taken in ledger.taken:
        assert signing.verifies(running.lab, taken.octets), taken.octets.decode()
        assert not signing.verifies(running.lab, taken.octets.replace(b"Hello", b"Hullo"))
        assert not signing.verifies(running.lab, b"From: x@evil.test\r\n" + taken.octets)
        assert not signing.verifies(running.lab, b"Subject: x\r\n" + taken.octets)
    assert {each.sender for each in ledger.taken} == {f"app+{number}@lh.{zone}" for number in range(5)}
    code, said = submit(running.port, running.key, signing.message("elsewhere.test"))[-1]
    assert (code, said[:5]) == (550, b"5.7.1")
    log = running.installation.logs()
    seen = [log.encode(), kept, *(taken.octets for taken in ledger.taken)]
    assert [canary.hits(each) for each in seen] == [0] * len(seen)
    for event in ("relay.started", "message.accepted", "message.sent", "message.deferred", "message.refused"):
        assert event in log
    for secret in ("app+", "somebody@", "this is the message", running.key):
        assert secret not in log
    assert (running.apart or running.serving).stop() == 0
    assert "relay.stopped" in running.installation.logs()
    assert "Traceback" not in running.installation.logs()


def test_a_second_relay_on_one_queue_is_refused(tmp_path: Path, postgres_url: str, lab: DnsLab, ledger: Ledger) -> None:
    """It says whose the queue is, and what to do."""
    installation = installed(tmp_path, lab, ledger, DATABASE_URL=postgres_url)
    with relaying(installation, lab):
        other = Installation(tmp_path)
        other.settings = {**installation.settings, "LETTERHEAD_RELAY_BIND": f"127.0.0.1:{free_port('127.0.0.1')}"}
        refused = other.run("relay")
    assert refused.returncode == 2
    assert "in use by another process" in refused.stderr


def test_a_relay_that_can_not_be_is_refused(tmp_path: Path, lab: DnsLab, ledger: Ledger) -> None:
    """Beside the embedded database; with a certificate that does not load, or a folder that is none: by name."""
    installation = installed(tmp_path, lab, ledger)
    refused = installation.run("relay")
    assert (refused.returncode, "letterhead serve" in refused.stderr) == (2, True)
    (tmp_path / "x.pem").write_text("no certificate")
    more = {"RELAY_CERTIFICATE": str(tmp_path / "x.pem"), "RELAY_CERTIFICATE_KEY": str(tmp_path / "x.pem")}
    refused = installed(tmp_path, lab, ledger, **more).run("serve")
    assert (refused.returncode, "x.pem does not load" in refused.stderr) == (2, True)
    refused = installed(tmp_path, lab, ledger, RELAY_QUEUE=str(tmp_path / "x.pem" / "queue")).run("serve")
    assert (refused.returncode, "can't be opened: Not a directory" in refused.stderr) == (2, True)
    assert "Traceback" not in refused.stderr


@pytest.mark.timeout(600)
def test_over_tls(tmp_path: Path, lab: DnsLab, ledger: Ledger, zone: str) -> None:
    """Beyond this machine a key is taken over TLS alone: by STARTTLS, or from the first octet; both sign and send."""
    shown, secure = smtp.certificate(tmp_path), free_port("127.0.0.1")
    installation = installed(
        tmp_path, lab, ledger, RELAY_BIND=f"0.0.0.0:{free_port('127.0.0.1')}", RELAY_TLS_BIND=f"127.0.0.1:{secure}",
        RELAY_CERTIFICATE=str(shown.chain), RELAY_CERTIFICATE_KEY=str(shown.key),
    )  # fmt: skip
    with relaying(installation, lab) as running:
        running.prove(zone)
        trust = ssl.create_default_context(cafile=str(shown.chain))
        with smtplib.SMTP("localhost", running.port, timeout=20) as client:
            client.ehlo()
            assert not client.has_extn("auth")
            with pytest.raises(smtplib.SMTPNotSupportedError):
                client.login("x", running.key)
            assert client.docmd("AUTH", "PLAIN AHgAeA==")[0] == 538
            assert client.mail("a@b.test")[0] == 530
            client.starttls(context=trust)
            send(client, running.key, zone)
        with smtplib.SMTP_SSL("localhost", secure, timeout=20, context=trust) as client:
            send(client, running.key, zone)
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as plain:
            plain.recv(1000)
            plain.sendall(b"STARTTLS\r\n")
            plain.recv(1000)
            plain.sendall(b"EHLO this is no handshake\r\n")
            assert b"250" not in plain.recv(1000)
        until(lambda: len(ledger.taken) == 2)
    assert all("with ESMTPSA id" in str(each.message["Received"]) for each in ledger.taken)
    assert all(signing.verifies(lab, each.octets) for each in ledger.taken)
    assert "Traceback" not in installation.logs()


def send(client: smtplib.SMTP, key: str, zone: str) -> None:
    """Sign in and send a message."""
    client.login("letterhead", key)
    client.sendmail(f"app@{zone}", ["you@receiver.test"], signing.message(zone))


@pytest.mark.timeout(600)
async def test_no_message_fails_while_keys_change(lab: DnsLab, split_zone: str, tmp_path: Path, ledger: Ledger) -> None:
    """With servers that disagree, and messages that waited: each one verifies when it is sent, and once more later."""
    clock = Clock(noon())
    dns = {"DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}", "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port)}
    async with opened(tmp_path, Overrides(now=clock), **dns) as world:
        await world.add(split_zone)
        publish(lab, record(world, await world.domain(split_zone), RecordId.DKIM))
        lab.flush()
        assert (await world.look(split_zone)).dkim.state is HealthState.VERIFIED
        old = (await world.domain(split_zone)).selector
        with mail_queue.open_queue(tmp_path / "relay") as queue, socket.create_server(("127.0.0.1", 0)) as listener:
            stop, parts = asyncio.Event(), parts_of(queue, ledger)
            ears = Listeners(plain=listener, secure=None, context=None, reload=lambda: False)
            task = asyncio.create_task(run(world.deps, parts, QUICK, ears, stop))
            story = Story(world, clock, lab, ledger, split_zone, listener.getsockname()[1], tmp_path / "relay")
            try:
                await story.through(old)
            finally:
                stop.set()
                await task
                await parts.smart_host.close()
    assert story.failed == []
    assert min(story.signed.values()) >= 20
    assert len(story.signed) == 2


class Story:
    """Sends and verifies messages while keys change."""

    def __init__(
        self, world: World, clock: Clock, lab: DnsLab, ledger: Ledger, zone: str, port: int, queue: Path
    ) -> None:
        self.world, self.clock, self.lab, self.ledger, self.zone, self.port = world, clock, lab, ledger, zone, port
        self.queue = queue
        self.failed: list[str] = []
        self.signed: Counter[str] = Counter()

    async def send(self, number: int) -> None:
        """Send so many messages, verify them, and the one before them once more."""
        before = len(self.ledger.taken)
        for each in range(before, before + number):
            replies = await asyncio.to_thread(
                submit, self.port, self.world.key, signing.message(self.zone, each), sender=f"app@{self.zone}"
            )
            assert replies[-1][0] == 250
        await until_async(lambda: len(self.ledger.taken) >= before + number, 60)
        for taken in self.ledger.taken[max(0, before - 1) :]:
            selector = str(taken.message["DKIM-Signature"]).partition("s=")[2].partition(";")[0]
            self.signed[selector] += 1
            if not await asyncio.to_thread(signing.verifies, self.lab, taken.octets):
                self.failed.append(f"{self.clock()}: {selector}")

    async def look(self, *, minutes: int) -> Stage:
        """Turn the clock, look as a worker would, and say how far the change of keys is."""
        self.clock.turn(minutes=minutes)
        return rotation.stage(await self.world.look(self.zone))

    async def through(self, old: str) -> None:
        """Change the key with all the trouble of life."""
        world, lab, zone = self.world, self.lab, self.zone
        await self.send(5)
        await rotations.start(world.deps, world.account.id, zone, NOTHING, OPERATOR)
        new = record(world, await world.domain(zone), RecordId.DKIM_NEXT)
        await self.send(5)
        publish(lab, new, only=lab.ns1)
        assert await self.look(minutes=15) is Stage.WAITING
        await self.send(5)
        lab.publish(new.host, "TXT", f'"{new.value[:100]}" "{new.value[200:]}"', only=lab.ns2)  # a slip of the finger
        assert await self.look(minutes=15) is Stage.WAITING
        await self.send(5)
        publish(lab, new)
        lab.flush()
        assert await self.look(minutes=15) is Stage.SEEN
        self.ledger.mood = smtp.Mood.GREYLISTS  # these wait over the switch
        sending = asyncio.create_task(self.send(5))
        await until_async(lambda: len(list(self.queue.glob("*.progress"))) == 5)
        assert await self.look(minutes=10) is Stage.SWITCHED
        self.ledger.mood = smtp.Mood.WILLING
        while not sending.done():  # a second try may have met the greylist before, and waits for another time
            self.clock.turn(minutes=5)
            await asyncio.sleep(0.5)
        await sending
        assert self.signed[old] >= 20
        await self.send(20)
