"""P22: what one account does costs no other: abusers of every kind at once, beside an account that works as usual."""

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.faults import promises
from tests.faults.conftest import Figures
from tests.rigs import slow_dns, webhook_receiver
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.signing import OWN
from tests.rigs.waiting import is_within, until
from tests.rigs.webhook_receiver import Ledger

SLOW, LATE = "127.0.0.77", 1.6  # the address of the abuser's name server, and how many seconds it takes
STRANGERS = "127.0.0.78"  # where they connect from
NAMES_OF_A_ZONE = 20  # unproven names below one zone are few
SECONDS, MEGABYTES = 2.0, 150  # what the promise allows
DESCRIPTORS = 1024  # what systemd gives by default


@dataclass
class Abuser:
    """One account that takes what it can get, with as many threads as it likes."""

    serving: Serving
    over: threading.Event
    key: str = ""
    threads: list[threading.Thread] = field(default_factory=list)
    held: list[socket.socket] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.key = self.serving.open_account(domains=100_000)

    def again_and_again(self, act: Callable[[httpx2.Client], object], threads: int = 1) -> None:
        """Do something as often as it can until all is over, whatever is answered."""

        def work() -> None:
            with self.serving.client(self.key) as client:
                while not self.over.is_set():
                    with contextlib.suppress(httpx2.HTTPError):
                        act(client)
                    self.asked += 1
                    time.sleep(0.02)  # the rate of an account allows no more, and this machine is the clients' too

        for _ in range(threads):
            self.threads.append(threading.Thread(target=work, daemon=True))
            self.threads[-1].start()

    def hold(self, path: str) -> None:
        """Ask for something over a connection of its own, and never read."""
        host, port = self.serving.url.removeprefix("http://").split(":")
        self.held.append(made := socket.socket())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.settimeout(10)
        made.bind((STRANGERS, 0))
        time.sleep(0.005)  # the queue of connections that nobody has accepted yet is one for all
        with contextlib.suppress(OSError):
            made.connect((host, int(port)))
            made.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode())


@dataclass
class Customer:
    """The account that works as usual, and how long each thing took for it."""

    serving: Serving
    lab: DnsLab
    zone: str
    receiver: Ledger
    took: dict[str, list[float]] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        self.client = self.serving.client(self.serving.open_account())
        self.client.post("/webhooks", json={"webhook": self.receiver.url, "events": ["*"]}).raise_for_status()
        self.add("first")
        self.page = self.client.post(f"/domains/first.{self.zone}/setup-links").json()["url"]

    def add(self, label: str) -> str:
        """Publish the key of a name, add the name, and wait until it may send."""
        sender = f"{label}.{self.zone}"
        strings = " ".join(f'"{OWN.record[at : at + 200]}"' for at in range(0, len(OWN.record), 200))
        self.lab.publish(f"s._domainkey.{sender}", "TXT", strings)
        wanted = {"sender": sender, "selector": "s", "privateKey": OWN.pem.decode()}
        began, at = time.monotonic(), time.time()
        assert self.client.post("/domains", json=wanted).status_code == 200
        until(lambda: self.client.get(f"/domains/{sender}").json()["status"] == "SUCCESS")
        self.took.setdefault("check", []).append(time.monotonic() - began)
        until(lambda: self.told_of(sender))
        self.took.setdefault("delivery", []).append(self.told_of(sender)[0] - at)
        return sender

    def told_of(self, sender: str) -> list[float]:
        """List when the receiver was told of a name."""
        return [each.at for each in self.receiver.received if sender.encode() in each.body]

    def work(self) -> None:
        """Do one of each thing."""
        self.number += 1
        self.add(f"n{self.number}")
        for name, path in (("list", "/domains"), ("page", self.page)):
            self._timed(name, lambda path=path: self.client.get(path).status_code == 200)  # type: ignore[misc]

    def _timed(self, name: str, act: Callable[[], bool]) -> None:
        began = time.monotonic()
        assert act(), name
        self.took.setdefault(name, []).append(time.monotonic() - began)


@contextlib.contextmanager
def abused(serving: Serving, slow: Ledger, zones: list[str], size: int) -> Iterator[dict[str, Abuser]]:
    """Let one abuser of each kind begin, and go on until the block ends."""
    over = threading.Event()
    names, hooks, adder, reader, watcher = (Abuser(serving, over) for _ in range(5))
    try:
        wanted = {"selector": "s", "privateKey": OWN.pem.decode()}
        with serving.client(names.key) as client:
            for number in range(size):
                sender = f"x{number // len(zones)}.{zones[number % len(zones)]}"
                while client.post("/domains", json={"sender": sender, **wanted}).status_code == 429:
                    time.sleep(0.1)
        with serving.client(reader.key) as client:
            for number in range(min(size, 1000)):
                client.post("/domains", json={"sender": f"r{number}.many.test", "startVerification": False, **wanted})
        with serving.client(hooks.key) as client:
            ask = [{"webhook": f"{slow.url}&n={number}", "events": ["*"]} for number in range(20)]
            made = [client.post("/webhooks", json=each).json() for each in ask]
        assert all("id" in each for each in made), made
        tests = [f"/webhooks/{each['id']}/test" for each in made]
        hooks.again_and_again(lambda client: [client.post(path) for path in tests])
        adder.again_and_again(
            lambda client: [
                client.post("/domains", json={"sender": "add.gone.test", "startVerification": False, **wanted}),
                client.delete("/domains/add.gone.test"),
            ]
        )
        reader.again_and_again(lambda client: client.get("/domains?refresh=true"), threads=8)
        reader.again_and_again(lambda client: client.get("/domains?expand=health"), threads=4)
        reader.again_and_again(lambda client: client.get("/domains?q=r"), threads=2)
        with serving.client(watcher.key) as client:
            client.post("/domains", json={"sender": "watched.test", **wanted})
            links = [client.post("/domains/watched.test/setup-links") for _ in range(60)]
        for link in links:
            if link.is_success:
                for _ in range(20):
                    watcher.hold(f"/setup/{link.json()['url'].rsplit('/', 1)[1]}/news")
        for _ in range(20):
            reader.hold("/domains")
        yield {"names": names, "hooks": hooks, "adder": adder, "reader": reader, "watcher": watcher}
    finally:
        over.set()
        for each in (names, hooks, adder, reader, watcher):
            for thread in each.threads:
                thread.join(60)
            for held in each.held:
                held.close()


def memory(serving: Serving) -> float:
    """Say how many megabytes the process has in memory."""
    status = Path(f"/proc/{serving.process.pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def descriptors(serving: Serving) -> int:
    """Count the descriptors that the process has open."""
    return sum(1 for _ in Path(f"/proc/{serving.process.pid}/fd").iterdir())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_abusers_cost_no_other_account_anything(
    request: pytest.FixtureRequest, tmp_path: Path, lab: DnsLab, figures: Figures, database: str
) -> None:
    """With all of them at work, a first check, a delivery, a list and a page of another account take what they took."""
    size = promises.size("P22")
    more = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if database == "postgres" else {}
    installation = Installation(
        tmp_path, DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}", DNS_AUTHORITATIVE_PORT=f"{lab.authoritative_port}",
        WEBHOOKS_ALLOW_HTTP="true", WEBHOOKS_ALLOW_PRIVATE="true", **more,
    )  # fmt: skip
    assert installation.run("migrate", "--new").returncode == 0
    port = lab.authoritative_port
    with (
        slow_dns.running(SLOW, port, lab.ns2.address, port, LATE),
        webhook_receiver.running() as quick,
        webhook_receiver.running() as slow,
        installation.serving() as serving,
    ):
        zones = [f"{database}-late{number}.test" for number in range(size // NAMES_OF_A_ZONE)]
        for zone in zones:
            lab.ns2.add(zone, f"@ NS ns.{zone}.")
            lab.hand_over(zone, f"ns.{zone}", SLOW)
        customer = Customer(serving, lab, lab.zone(f"{database}-quiet.test"), quick)
        for _ in range(3):
            customer.work()
        alone, before = {name: max(took) for name, took in customer.took.items()}, memory(serving)
        customer.took.clear()
        slow.pause = 5.0
        with abused(serving, slow, zones, size) as abusers:
            for _ in range(max(10, size // 50)):
                customer.work()
            grown, used = memory(serving) - before, descriptors(serving)
            asked = {name: each.asked for name, each in abusers.items()}
        customer.client.close()
        worst = {name: max(took) for name, took in customer.took.items()}
    figures(
        database=database, names=size, asked=asked, memory=f"+{grown:.0f} MB", descriptors=used,
        seconds={name: f"{statistics.median(took):.2f}, worst {max(took):.2f}" for name, took in customer.took.items()},
        alone={name: f"{took:.2f}" for name, took in alone.items()},
    )  # fmt: skip
    assert all(is_within(took, SECONDS) for took in worst.values()), worst
    assert grown < MEGABYTES
    assert used < DESCRIPTORS
