"""P17: with a wrong key-encryption key the service refuses to start within a second, names the key, writes nothing."""

import base64
import resource
from hashlib import sha256
from pathlib import Path

import pytest

from tests.faults.conftest import Figures
from tests.rigs.letterhead import Installation

SAME_NAME, OTHER_NAME = (f"{name}:" + base64.b64encode(bytes(range(1, 33))).decode() for name in ("k1", "k2"))
SECONDS = 2.0  # of processor time, Python's start included: 0.6 on a quiet machine, and a busy neighbour doubles it


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """Return an installation that has sealed something with another key."""
    where = {} if request.param == "sqlite" else {"DATABASE_URL": request.getfixturevalue("postgres_url")}
    made = Installation(tmp_path, KEY_POOL="1", DNS_RESOLVERS="127.0.0.1:9", **where)
    assert made.run("migrate").returncode == 0
    with made.serving("--no-worker") as serving:
        serving.open_account()
    return made


def written(folder: Path) -> dict[str, bytes]:
    """Digest the files of the database."""
    files = (path for path in folder.glob("letterhead.db*") if path.suffix != ".lock")  # which says who looked last
    return {path.name: sha256(path.read_bytes()).digest() for path in files}


def used() -> float:
    """Say how long the children that have ended ran."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


@pytest.mark.timeout(600)
def test_a_wrong_key_is_refused(installation: Installation, figures: Figures) -> None:
    """Whatever is started ends at once, says which key it lacks, and has changed nothing."""
    before, took = written(installation.folder), []
    for word, key in (("serve", SAME_NAME), ("serve", OTHER_NAME), ("worker", SAME_NAME)):
        installation.settings["LETTERHEAD_KEYS"], began = key, used()
        refused = installation.run(word, timeout=60)
        took.append(used() - began)
        assert refused.returncode > 0
        assert "[keyring-wrong]" in refused.stderr
        assert "k1" in refused.stderr
        assert "Traceback" not in refused.stderr
    figures(starts=len(took), seconds=f"{min(took):.2f} to {max(took):.2f}")
    assert written(installation.folder) == before
    assert min(took) < SECONDS
