"""P16: a full disk is told honestly. Where we are root the disk is a small tmpfs, else a limit on the size of files."""

import os
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.faults.conftest import Figures
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.waiting import CEILING, is_within, until

MB = 1024 * 1024
DISK = 12 * MB
RESUMES = 5.0  # seconds
FULL_WORDS = re.compile("the disk of the database is full|refuses writes")
Full = Callable[[Serving], None]


class Disk:
    """The data folder, and the disk that it lies on, which can be filled."""

    def __init__(self, folder: Path, how: str) -> None:
        self.folder, self.how = folder, how

    def fill(self, serving: Serving) -> None:
        """Leave no room for another octet."""
        if self.how == "tmpfs":
            with (self.folder / "ballast").open("wb", buffering=0) as ballast:
                fill_up(ballast.write)
        else:
            held = max(each.stat().st_size for each in self.folder.iterdir())
            self._limit(serving, max(4096, min(held, self._log(serving))))

    def free(self, serving: Serving) -> None:
        """Return the room back."""
        if self.how == "tmpfs":
            (self.folder / "ballast").unlink()
        else:
            self._limit(serving, resource.RLIM_INFINITY)

    def _log(self, serving: Serving) -> int:
        return (self.folder / "letterhead.db-wal").stat().st_size

    def _limit(self, serving: Serving, size: int) -> None:
        resource.prlimit(serving.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fill_up(write: Callable[[bytes], int]) -> None:
    """Write until nothing fits any more, at last octet by octet."""
    for piece in (MB, 4096, 1):
        try:
            while write(bytes(piece)):
                pass
        except OSError:
            continue


@contextmanager
def small(folder: Path) -> Iterator[Path]:
    """Mount a small disk."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=["tmpfs", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """Return a disk; without root there is no tmpfs, and the limit alone is what is shown."""
    if request.param == "tmpfs" and os.geteuid() == 0:
        with small(tmp_path / "disk") as folder:
            yield Disk(folder, "tmpfs")
    else:
        (tmp_path / "disk").mkdir()
        yield Disk(tmp_path / "disk", "limit")


def test_a_full_disk_is_told_and_got_over(disk: Disk, tmp_path: Path, figures: Figures) -> None:
    """Reads go on, writes say `storage-unavailable` and never 2xx; all goes on within 5 s when there is room again."""
    installation = Installation(tmp_path, DATA_DIR=str(disk.folder), KEY_POOL="1", DNS_RESOLVERS="127.0.0.1:9")
    assert installation.run("migrate").returncode == 0
    installation.stock(400)
    with installation.serving("--no-worker") as serving:
        key = serving.open_account()
        with serving.client(key) as client:
            added = {name(number) for number in range(5) if add(client, number).status_code == 200}
            disk.fill(serving)
            refused = [add(client, number) for number in range(100, 160)]
            added |= {name(number) for number, each in enumerate(refused, 100) if each.status_code == 200}
            told = {each.json()["error"]["code"] for each in refused if each.status_code != 200}
            assert senders(client) == added
            assert refused[-1].status_code == 503
            until(lambda: readiness(client)[0] == 503)
            told_ready = readiness(client)[1]
            assert FULL_WORDS.search(told_ready["store"]["detail"]), told_ready
            installation.settings["LETTERHEAD_BIND"] = serving.url.removeprefix("http://")
            doctor = installation.run("doctor").stdout
            assert "\nno   store " in doctor, doctor
            disk.free(serving)
            waited = until_added(client)
            assert senders(client) == added | {name(200)}
            until(lambda: readiness(client)[0] == 200)
        shown = again(serving, key)
    assert {each["sender"] for each in shown} == added | {name(200)}
    assert all(each["privateDKIMKey"] for each in shown)
    figures(refused=sum(each.status_code == 503 for each in refused), resumed_after_s=f"{waited:.2f}", how=disk.how)
    assert told == {"storage-unavailable"}
    assert is_within(waited, RESUMES)
    assert str(disk.folder) not in "".join(each.text for each in refused)
    assert "private-key.withheld" in installation.logs()
    assert "request.broken" not in installation.logs()


def readiness(client: httpx2.Client) -> tuple[int, dict[str, dict[str, str]]]:
    """Ask whether the service is ready."""
    answer = client.get("/readyz")
    parts: dict[str, dict[str, str]] = answer.json()
    return answer.status_code, parts


def name(number: int) -> str:
    """Name a domain."""
    return f"d{number}.test"


def add(client: httpx2.Client, number: int) -> httpx2.Response:
    """Add a domain."""
    return client.post("/domains", json={"sender": name(number)})


def senders(client: httpx2.Client) -> set[str]:
    """Read the domains."""
    answer = client.get("/account")
    assert answer.status_code == 200
    listed = client.get("/domains", params={"limit": 500})
    assert listed.status_code == 200, listed.text
    return {each["sender"] for each in listed.json()}


def again(serving: Serving, key: str) -> list[dict[str, object]]:
    """Read the domains with their keys."""
    with serving.client(key) as client:
        found: list[dict[str, object]] = client.get("/domains").json()
        return found


def until_added(client: httpx2.Client) -> float:
    """Say after how long a write is taken again."""
    began = time.monotonic()
    while add(client, 200).status_code != 200:
        assert time.monotonic() - began < CEILING, "writes do not go on"
        time.sleep(0.05)
    return time.monotonic() - began
