"""A clock that jumps a year ahead and back: no process ends, and domains are looked at as ever once it is right."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.rigs.letterhead import Installation
from tests.rigs.postgres import Postgres
from tests.rigs.processes import DEBIAN
from tests.rigs.waiting import until

SOON = timedelta(days=2)


def clock_library() -> Path:
    """Find the library that turns the clock of a process, as ./dev unpacked it."""
    places = (DEBIAN.parent / "usr" / "lib", Path("/usr/lib"))
    return next(path for place in places for path in place.glob("*/faketime/libfaketime.so.1"))


@pytest.mark.timeout(300)
def test_a_clock_that_jumps_a_year_and_back(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server and worker go on through both jumps; what was planned for next year is planned anew."""
    turned = tmp_path / "clock"
    turned.write_text("+0d")
    for name, value in {
        "LD_PRELOAD": str(clock_library()),
        "FAKETIME_TIMESTAMP_FILE": str(turned),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():
        monkeypatch.setenv(name, value)
    installation = Installation(
        tmp_path, DATABASE_URL=postgres.url(postgres.create()), DNS_RESOLVERS="127.0.0.1:9", CHECK_TIMEOUT_SECONDS="1"
    )
    assert installation.run("migrate").returncode == 0
    with installation.serving("--no-worker") as serving:
        worker = installation.worker()
        with serving.client(serving.open_account()) as client:

            def next_check(name: str) -> datetime | None:
                found = client.get(f"/domains/{name}").json().get("nextCheckAt")
                return None if found is None else datetime.fromisoformat(found)

            def is_checked(name: str, year: datetime) -> bool:
                at = next_check(name)
                return at is not None and abs(at - year) < SOON

            assert client.post("/domains", json={"sender": "before.test"}).status_code == 200
            until(lambda: is_checked("before.test", datetime.now(UTC)))
            turned.write_text("+365d")
            assert client.post("/domains", json={"sender": "ahead.test"}).status_code == 200
            ahead = datetime.now(UTC) + timedelta(days=365)
            until(lambda: is_checked("ahead.test", ahead))
            until(lambda: is_checked("before.test", ahead))
            turned.write_text("+0d")
            assert client.post("/domains", json={"sender": "after.test"}).status_code == 200
            for name in ("before.test", "ahead.test", "after.test"):
                until(lambda name=name: is_checked(name, datetime.now(UTC)), 120)  # type: ignore[misc] # its own name
            until(lambda: client.get("/readyz").json()["worker"]["ok"])
        assert (serving.process.poll(), worker.process.poll()) == (None, None)
        assert worker.stop() == 0
    assert "Traceback" not in installation.logs()
