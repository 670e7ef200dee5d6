"""Clients that wait for a change, at a real process on PostgreSQL: they hold no session of it, and end with a stop."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from letterhead.web.app import STREAMS_EACH
from tests.rigs.letterhead import Installation
from tests.rigs.postgres import Postgres
from tests.rigs.waiting import until


def test_waits_hold_no_session_and_end_with_a_stop(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    """More wait than there are sessions: others are served, no transaction is open, a change ends all; a stop, too."""
    house = Installation(tmp_path, DATABASE_URL=postgres_url, DNS_RESOLVERS="127.0.0.1:9")
    assert house.run("migrate").returncode == 0
    house.stock(1)
    serving = house.serve("--no-worker")
    key = serving.open_account()
    path, database = "/domains/acme.test", postgres_url.rpartition("/")[2]

    def wait(_: int) -> int:
        with serving.client(key) as client:
            while (status := client.get(path, params={"wait": 60}, timeout=90).status_code) == 429:
                time.sleep(0.2)  # the one that asks whether all places are taken has one for a moment
            return status

    def is_full(client: httpx2.Client) -> bool:
        return client.get(path, params={"wait": 1}).status_code == 429

    with serving.client(key) as client, ThreadPoolExecutor(STREAMS_EACH) as threads:
        client.post("/domains", json={"sender": "acme.test", "startVerification": False})
        waiting = [threads.submit(wait, number) for number in range(STREAMS_EACH)]
        until(lambda: is_full(client))
        assert {client.get(path).status_code for _ in range(20)} == {200}
        held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        until(lambda: postgres.run(held, database) == "1")  # the session that asks
        assert client.post(f"{path}/start-verification").status_code == 200
        assert {each.result() for each in waiting} == {200}
        waiting = [threads.submit(wait, number) for number in range(STREAMS_EACH)]
        until(lambda: is_full(client))
        assert serving.stop() == 0
        assert {each.result() for each in waiting} == {200}
