"""Failed sign-ins with real processes: two that serve one PostgreSQL count them together."""

import time
from pathlib import Path

import httpx2

from tests.rigs.letterhead import Installation, Serving

BURST = 30


def statuses(serving: Serving, times: int) -> list[int]:
    """Guess so many keys."""
    with serving.client("lh_live_guess") as guesser:
        return [guesser.get("/domains").status_code for _ in range(times)]


def test_two_processes_count_together(tmp_path: Path, postgres_url: str) -> None:
    """Who used up the guesses of one process has none at the other, where good keys are let in all the while."""
    installation = Installation(tmp_path, DATABASE_URL=postgres_url, KEY_POOL="1")
    assert installation.run("migrate").returncode == 0
    with installation.serving("--no-worker") as one, installation.serving("--no-worker") as two:
        key = one.open_account()
        began = time.monotonic()
        guessed = [*statuses(one, BURST + 10), *statuses(two, BURST)]
        took = time.monotonic() - began
        assert BURST <= guessed.count(401) <= BURST + took + 2, "one more for each second that went by"
        assert set(guessed) == {401, 429}
        for each in (one, two):
            with each.client(key) as good:
                assert good.get("/domains").status_code == 200
            assert httpx2.get(f"{each.url}/domains").status_code == 401  # nothing was guessed
