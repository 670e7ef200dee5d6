"""P4 with real processes: workers killed in the middle of deliveries, and a receiver's ledger against the outbox."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.test_processes import eventually
from tests.rigs import webhook_receiver
from tests.rigs.letterhead import Installation, Process
from tests.rigs.webhook_receiver import Ledger, Mood

KILLS = int(os.environ.get("LETTERHEAD_TEST_WORKER_KILLS", "50"))
DOMAINS = 2  # for each kill
LEASE = 30.0  # after which another worker takes over what a killed one was at


@pytest.fixture
def receiver() -> Iterator[Ledger]:
    """Runs a receiver that is slow enough to be killed in the middle of."""
    with webhook_receiver.running() as ledger:
        ledger.pause = 0.05
        yield ledger


@pytest.fixture
def installation(tmp_path: Path, postgres_url: str) -> Installation:
    """Sets up an installation whose workers can be killed beside the server."""
    made = Installation(
        tmp_path,
        DATABASE_URL=postgres_url,
        DNS_RESOLVERS="127.0.0.1:9",
        WEBHOOKS_ALLOW_HTTP="true",
        WEBHOOKS_ALLOW_PRIVATE="true",
        KEY_POOL="16",
    )
    assert made.run("migrate").returncode == 0
    return made


def outbox(client: httpx2.Client, webhook_id: str) -> dict[str, str]:
    """Lists every delivery with its state."""
    found: dict[str, str] = {}
    url = f"/webhooks/{webhook_id}/deliveries?limit=1000"
    while url:
        page = client.get(url)
        found |= {each["id"]: each["state"] for each in page.json()}
        url = page.links.get("next", {}).get("url", "")
    return found


@pytest.mark.timeout(180 + 6 * KILLS)
def test_workers_killed_while_they_deliver(installation: Installation, receiver: Ledger) -> None:
    """Each event arrives under one id and no other id ever does; what arrives twice is what was under way at a kill."""
    with installation.serving("--no-worker") as serving:
        with serving.client(serving.open_account()) as client:
            made = client.post("/webhooks", json={"webhook": receiver.url, "events": ["*"]}).json()
            worker = _settled(installation, client)
            for round_ in range(KILLS):
                _add(client, round_)
                seen = len(receiver.received)
                assert eventually(lambda seen=seen: len(receiver.received) > seen, LEASE + 15), installation.logs()  # type: ignore[misc]
                time.sleep(0.01 * (round_ % 7))
                worker.kill()
                receiver.mood = (Mood.OK, Mood.BROKEN, Mood.RESETS)[round_ % 3]
                worker = installation.worker()
            receiver.mood, receiver.pause = Mood.OK, 0.0
            for each, state in outbox(client, made["id"]).items():
                if state != "delivered":  # not to wait for the schedule of those that were refused
                    client.post(f"/webhooks/{made['id']}/deliveries/{each}/redeliver")
            done = eventually(lambda: set(outbox(client, made["id"]).values()) == {"delivered"}, LEASE * 2 + 30)
            assert worker.stop() == 0
            events = [each["id"] for each in client.get("/events", params={"limit": 1000}).json()]
            assert done, Counter(outbox(client, made["id"]).values())
            assert set(outbox(client, made["id"])) == set(events) == set(receiver.ids())
    assert len(events) == len(set(events)) == 2 * DOMAINS * KILLS
    assert {each.id: each.message["id"] for each in receiver.received} == {each: each for each in events}
    assert "Traceback" not in installation.logs()


def _settled(installation: Installation, client: httpx2.Client) -> Process:
    """Starts a worker, and waits until it works."""
    worker = installation.worker()
    assert eventually(lambda: "worker.started" in installation.logs(), 20)
    return worker


def _add(client: httpx2.Client, round_: int) -> None:
    for number in range(DOMAINS):
        assert client.post("/domains", json={"sender": f"k{round_}-{number}.test"}).status_code == 200
