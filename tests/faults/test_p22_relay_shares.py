"""P22: thousands of messages of one account delay no other's, and never take the room that the database needs."""

import contextlib
import os
import smtplib
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_relay import Running, installed, relaying
from tests.faults import promises
from tests.faults.conftest import Figures
from tests.relay.world import submit
from tests.rigs import signing, smtp
from tests.rigs.dns_lab import DnsLab
from tests.rigs.waiting import is_within, until

CLIENTS, PLACES, OTHERS = 4, 8, 20
SECONDS = 2.0  # within which another account's message is handed on (docs/reliability.md, P22)


def flood(running: Running, sender: str, messages: int, content: bytes) -> list[tuple[int, bytes]]:
    """Send so many messages of one account over a few connections, and return each last reply."""
    replies: list[tuple[int, bytes]] = []

    def send(number: int) -> None:
        with smtplib.SMTP("127.0.0.1", running.port, timeout=60) as client:
            client.ehlo()
            client.login("flood", running.key)
            for _ in range(number):
                code, said = client.mail(f"app@{sender}")
                if code == 250:
                    client.rcpt("you@receiver.test")
                    code, said = client.data(content)
                else:
                    client.rset()
                replies.append((code, said))

    threads = [threading.Thread(target=send, args=(messages // CLIENTS,)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def other_account(running: Running, zone: str) -> Running:
    """Open another account of the same installation, with a domain that is proven."""
    key = running.key
    other = Running(running.installation, running.serving, running.lab, running.apart)
    assert other.key != key
    other.prove(zone)
    return other


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_newsletter_delays_no_password_mail(
    request: pytest.FixtureRequest, tmp_path: Path, lab: DnsLab, figures: Figures, database: str
) -> None:
    """With one account's messages waiting, each message of another is among the next few that are handed on."""
    size = promises.size("P22-relay")
    more = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if database == "postgres" else {}
    theirs, ours = lab.zone(f"{database}-flood.test"), lab.zone(f"{database}-calm.test")
    with (
        smtp.running(None, sign_in=False) as ledger,
        relaying(installed(tmp_path, lab, ledger, **more), lab) as running,
    ):
        running.prove(theirs)
        other = other_account(running, ours)
        ledger.pause = 0.5  # eight places: sixteen messages a second
        flood(running, theirs, size, signing.message(theirs, 1))
        assert len(running.waiting()) > size // 2
        behind, took = list[int](), list[float]()
        for number in range(OTHERS):
            before, began = len(ledger.taken), time.monotonic()
            assert submit(other.port, other.key, signing.message(ours, number), sender=f"app@{ours}")[-1][0] == 250
            until(lambda: any(each.octets.count(ours.encode()) for each in ledger.taken[before:]))  # noqa: B023
            took.append(time.monotonic() - began)
            at = next(i for i, each in enumerate(ledger.taken[before:]) if each.octets.count(ours.encode()))
            behind.append(at)
        ledger.pause = 0
    figures(database=database, messages=size, most_before_it=max(behind), slowest=f"{max(took):.2f} s")
    assert max(behind) <= 2 * PLACES
    assert is_within(max(took), SECONDS)


@contextlib.contextmanager
def small_disk(folder: Path, octets: int) -> Iterator[Path]:
    """Mount a small disk."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={octets}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_the_database_goes_on_where_mail_fills_the_disk(tmp_path: Path, lab: DnsLab, figures: Figures) -> None:
    """Queue and database on one small disk, and no smart host: mail is refused for now, and domains are added."""
    theirs = lab.zone("filling.test")
    with smtp.running(None, sign_in=False) as ledger:
        ledger.mood = smtp.Mood.CLOSED
        with small_disk(tmp_path / "disk", 60_000_000) as disk:
            installation = installed(
                tmp_path, lab, ledger, DATA_DIR=str(disk), DISK_RESERVE_MB="20", KEY_POOL="4", RELAY_ACCOUNT_MB="500"
            )
            with relaying(installation, lab) as running:
                running.prove(theirs)
                large = signing.message(theirs, 1) + (b"x" * 70 + b"\r\n") * 25_000
                replies = flood(running, theirs, 60, large)
                codes = [code for code, _ in replies]
                left = os.statvfs(disk)
                with running.serving.client(running.key) as client:
                    added = [client.post("/domains", json={"sender": f"x{n}.test"}).status_code for n in range(10)]
                    (disk / "ballast").write_bytes(bytes(5_000_000))  # the reserve itself is used now
                    ready = client.get("/readyz").text
    figures(taken=codes.count(250), refused=codes.count(452), free=f"{left.f_bavail * left.f_frsize / 1e6:.0f} MB")
    assert set(codes) == {250, 452}
    assert left.f_bavail * left.f_frsize > 15_000_000
    assert added == [200] * 10
    assert "relay queue" in ready
    assert "make room" in ready
