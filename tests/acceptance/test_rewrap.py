"""A new key-encryption key while the service runs: killed in the middle again and again, nothing is lost."""

import base64
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.rigs.command import LETTERHEAD, environment
from tests.rigs.letterhead import OPERATOR_TOKEN, Installation, Serving
from tests.rigs.waiting import is_within

KILLS = 6
OLD, NEW = ("old:" + base64.b64encode(bytes([1]) * 32).decode(), "new:" + base64.b64encode(bytes([2]) * 32).decode())


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """Set up an installation on either database, under the old key."""
    settings = {"KEYS": OLD, "PROVIDER": "simulated", "DNS_RESOLVERS": "127.0.0.1:9"}
    if request.param == "postgres":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    made = Installation(tmp_path, **settings)
    assert made.run("migrate").returncode == 0
    return made


def private_keys(serving: Serving, key: str) -> dict[str, str]:
    """Read every private key of the account."""
    with serving.client(key) as client:
        return {each["sender"]: each["privateDKIMKey"] for each in client.get("/domains").json()}


def rewrapping(serving: Serving) -> subprocess.Popen[str]:
    """Start the command, one secret at a time."""
    return subprocess.Popen(
        [LETTERHEAD, "keys", "rewrap", "--batch", "1"],
        env=environment(URL=serving.url, OPERATOR_TOKEN=OPERATOR_TOKEN), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_killed_in_the_middle_and_run_again(installation: Installation) -> None:
    """After each kill -9, of command or server, every secret opens; after a whole run the old key is not needed."""
    with installation.serving("--no-worker") as serving:
        key = serving.open_account()
        with serving.client(key) as client:
            for number in range(12):
                assert client.post("/domains", json={"sender": f"d{number}.test"}).status_code == 200
        before = private_keys(serving, key)
    installation.settings["LETTERHEAD_KEYS"] = f"{NEW},{OLD}"
    chance = random.Random(6)
    serving = installation.serve("--no-worker")
    try:
        for number in range(KILLS):
            command = rewrapping(serving)
            assert command.stdout is not None
            for _ in range(chance.randrange(1, 6)):
                command.stdout.readline()
            if number % 3 == 2:
                serving.kill()
                command.communicate(timeout=30)
                serving = installation.serve("--no-worker")
            else:
                command.send_signal(signal.SIGKILL)
                command.communicate(timeout=30)
            assert private_keys(serving, key) == before
        out, err = rewrapping(serving).communicate(timeout=60)
        assert "The older keys can go" in out, err
        assert "0 secrets" in rewrapping(serving).communicate(timeout=60)[0]
    finally:
        serving.stop()
    installation.settings["LETTERHEAD_KEYS"] = NEW
    with installation.serving("--no-worker") as serving:
        assert private_keys(serving, key) == before
    installation.settings["LETTERHEAD_KEYS"] = OLD
    began = time.monotonic()
    refused = installation.run("serve", "--no-worker")
    assert refused.returncode != 0
    assert "'new'" in refused.stderr
    assert is_within(time.monotonic() - began, 10)
    assert os.environ.get("LETTERHEAD_KEYS") is None


def test_only_the_operator_may(installation: Installation) -> None:
    """An account's key does not reach it."""
    with installation.serving("--no-worker") as serving, serving.client(serving.open_account()) as client:
        assert client.post("/secrets/rewrap").status_code in (401, 403)
