"""P18: SIGTERM under load cuts no response, and what was only leased goes back to the queue.

With a socket that another process holds, as systemd's socket units do, a restart refuses nobody either.
"""

import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Figures
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.processes import free_port, program
from tests.rigs.waiting import is_within, until

CLIENTS, KEEPING = 6, 4  # clients that connect for each request, and that keep their connection
OWED = "SELECT count(*) FROM domains WHERE lease_owner IS NOT NULL"
DUE = "SELECT count(*) FROM domains WHERE next_check_at IS NOT NULL"
NOT_TAKEN = {"refused", "not answered"}


class Load:
    """Adds domains, each over a new connection, until refused; or until told, with clients beside that keep theirs."""

    def __init__(self, serving: Serving, key: str, name: str = "c", *, until_refused: bool = True) -> None:
        host, port = serving.url.removeprefix("http://").split(":")
        self._where, self._key, self._name, self._until_refused = (host, int(port)), key, name, until_refused
        self.fates: Counter[str] = Counter()
        self.acked: set[str] = set()
        self.unanswered: set[str] = set()
        self._over = threading.Event()
        keeping = 0 if until_refused else KEEPING
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        self._threads += [threading.Thread(target=self._keep) for _ in range(keeping)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """End the load, and wait for the last client."""
        if not self._until_refused:
            self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, client: int) -> None:
        for number in range(100_000):
            sender = f"{self._name}{client}-{number}.test"
            if self._over.is_set() or (self._note(sender, self._fate(sender)) == "refused" and self._until_refused):
                return

    def _keep(self) -> None:
        """Ask over one connection until the service says that it closes it; mostly it is between two requests."""
        request = b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n"
        while not self._over.is_set():
            with socket.create_connection(self._where, timeout=60) as connection:
                closes = False
                while not closes and not self._over.is_set():
                    fate, closes = self._exchange(connection, request)
                    self.fates[fate] += 1

    def _note(self, sender: str, fate: str) -> str:
        self.fates[fate] += 1
        if fate == "200":
            self.acked.add(sender)
        elif fate in NOT_TAKEN:
            self.unanswered.add(sender)
        return fate

    def _request(self, sender: str) -> bytes:
        body = f'{{"sender":"{sender}"}}'
        head = (
            f"POST /domains HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self._key}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return (head + body).encode()

    def _fate(self, sender: str) -> str:
        """Say how one request ended: by its status, not taken, not answered at all, or cut."""
        try:
            connection = socket.create_connection(self._where, timeout=60)
        except OSError:
            return "refused"  # nobody took it: the client knows that nothing happened
        with connection:
            return self._exchange(connection, self._request(sender))[0]

    def _exchange(self, connection: socket.socket, request: bytes) -> tuple[str, bool]:
        """Send a request and read one response: how it ended, and whether the connection ends with it."""
        answer, length = b"", None
        try:
            connection.sendall(request)
            while length is None or len(answer) < length:
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
                length = _length(answer)
        except OSError as error:
            return (f"cut ({type(error).__name__})" if answer else "not answered"), True
        if not answer:
            return "not answered", True
        whole = length is not None and len(answer) == length
        closes = b"connection: close" in answer.partition(b"\r\n\r\n")[0]
        return (answer[9:12].decode() if whole else "cut (half)"), closes


def _length(answer: bytes) -> int | None:
    """Say how long a response is, head and body together; nothing while its head is not whole."""
    head, end, _ = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
    return len(head) + len(end) + int(lengths[0].split()[1]) if end and lengths else None


@pytest.fixture
def installation(tmp_path: Path, lab: DnsLab) -> Installation:
    """Set an installation up that asks the lab's DNS."""
    made = Installation(
        tmp_path, KEY_POOL="1", RATE_LIMIT="10000/s burst 20000", DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port), CHECK_TIMEOUT_SECONDS="3",
    )  # fmt: skip
    migrated = made.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    return made


@pytest.mark.timeout(600)
def test_sigterm_cuts_no_reply(installation: Installation, size: int, figures: Figures) -> None:
    """Stopped under load again and again: a request has its whole response, or nothing came of it.

    The port is closed with the process: who connects then is refused, and who was in the kernel's queue is reset.
    """
    installation.stock(400 * size)
    fates, took = Counter[str](), list[float]()
    for run in range(size):
        serving = installation.serve("--no-worker")
        load = Load(serving, serving.open_account(), f"r{run}c")
        until(lambda: len(load.acked) >= 2 * CLIENTS)  # noqa: B023 asked at once
        began = time.monotonic()
        assert serving.stop() == 0
        took.append(time.monotonic() - began)
        load.join()
        fates += load.fates
        added = kept(installation, "SELECT sender FROM domains")
        assert added >= load.acked
        assert not added & load.unanswered
    cut = {fate: number for fate, number in fates.items() if fate not in ("200", *NOT_TAKEN)}
    figures(
        stops=size, answered=fates["200"], cut=sum(cut.values()), not_answered=fates["not answered"],
        stopped_within_s=f"{max(took):.1f}",
    )  # fmt: skip
    assert fates["200"] > size
    assert not cut
    assert is_within(max(took), 15)


@pytest.mark.timeout(120)
def test_restarts_refuse_nobody(installation: Installation, size: int, figures: Figures) -> None:
    """Restarted under load while another process holds the socket: no client is refused, none is cut, each waits."""
    restarts = max(3, size // 3)
    installation.stock(400 * restarts)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        serving = installation.serve("--no-worker", listener=listener)
        load = Load(serving, serving.open_account(), until_refused=False)
        for _ in range(restarts):
            wanted = len(load.acked) + 20
            until(lambda: len(load.acked) > wanted)  # noqa: B023 asked at once
            assert serving.stop() == 0
            serving = installation.serve("--no-worker", listener=listener)
        load.join()
        assert serving.stop() == 0
    figures(
        restarts=restarts, answered=load.fates["200"], others=dict(load.fates - Counter({"200": load.fates["200"]}))
    )
    assert set(load.fates) == {"200"}
    assert kept(installation, "SELECT sender FROM domains") >= load.acked


@pytest.mark.parametrize("two", [False, True], ids=["one socket", "two sockets"])
def test_under_systemd_s_own_launcher(installation: Installation, two: bool) -> None:
    """`systemd-socket-activate` starts the service at the first connection, which is answered like all others."""
    with activated(installation, 2 if two else 1) as urls:
        for url in urls:
            serving = Serving(None, url)  # type: ignore[arg-type]
            with serving.operator() as client:
                assert client.get("/accounts").status_code == 200


@contextmanager
def activated(installation: Installation, sockets: int) -> Iterator[list[str]]:
    """Has systemd's launcher listen, which becomes the service."""
    ports = [free_port("127.0.0.1") for _ in range(sockets)]
    words = [word for port in ports for word in ("-l", f"127.0.0.1:{port}")]
    names = [word for name, value in installation.settings.items() for word in ("-E", f"{name}={value}")]
    launcher = [program("setpriv"), "--pdeathsig=KILL", program("systemd-socket-activate"), *words, *names]
    process = subprocess.Popen([*launcher, installation.command, "serve", "--no-worker"])
    try:
        until(lambda: all(connects(port) for port in ports))
        yield [f"http://127.0.0.1:{port}" for port in ports]
    finally:
        process.terminate()
        assert process.wait(40) == 0


def connects(port: int) -> bool:
    """Say whether somebody listens."""
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def kept(installation: Installation, statement: str) -> set[Any]:
    """Read a column of the database that nobody has open."""
    with closing(sqlite3.connect(installation.folder / "letterhead.db")) as connection:
        return {row[0] for row in connection.execute(statement)}


def test_leases_go_back(installation: Installation, lab: DnsLab, figures: Figures) -> None:
    """Stopped with checks under way that nobody answers: they end, and no domain stays leased or is forgotten."""
    installation.stock(40)
    with lab.ns1.server.frozen():
        serving = installation.serve()
        with serving.client(serving.open_account()) as client:
            for number in range(30):
                assert client.post("/domains", json={"sender": f"d{number}.test"}).status_code == 200
        until(lambda: leased(installation) > 0)
        before = leased(installation)
        assert serving.stop() == 0
    figures(leased_before=before, leased_after=leased(installation))
    assert leased(installation) == 0
    assert kept(installation, DUE) == {30}


def leased(installation: Installation) -> int:
    """Count the leases that are in the database."""
    return int(next(iter(kept(installation, OWED))))
