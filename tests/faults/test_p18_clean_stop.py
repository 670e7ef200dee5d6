"""P18: SIGTERM under load cuts no reply, and what was only leased goes back to the queue."""

import socket
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Figures
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.waiting import is_within, until

CLIENTS = 6
OWED = "SELECT count(*) FROM domains WHERE lease_owner IS NOT NULL"
DUE = "SELECT count(*) FROM domains WHERE next_check_at IS NOT NULL"


class Load:
    """Asks again and again, each time over a new connection, until nobody listens any more."""

    def __init__(self, serving: Serving, key: str) -> None:
        host, port = serving.url.removeprefix("http://").split(":")
        self._where, self._key = (host, int(port)), key
        self.fates: Counter[str] = Counter()
        self.acked: set[str] = set()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Waits for the last client."""
        for thread in self._threads:
            thread.join(60)

    def _ask(self, client: int) -> None:
        for number in range(100_000):
            sender = f"c{client}-{number}.test"
            fate = self._fate(sender)
            self.fates[fate] += 1
            if fate == "200":
                self.acked.add(sender)
            elif fate == "refused":
                return

    def _fate(self, sender: str) -> str:
        """Says how one request ended: by its status, not taken at all, or cut."""
        body = f'{{"sender":"{sender}"}}'
        head = (
            f"POST /domains HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self._key}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            connection = socket.create_connection(self._where, timeout=20)
        except OSError:
            return "refused"  # nobody took it: the client knows that nothing happened
        with connection:
            return self._answer(connection, (head + body).encode())

    def _answer(self, connection: socket.socket, request: bytes) -> str:
        answer = b""
        try:
            connection.sendall(request)
            while piece := connection.recv(65536):
                answer += piece
        except OSError as error:
            return f"cut ({type(error).__name__})"
        head, _, body = answer.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        whole = lengths and len(body) == int(lengths[0].split()[1])
        return head[9:12].decode() if whole else "cut (half)"


@pytest.fixture
def installation(tmp_path: Path, lab: DnsLab) -> Installation:
    """Sets an installation up that asks the lab's DNS."""
    made = Installation(
        tmp_path, KEY_POOL="1", RATE_LIMIT="10000/s burst 20000", DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port), CHECK_TIMEOUT_SECONDS="3",
    )  # fmt: skip
    migrated = made.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    return made


@pytest.mark.timeout(600)
def test_sigterm_cuts_no_reply(installation: Installation, size: int, figures: Figures) -> None:
    """Stopped under load again and again: whoever was let in has a whole reply, and what was acknowledged is there."""
    installation.stock(400 * size)
    fates, took = Counter[str](), list[float]()
    for _ in range(size):
        serving = installation.serve("--no-worker")
        load = Load(serving, serving.open_account())
        until(lambda: len(load.acked) >= 2 * CLIENTS)  # noqa: B023 asked at once
        began = time.monotonic()
        assert serving.stop() == 0
        took.append(time.monotonic() - began)
        load.join()
        fates += load.fates
        assert kept(installation, "SELECT sender FROM domains") >= load.acked
    cut = {fate: number for fate, number in fates.items() if fate not in ("200", "refused")}
    figures(stops=size, answered=fates["200"], cut=sum(cut.values()), stopped_within_s=f"{max(took):.1f}")
    assert fates["200"] > size
    assert not cut
    assert is_within(max(took), 15)


def kept(installation: Installation, statement: str) -> set[Any]:
    """Reads a column of the database that nobody has open."""
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
    """Counts the leases that are in the database."""
    return int(next(iter(kept(installation, OWED))))
