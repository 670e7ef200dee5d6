"""P24: the database may fail over: nothing acknowledged is lost, all goes on within 5 s, no process is restarted."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import httpx2
import pytest

from letterhead.adapters.storage.postgres import connected
from letterhead.adapters.storage.postgres_pool import PostgresPool
from letterhead.adapters.storage.postgres_servers import PostgresConnection, PostgresServers
from tests.faults.conftest import Figures
from tests.faults.test_p01_kills import Ledger, installed, kept, until_written
from tests.rigs import middle_box, pooler
from tests.rigs import postgres as postgres_rig
from tests.rigs.letterhead import Installation, Process, Serving
from tests.rigs.middle_box import MiddleBox
from tests.rigs.postgres import DURABLE, Postgres
from tests.rigs.waiting import CEILING, is_within, until

BACK = 5.0  # seconds after which all goes on
FIRST = 3.0  # seconds for the first request after a router forgot the connections
HEALTH = 2.0  # seconds for /readyz, whatever happens
KEYS = 400


@contextmanager
def at_work(installation: Installation) -> Iterator[tuple[Serving, Process]]:
    """Run a server and a worker, and hold that neither ended on the way."""
    with installation.serving("--no-worker") as serving:
        worker = installation.worker()
        try:
            until(lambda: "worker.starting" in installation.logs())
            yield serving, worker
            assert (serving.process.poll(), worker.process.poll()) == (None, None)
        finally:
            worker.stop()


def asked(client: httpx2.Client, path: str) -> tuple[float, httpx2.Response]:
    """Ask, and say how long the answer took."""
    began = time.monotonic()
    response = client.get(path)
    return time.monotonic() - began, response


@pytest.mark.timeout(300)
def test_a_promoted_standby_takes_over(tmp_path: Path, figures: Figures) -> None:
    """The primary is killed under load and its synchronous standby promoted: the same processes go on with it."""
    with postgres_rig.running(DURABLE) as primary, primary.standby() as standby:
        primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.run("SELECT pg_reload_conf()")
        until(lambda: primary.run("SELECT sync_state FROM pg_stat_replication") == "sync")
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/{primary.create()}"
        installation = installed(tmp_path, KEYS, DATABASE_URL=url)
        with at_work(installation) as (serving, _):
            ledger, key = Ledger(), serving.open_account()
            ledger.begin(serving, key, outlive=True)
            until(lambda: len(ledger.acked) > 20)
            primary.crash(signal.SIGKILL)
            with serving.client(key) as client:
                took, health = asked(client, "/readyz")
                refused = client.post("/domains", json={"sender": "between.test"})
            standby.run("SELECT pg_promote()")
            waited = until_written(serving, key, ledger)
            ledger.end()
            lost = ledger.acked - kept(serving, key)
    figures(acknowledged=len(ledger.acked), lost=len(lost), back_s=f"{waited:.2f}")
    assert not ledger.refused
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert health.status_code == 503
    assert is_within(took, HEALTH)
    assert lost == set()
    assert is_within(waited, BACK)


@pytest.mark.timeout(300)
def test_a_first_host_that_vanishes_is_passed_over(tmp_path: Path, postgres: Postgres, figures: Figures) -> None:
    """The first host answers nothing any more, under load and at a start: the second one is used within 5 s."""
    with middle_box.running(postgres.port) as first, middle_box.running(postgres.port) as second:
        name = postgres.create()
        url = f"postgresql://postgres@127.0.0.1:{first.port},127.0.0.1:{second.port}/{name}"
        installation = installed(tmp_path, KEYS, DATABASE_URL=url)
        with at_work(installation) as (serving, _):
            ledger, key = Ledger(), serving.open_account()
            ledger.begin(serving, key, outlive=True)
            until(lambda: len(ledger.acked) > 20)
            assert second.passed == 0
            first.vanish()
            waited = until_written(serving, key, ledger)
            ledger.end()
            assert second.passed > 0
            with serving.client(key) as client:
                took, _ = asked(client, "/readyz")
            began = time.monotonic()
            with installation.serving("--no-worker") as another:
                started = time.monotonic() - began
                lost = ledger.acked - kept(another, key)
            second_worker = installation.worker()
            until(lambda: installation.logs().count("worker.starting") == 2)
            assert second_worker.stop() == 0
    figures(acknowledged=len(ledger.acked), lost=len(lost), back_s=f"{waited:.2f}", started_s=f"{started:.2f}")
    assert not ledger.refused
    assert lost == set()
    assert is_within(waited, BACK)
    assert is_within(started, 2 * BACK)  # two connections to the dead host, and a start
    assert is_within(took, HEALTH)


async def test_the_dead_do_not_hold_a_row_in_turn(postgres: Postgres, figures: Figures) -> None:
    """Three clients vanish, one with a row and two that wait for it: the row is free once the first is given up."""
    url = f"postgresql://postgres@127.0.0.1:{postgres.port}/{postgres.create()}"
    with middle_box.running(postgres.port) as box:
        gone = PostgresServers(url.replace(f":{postgres.port}/", f":{box.port}/"))
        gone.is_pooled = False
        async with connected(PostgresServers(url)) as live, PostgresPool(gone, 3, 0).opened() as pool:
            await live.execute("CREATE TABLE one (id int); INSERT INTO one VALUES (1)")
            clients = [asyncio.create_task(take_the_row(pool)) for _ in range(2)]
            while await waits(live, 0.2) != ["transactionid"]:
                await live.execute("SELECT pg_sleep(0.01)")
            clients.append(asyncio.create_task(take_the_row(pool)))
            while await waits(live) != ["transactionid", "tuple"]:
                await live.execute("SELECT pg_sleep(0.01)")
            box.vanish()
            began = time.monotonic()
            await live.execute("SELECT id FROM one FOR NO KEY UPDATE")
            took = time.monotonic() - began
            for each in clients:
                each.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
    figures(free_after_s=f"{took:.2f}")
    assert took < 5.5  # the server's clocks tell, on a busy machine too: one after another they take 6 s


async def take_the_row(pool: PostgresPool) -> None:
    """Take the one row, and never let it go."""
    while True:
        with suppress(asyncpg.LockNotAvailableError):
            async with pool.transaction() as connection:
                await connection.execute("SELECT id FROM one FOR NO KEY UPDATE")
                await asyncio.Event().wait()


async def waits(live: PostgresConnection, seconds: float = 0) -> list[str]:
    """List what clients have waited for among the locks for that many seconds, in alphabetical order."""
    rows = await live.fetch(
        "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "AND state_change <= clock_timestamp() - make_interval(secs => $1) ORDER BY wait_event",
        seconds,
    )
    return [row["wait_event"] for row in rows]


@pytest.mark.timeout(300)
def test_a_host_that_vanishes_alone_is_told_soon(tmp_path: Path, postgres: Postgres) -> None:
    """With one host that is gone everything says so in time, with Retry-After; once it is back, all is as before."""
    with middle_box.running(postgres.port) as box:
        url = f"postgresql://postgres@127.0.0.1:{box.port}/{postgres.create()}"
        installation = installed(tmp_path, 20, DATABASE_URL=url)
        with at_work(installation) as (serving, _), serving.client(serving.open_account()) as client:
            assert client.post("/domains", json={"sender": "before.test"}).status_code == 200
            box.vanish()
            for _ in range(4):
                took, response = asked(client, "/domains")
                assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
                assert is_within(took, 2 * BACK)
                took, response = asked(client, "/readyz")
                assert response.status_code == 503
                assert is_within(took, HEALTH)
            page = httpx2.get(f"{serving.url}/dashboard", headers={"Cookie": "letterhead-session=x"}, timeout=30)
            assert page.status_code in (303, 503)
            box.come_back()
            until(lambda: client.get("/domains").status_code == 200)
            until(lambda: client.get("/readyz").json()["store"]["ok"])
    assert "Traceback" not in installation.logs()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["forget", "swallow"])
def test_forgotten_connections_are_replaced(tmp_path: Path, postgres: Postgres, how: str, figures: Figures) -> None:
    """A router forgets every connection without a word: the first request is answered within 3 s, and all after it."""
    with middle_box.running(postgres.port) as box:
        url = f"postgresql://postgres@127.0.0.1:{box.port}/{postgres.create()}"
        installation = installed(tmp_path, 20, DATABASE_URL=url)
        with at_work(installation) as (serving, _), serving.client(serving.open_account()) as client:
            assert client.post("/domains", json={"sender": "before.test"}).status_code == 200
            times = []
            for number in range(3):
                rest(how)
                getattr(box, how)()
                took, response = asked(client, "/domains")
                assert [each["sender"] for each in response.json()] == ["before.test"], response.text
                times.append(took)
                rest(how)
                getattr(box, how)()
                began = time.monotonic()
                status = write(client, number)
                times.append(time.monotonic() - began)
                assert status == 200 or how == "forget"  # what was under way may not be repeated
                assert client.delete(f"/domains/after{number}.test").status_code < 300 or status != 200
    figures(first_s=", ".join(f"{each:.1f}" for each in times))
    assert all(is_within(each, FIRST) for each in times)
    assert "Traceback" not in installation.logs()


@pytest.mark.timeout(300)
def test_a_pooler_stands_between(tmp_path: Path, postgres: Postgres, figures: Figures) -> None:
    """All goes through PgBouncer in transaction mode; Postgres is gone for a moment behind it, and all goes on."""
    with postgres_rig.running(DURABLE) as server, pooler.running(server) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/{server.create()}"
        installation = installed(tmp_path, KEYS, DATABASE_URL=url, DATABASE_PREPARED="false")
        assert "ok   database" in installation.run("doctor").stdout
        with at_work(installation) as (serving, _):
            ledger, key = Ledger(), serving.open_account()
            ledger.begin(serving, key, outlive=True)
            until(lambda: len(ledger.acked) > 20)
            server.crash(signal.SIGQUIT)
            server.restart()
            waited = until_written(serving, key, ledger)
            ledger.end()
            lost = ledger.acked - kept(serving, key)
    figures(acknowledged=len(ledger.acked), lost=len(lost), back_s=f"{waited:.2f}")
    assert not ledger.refused
    assert lost == set()
    assert is_within(waited, BACK)
    assert "database.pooler" not in installation.logs()  # said in the settings, it need not be found


def rest(how: str) -> None:
    """Let connections rest until they are asked for a sign of life: who acknowledges everything is not found else."""
    if how == "swallow":
        time.sleep(1.2)


def write(client: httpx2.Client, number: int) -> int:
    """Add a domain."""
    return client.post("/domains", json={"sender": f"after{number}.test"}).status_code


def test_the_box_forgets(postgres: Postgres) -> None:
    """What a box forgets hangs, unacknowledged: the tests above can fail."""
    with middle_box.running(postgres.port) as box:
        assert hangs(box) is False
        box.vanish()
        assert hangs(box) is True
        box.come_back()
        until(lambda: not hangs(box), CEILING)


def hangs(box: MiddleBox) -> bool:
    """Say whether a connection to the box is neither made nor refused."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", box.port), timeout=1):
            return False
    except TimeoutError:
        return True
