"""The demo: a whole past lived through, and a domain that turns SUCCESS while one watches."""

import time
from pathlib import Path

import pytest

from tests.rigs.command import Result, Running, letterhead, printed_key, running

STATES = {
    "attic.example": "FAILED",
    "harbour.example": "TEMPORARY_FAILURE",
    "hermit.example": "PENDING",
    "lighthouse.example": "SUCCESS",
    "locksmith.example": "PENDING",
    "mirror.example": "PENDING",
    "orchard.example": "PENDING",
    "queue.example": "PENDING",
    "sketch.example": "NOT_STARTED",
    "twins.example": "PENDING",
}
FINDINGS = {
    "locksmith.example": "dkim.wrong-key",
    "mirror.example": "dkim.name-doubled",
    "twins.example": "zone.nameservers-disagree",
    "hermit.example": "zone.timeout",
    "harbour.example": "dkim.removed",
}


@pytest.mark.timeout(600)
def test_a_domain_turns_success(tmp_path: Path) -> None:
    """Ten domains stand in every state with the mistakes that were made, and one turns SUCCESS by itself."""
    with running(tmp_path, "demo") as demo:
        key = printed_key(demo)
        told = ask(demo, key, "domains", "list").out
        assert {line.split()[0]: line.split()[1] for line in told.splitlines()[1:]} == STATES
        for sender, code in FINDINGS.items():
            shown = ask(demo, key, "domains", "show", sender).out
            assert f"[{code}]" in shown, shown
        demo.process.wait_until(lambda: "orchard.example: domain.verified" in demo.output, seconds=90)
        assert "orchard.example: its records are in the zone now" in demo.output
        assert ask(demo, key, "domains", "check", "orchard.example").code == 0
        assert ask(demo, key, "domains", "check", "queue.example").code == 1


def ask(demo: Running, key: str, *arguments: str) -> Result:
    return letterhead(*arguments, folder=demo.data.parent, URL=demo.url, API_KEY=key)


def test_demo_keeps_nothing(tmp_path: Path) -> None:
    """The demo writes neither into the working directory nor into DATA_DIR."""
    with running(tmp_path, "demo"):
        time.sleep(0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.log"]
