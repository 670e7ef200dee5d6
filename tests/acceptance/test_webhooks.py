"""P4 with real processes: workers killed in the middle of deliveries, and a receiver's ledger against the outbox."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import promises
from tests.rigs import webhook_receiver
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.waiting import eventually
from tests.rigs.webhook_receiver import Ledger, Mood

KILLS = promises.size("P4")
WORKERS = 5  # at a time, all killed at once
ROUNDS = max(1, KILLS // WORKERS)
DOMAINS = 4  # added in each round: two events each
LEASE = 30.0  # after which another worker takes over what a killed one was at


@pytest.fixture
def receiver() -> Iterator[Ledger]:
    """Run a receiver that is slow enough to be killed in the middle of."""
    with webhook_receiver.running() as ledger:
        ledger.pause = 0.05
        yield ledger


@pytest.fixture
def installation(tmp_path: Path, postgres_url: str) -> Installation:
    """Set up an installation whose workers can be killed beside the server."""
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


class Customer:
    """One account with its endpoint, which no other round's kills keep waiting."""

    def __init__(self, serving: Serving, receiver: Ledger) -> None:
        self._key = serving.open_account()
        self.client = serving.client(self._key)
        made = self.client.post("/webhooks", json={"webhook": receiver.url, "events": ["*"]}).json()
        self.deliveries = f"/webhooks/{made['id']}/deliveries"

    def at(self, serving: Serving) -> "Customer":
        """Go on with another process of the installation."""
        self.client.close()
        self.client = serving.client(self._key)
        return self

    def add(self, *senders: str) -> None:
        """Add domains."""
        for sender in senders:
            assert self.client.post("/domains", json={"sender": sender}).status_code == 200

    def outbox(self) -> dict[str, str]:
        """List every delivery with its state."""
        return {each["id"]: each["state"] for each in self.client.get(self.deliveries).json()}

    def send_again(self) -> None:
        """Send what was refused again at once, so that nobody waits for the schedule."""
        for each, state in self.outbox().items():
            if state != "delivered":
                assert self.client.post(f"{self.deliveries}/{each}/redeliver").status_code == 200

    def events(self) -> list[str]:
        """List what happened."""
        return [each["id"] for each in self.client.get("/events", params={"limit": 1000}).json()]


@pytest.mark.timeout(600 + 8 * KILLS)
def test_workers_killed_while_they_deliver(installation: Installation, receiver: Ledger) -> None:
    """Each event arrives under its one id, no other id ever does, and what is in the timeline is what arrived."""
    with installation.serving("--no-worker") as serving:
        customers = [_round(number, installation, serving, receiver) for number in range(ROUNDS)]
        receiver.mood, receiver.pause = Mood.OK, 0.0
        for customer in customers:
            customer.send_again()
        worker = installation.worker()
        done = eventually(lambda: all(set(each.outbox().values()) == {"delivered"} for each in customers), LEASE + 40)
        assert worker.stop() == 0
        assert done, Counter(state for each in customers for state in each.outbox().values())
        events = [each for customer in customers for each in customer.events()]
        owed = [each for customer in customers for each in customer.outbox()]
        for customer in customers:
            customer.client.close()
    ids = set(receiver.ids())
    arrived = f"arrived {len(receiver.received)}, cut off {receiver.cut}, ids {len(ids)}"
    print(f"\nkills {ROUNDS * WORKERS}, events {len(events)}, {arrived}")
    assert sorted(owed) == sorted(events)
    assert set(receiver.ids()) == set(events)
    assert len(events) == len(set(events)) == 2 * DOMAINS * ROUNDS
    assert all(each.message["id"] == each.id for each in receiver.received)
    assert "Traceback" not in installation.logs()


def _round(number: int, installation: Installation, serving: Serving, receiver: Ledger) -> Customer:
    """Let workers deliver to a new customer, and kill them all in the middle of it."""
    receiver.mood = (Mood.OK, Mood.BROKEN, Mood.RESETS)[number % 3]
    customer, before = Customer(serving, receiver), len(receiver.received)
    workers = [installation.worker() for _ in range(WORKERS)]
    customer.add(*(f"k{number}-{each}.test" for each in range(DOMAINS)))
    assert eventually(lambda: len(receiver.received) > before), installation.logs()
    time.sleep(0.01 * (number % 7))
    for worker in workers:
        worker.kill()
    return customer


@pytest.mark.timeout(600 + 2 * KILLS)
def test_the_service_killed_while_it_delivers(tmp_path: Path, receiver: Ledger) -> None:
    """On SQLite, where the service's own process delivers, the same holds when that is killed, and it starts again."""
    alone = Installation(
        tmp_path, DNS_RESOLVERS="127.0.0.1:9", WEBHOOKS_ALLOW_HTTP="true", WEBHOOKS_ALLOW_PRIVATE="true", KEY_POOL="16"
    )
    customer, rounds = None, max(3, KILLS // 20)
    for number in range(rounds):
        before, serving = len(receiver.received), alone.serve()
        customer = customer.at(serving) if customer else Customer(serving, receiver)
        customer.add(*(f"k{number}-{each}.test" for each in range(DOMAINS)))
        assert eventually(lambda: len(receiver.received) > before), alone.logs()  # noqa: B023 asked at once
        serving.kill()
    receiver.pause = 0.0
    assert customer is not None
    with alone.serving() as serving, customer.at(serving).client:
        assert eventually(lambda: set(customer.outbox().values()) == {"delivered"}, LEASE + 40), customer.outbox()
        events = customer.events()
    print(f"\nkills {rounds}, events {len(events)}, arrived {len(receiver.received)}, ids {len(set(receiver.ids()))}")
    assert len(events) == len(set(events)) == 2 * DOMAINS * rounds
    assert set(receiver.ids()) == set(events)
    assert all(each.message["id"] == each.id for each in receiver.received)
