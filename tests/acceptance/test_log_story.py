"""The log tells what happened: starts, checks and outages; and nothing of what asks for the health."""

import json
from pathlib import Path
from typing import Any

from letterhead import __version__
from letterhead.adapters.storage.schema import HEAD
from tests.rigs.letterhead import Installation
from tests.rigs.postgres import Postgres
from tests.rigs.waiting import until

NOBODY = "127.0.0.1:9"  # answers no question


def lines(installation: Installation) -> list[dict[str, Any]]:
    """Read what the processes logged."""
    found = (line for line in installation.logs().splitlines() if line.startswith("{"))
    return [json.loads(line) for line in found]


def events(installation: Installation, name: str) -> list[dict[str, Any]]:
    """Read the lines of one event."""
    return [line for line in lines(installation) if line["event"] == name]


def test_starts_checks_and_outages_are_told(tmp_path: Path, postgres: Postgres) -> None:
    """`serve` and `worker` say what they are and that they are ready; each check says what it found."""
    with postgres.database() as url:
        installation = Installation(tmp_path, DATABASE_URL=url, DNS_RESOLVERS=NOBODY, KEY_POOL="4")
        assert installation.run("migrate").returncode == 0
        with installation.serving("--no-worker") as serving:
            (starting,) = events(installation, "serve.starting")
            assert (starting["engine"], starting["schema"], starting["worker"]) == ("PostgreSQL", HEAD, False)
            assert starting["address"] == serving.url
            assert starting["version"] == __version__
            assert len(events(installation, "serve.ready")) == 1
            with serving.client(serving.open_account()) as client:
                for number in range(3):
                    assert client.post("/domains", json={"sender": f"d{number}.test"}).status_code == 200
                assert client.get("/readyz").status_code == 200
                assert client.get("/healthz").status_code == 200
            worker = installation.worker()
            until(lambda: events(installation, "worker.ready"))
            assert events(installation, "worker.starting")[0]["schema"] == HEAD
            until(lambda: len(events(installation, "check.done")) >= 3, seconds=90)
            done = events(installation, "check.done")[0]
            assert done["level"] == "info"
            assert done["status"] == "PENDING"
            assert done["domain"].endswith(".test")
            assert done["codes"]
            until(lambda: events(installation, "resolver.outage.began"), seconds=90)
            assert events(installation, "resolver.outage.began")[0]["level"] == "error"
            worker.stop()
        paths = {line["path"] for line in events(installation, "request.answered")}
        assert "/domains" in paths
        assert not paths & {"/healthz", "/readyz", "/status"}
        assert url not in installation.logs()
