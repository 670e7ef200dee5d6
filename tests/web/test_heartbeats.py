"""Readiness, metrics and pages tell whether a worker was seen, and an open page hears when that changes."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx2

from letterhead.operations.heartbeats import SILENT, new_process
from letterhead.ports.store.monitoring import Role
from tests.rigs.waiting import CEILING, until_async
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

PROMISE, NOBODY = "We check again every 5 seconds", "check the records at the moment"


async def start(house: Installation, role: Role = Role.WORKER) -> None:
    """Has a process of a role seen now."""
    await house.deps.store.save_heartbeat(new_process(house.deps, role), house.deps.now())


def kill(folder: Path, ago: timedelta) -> None:
    """Make every heartbeat the last one of a process that was killed that long ago."""
    with closing(sqlite3.connect(folder / "letterhead.db", isolation_level=None, timeout=10)) as connection:
        connection.execute("UPDATE heartbeats SET at = at - ?", (ago // timedelta(milliseconds=1),))


async def parts(house: Installation) -> dict[str, dict[str, object]]:
    """Ask whether the service is ready."""
    async with house.client() as nobody:
        answer = await nobody.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        found: dict[str, dict[str, object]] = answer.json()
        return found


async def until_worker_says(house: Installation, words: str) -> None:
    """Wait until the worker's part has these words; what was asked is asked again after a second."""
    async with asyncio.timeout(CEILING):
        while words not in str((await parts(house))["worker"]["detail"]):  # noqa: ASYNC110 there is no event for it
            await asyncio.sleep(0.1)


async def test_readiness_tells_of_a_missing_worker(tmp_path: Path) -> None:
    """No worker, one that runs, and one that was killed: each in its own words, and in the metrics."""
    async with running(tmp_path) as house:
        found = await parts(house)
        assert found["worker"] == {"ok": False, "detail": "no worker runs: start one"}
        assert "relay" not in found
        await start(house)
        await start(house, Role.RELAY)
        await until_worker_says(house, "1 worker runs")
        assert (await parts(house))["worker"]["ok"] is True
        assert (await parts(house))["relay"] == {"ok": True, "detail": "1 relay runs"}
        kill(tmp_path, SILENT + timedelta(seconds=5))
        await until_worker_says(house, "no worker seen for 4")
        found = await parts(house)
        assert (found["worker"]["ok"], found["relay"]["ok"]) == (False, False)
        async with house.client() as operator:
            metrics = await operator.get("/metrics", headers={"Authorization": "Bearer " + OPERATOR_TOKEN})
        assert "letterhead_workers 0.0" in metrics.text
        assert "letterhead_worker_heartbeat_age_seconds 4" in metrics.text


async def test_an_open_page_promises_to_look_only_while_somebody_does(tmp_path: Path) -> None:
    """The set-up page hears within seconds that the worker is gone, and takes its promise back; then it is there."""
    async with running(tmp_path) as house, house.client(house.keys["acme"]) as acme, house.client() as nobody:
        await start(house)
        await acme.post("/domains", json={"sender": "acme.dev"})
        made = await acme.post("/domains/acme.dev/setup-links", json={})
        path = "/setup/" + made.json()["url"].rsplit("/", 1)[1]
        page = await nobody.get(path)
        assert PROMISE in page.text
        assert NOBODY not in page.text
        heard: list[str] = []
        listening = asyncio.create_task(listen(nobody, f"{path}/news", heard))
        await until_async(lambda: len(heard) == 1)
        assert f'data-version="{heard[0]}"' in page.text
        kill(tmp_path, SILENT + timedelta(seconds=1))
        await until_async(lambda: len(heard) == 2)
        page = await nobody.get(path)
        assert f'data-version="{heard[1]}"' in page.text
        assert NOBODY in page.text
        assert PROMISE not in page.text
        await start(house)
        await until_async(lambda: len(heard) == 3)
        assert heard[2] == heard[0]
        assert PROMISE in (await nobody.get(path)).text
        listening.cancel()


async def listen(client: httpx2.AsyncClient, path: str, heard: list[str]) -> None:
    """Collect the events of a stream."""
    async with client.stream("GET", path) as news:
        async for line in news.aiter_lines():
            heard.extend([line.removeprefix("data: ")] if line.startswith("data: ") else [])
