"""P21: what the relay answered 250 to arrives, though it is killed again and again: at least once, rarely twice."""

import smtplib
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.test_relay import Running, installed, relaying
from tests.faults.conftest import Figures
from tests.rigs import signing, smtp
from tests.rigs.dns_lab import DnsLab
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until

CLIENTS = 3


class Load:
    """Sends message after message over few connections until the relay is gone; notes which it said 250 to."""

    def __init__(self, running: Running, sender: str, name: str) -> None:
        self._running, self._sender, self._name = running, sender, name
        self.acked: set[str] = set()
        self.refused: list[str] = []
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the last client."""
        for thread in self._threads:
            thread.join(30)

    def _send(self, client: int) -> None:
        try:
            with smtplib.SMTP("127.0.0.1", self._running.port, timeout=20) as connection:
                connection.ehlo()
                connection.login("load", self._running.key)
                for number in range(100_000):
                    self._one(connection, f"{self._name}-{client}-{number}")
        except (OSError, smtplib.SMTPException):  # it is gone
            return

    def _one(self, connection: smtplib.SMTP, name: str) -> None:
        text = signing.MESSAGE.format(sender=self._sender, number=name).encode() + (b"x" * 70 + b"\r\n") * 30
        connection.mail(f"app@{self._sender}")
        connection.rcpt("you@receiver.test")
        code, said = connection.data(text)
        if code == 250:
            self.acked.add(name)
        else:
            self.refused.append(f"{code} {said!r}")


def arrived(ledger: Ledger) -> Counter[str]:
    """Count what the smart host took, by the messages' names."""
    return Counter(str(each.message["Subject"]).removeprefix("Number ") for each in ledger.taken)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_kill_9_of_the_relay_loses_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, lab: DnsLab, zone: str, size: int, figures: Figures, database: str
) -> None:
    """Killed in the middle of receiving and of handing on: every message with a 250 arrives, each verifies."""
    more = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if database == "postgres" else {}
    acked, refused, kills = set[str](), list[str](), size if database == "postgres" else max(3, size // 3)
    with smtp.running(None, sign_in=False) as ledger:
        ledger.pause = 0.02
        with relaying(installed(tmp_path, lab, ledger, **more), lab) as running:
            running.prove(zone)
            for kill in range(kills):
                load = Load(running, zone, f"k{kill}")
                until(lambda: len(load.acked) > 2 + kill % 5)  # noqa: B023
                time.sleep(0.013 * (kill % 7))
                running.kill()
                load.join()
                acked, refused = acked | load.acked, refused + load.refused
                running.again()
            until(lambda: not running.waiting(), 60)
        got = arrived(ledger)
    twice = sum(number - 1 for number in got.values())
    figures(kills=kills, acknowledged=len(acked), lost=len(acked - got.keys()), twice=twice, database=database)
    assert not refused
    assert len(acked) > kills
    assert not acked - got.keys()
    assert twice <= 20 * kills  # of each kill at most what was under way
    assert len({each.message["Message-ID"] for each in ledger.taken}) == len(got)
    assert all(signing.verifies(lab, each.octets) for each in ledger.taken[::50])
