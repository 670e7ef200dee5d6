"""P24, a replica for lists: it is used while it follows, never shows less than was written, and may lag or die."""

import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from letterhead.adapters.storage import migrate, open_store
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainQuery
from tests.contracts.samples import Shop
from tests.faults.test_p01_kills import installed
from tests.rigs import postgres as postgres_rig
from tests.rigs.postgres import DURABLE, Postgres
from tests.rigs.processes import free_port
from tests.rigs.waiting import until, until_async

Servers = tuple[Postgres, Postgres, str]
LISTS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FROM domains%' AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Run a primary with a replica that follows it, and return a database's name."""
    with postgres_rig.running(DURABLE) as primary, primary.standby() as replica:
        yield primary, replica, primary.create()


@pytest.fixture
async def store(servers: Servers) -> AsyncIterator[tuple[Store, list[str]]]:
    """Open a store that reads lists from the replica, and return the events of its log."""
    primary, replica, name = servers
    await migrate(primary.url(name))
    with structlog.testing.capture_logs() as logged:
        async with open_store(primary.url(name), read_url=replica.url(name)) as opened:
            yield opened, LoggedEvents(logged)


class LoggedEvents(list[str]):
    """The events of a log, as they come."""

    def __init__(self, logged: list[structlog.typing.EventDict]) -> None:
        self._logged = logged

    def count(self, event: str) -> int:
        """Count an event."""
        return sum(line["event"] == event for line in self._logged)


async def listed(store: Store, account_id: str) -> set[str]:
    """List an account's domains."""
    return {each.sender for each in await store.domains(account_id, DomainQuery())}


async def test_lists_show_what_was_just_written(servers: Servers, store: tuple[Store, list[str]]) -> None:
    """Each list has what was written before it, by this process or another, though the replica makes it."""
    opened, logged = store
    primary, replica, name = servers
    await until_async(lambda: logged.count("replica.used") == 1)
    async with open_store(primary.url(name)) as another:
        made = await Shop(opened).account()
        written: set[str] = set()
        for number in range(20):
            writer = Shop(opened if number % 2 else another)
            written.add((await writer.domain(made.id, f"d{number}.example")).sender)
            assert await listed(opened, made.id) == written
            versions = await opened.list_versions(made.id)
            assert len(versions) == len(written)
    assert int(replica.run(LISTS)) > 0
    assert logged.count("replica.left-out") == 0 or logged.count("replica.used") > 1


async def test_a_replica_that_lags_is_left_out(servers: Servers, store: tuple[Store, list[str]]) -> None:
    """While its replay is paused lists come whole from the primary; once it follows again, from the replica."""
    opened, logged = store
    _, replica, _ = servers
    await until_async(lambda: logged.count("replica.used") == 1)
    made = await Shop(opened).account()
    replica.run("SELECT pg_wal_replay_pause()")
    try:
        one = await Shop(opened).domain(made.id, "paused.example")
        assert await listed(opened, made.id) == {one.sender}
        assert logged.count("replica.left-out") == 1
        two = await Shop(opened).domain(made.id, "paused-too.example")
        assert await listed(opened, made.id) == {one.sender, two.sender}
    finally:
        replica.run("SELECT pg_wal_replay_resume()")
    await until_async(lambda: logged.count("replica.used") == 2)
    assert await listed(opened, made.id) == {one.sender, two.sender}


async def test_a_replica_that_dies_is_left_out(servers: Servers, store: tuple[Store, list[str]]) -> None:
    """Killed or frozen, it costs one list a moment and nobody an error; started again, it is used again."""
    opened, logged = store
    _, replica, _ = servers
    await until_async(lambda: logged.count("replica.used") == 1)
    made = await Shop(opened).account()
    one = await Shop(opened).domain(made.id, "killed.example")
    replica.crash(signal.SIGKILL)
    assert await listed(opened, made.id) == {one.sender}
    assert logged.count("replica.left-out") == 1
    replica.restart()
    await until_async(lambda: logged.count("replica.used") == 2)
    assert await listed(opened, made.id) == {one.sender}


async def test_a_primary_is_no_replica(servers: Servers) -> None:
    """A URL that leads to the primary itself, or to nobody, is never used, and nothing is lost by it."""
    primary, _, name = servers
    await migrate(primary.url(name))
    nobody = f"postgresql://postgres@127.0.0.1:{free_port('127.0.0.1')}/{name}"
    for url in (primary.url(name), nobody):
        with structlog.testing.capture_logs() as logged:
            async with open_store(primary.url(name), read_url=url) as opened:
                made = await Shop(opened).account()
                one = await Shop(opened).domain(made.id, f"d{len(url)}-{made.id.replace('_', '-')}.example")
                assert await listed(opened, made.id) == {one.sender}
        assert logged == []


@pytest.mark.timeout(300)
def test_the_service_reads_from_a_replica(tmp_path: Path, servers: Servers) -> None:
    """Conditional requests stay right while the replica is paused and killed, and so do private keys."""
    primary, replica, _ = servers
    name = primary.create()
    installation = installed(tmp_path, 20, DATABASE_URL=primary.url(name), DATABASE_READ_URL=replica.url(name))
    with installation.serving("--no-worker") as serving, serving.client(serving.open_account()) as client:
        until(lambda: installation.logs().count("replica.used") == 1)
        tags = set()
        for number in range(6):
            if number == 2:
                replica.run("SELECT pg_wal_replay_pause()")
            if number == 4:
                with contextlib.suppress(Exception):
                    replica.run("SELECT pg_wal_replay_resume()")
                replica.crash(signal.SIGKILL)
            assert client.post("/domains", json={"sender": f"d{number}.test"}).status_code == 200
            response = client.get("/domains")
            assert len(response.json()) == number + 1
            assert all(each["privateDKIMKey"] for each in response.json())
            assert response.headers["ETag"] not in tags
            tags.add(response.headers["ETag"])
            same = client.get("/domains", headers={"If-None-Match": response.headers["ETag"]})
            assert same.status_code == 304
        replica.restart()
        until(lambda: installation.logs().count("replica.used") >= 2)
    assert "Traceback" not in installation.logs()
