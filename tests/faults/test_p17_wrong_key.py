"""P17: with a wrong key-encryption key the service refuses to start within a second, names the key, writes nothing."""

import base64
import resource
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from tests.faults.conftest import Figures
from tests.rigs.letterhead import Installation

WRONG = "k1:" + base64.b64encode(bytes(range(1, 33))).decode()
OTHER = "k2:" + base64.b64encode(bytes(range(1, 33))).decode()
SECONDS = 2.0  # of processor time, where a busy neighbour doubles it; the figure that is promised is 1


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """Gives an installation that has an account and a domain, sealed with another key."""
    where = {} if request.param == "sqlite" else {"DATABASE_URL": request.getfixturevalue("postgres_url")}
    made = Installation(tmp_path, KEY_POOL="1", DNS_RESOLVERS="127.0.0.1:9", **where)
    assert made.run("migrate").returncode == 0
    with made.serving("--no-worker") as serving, serving.client(serving.open_account()) as client:
        assert client.post("/domains", json={"sender": "acme.test"}).status_code == 200
    return made


def written(folder: Path) -> dict[str, bytes]:
    """Digests the files of the database."""
    return {path.name: sha256(path.read_bytes()).digest() for path in folder.glob("letterhead.db*")}


def used() -> float:
    """Says how long the children that have ended ran."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


@pytest.mark.parametrize(("words", "key", "named"), [
    (("serve",), WRONG, "k1"), (("serve",), OTHER, "k1"), (("worker",), WRONG, "k1"), (("run",), WRONG, "k1"),
])  # fmt: skip
def test_a_wrong_key_is_refused(
    installation: Installation, words: Sequence[str], key: str, named: str, figures: Figures
) -> None:
    """Whatever is started ends at once, says which key it lacks, and has changed nothing."""
    before, began = written(installation.folder), used()
    installation.settings["LETTERHEAD_KEYS"] = key
    refused = installation.run(*words, timeout=30)
    figures(seconds=f"{used() - began:.2f}")
    assert refused.returncode > 0
    assert "[keyring-wrong]" in refused.stderr
    assert f"'{named}'" in refused.stderr or f" {named}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert written(installation.folder) == before
    assert used() - began < SECONDS
