"""Measure GET /domains: ten domains of an account, authentication included, one process on one core."""

import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import load, places, seed
from benchmarks.figures import Paired, Row, at_least, interleaved, row
from benchmarks.places import Peer
from tests.rigs import postgres

PARTS = {
    "list-postgres": ("list-postgres", "list-textbook", "list-private-keys", "list-unchanged"),
    "list-sqlite": ("list-sqlite", "list-private-keys-sqlite"),
}


def rows(quick: bool, parts: Collection[str]) -> Iterator[Row]:
    """Return the figures on both engines."""
    if "list-postgres" in parts:
        with tempfile.TemporaryDirectory() as folder, postgres.running() as server, server.database() as url:
            load.pinned(server.server.pid, load.other_core())
            yield from _on_postgres(Path(folder), url, quick)
    if "list-sqlite" in parts:
        with tempfile.TemporaryDirectory() as folder:
            yield from _on_sqlite(Path(folder), quick)


def _rounds(quick: bool) -> tuple[int, int]:
    return (3, 1) if quick else (7, 2)


def _on_postgres(folder: Path, url: str, quick: bool) -> Iterator[Row]:
    installation = places.installation(folder, DATABASE_URL=url)
    keys = seed.seed(installation, seed.Wanted(sealed=True))
    pepper = places.pepper_of(installation)
    rounds, seconds = _rounds(quick)
    with ExitStack() as open_:
        ours = open_.enter_context(places.serving(installation, "--no-worker"))
        floor = open_.enter_context(places.floor_running(url, pepper))
        textbook = open_.enter_context(places.textbook_running(url, pepper))
        same(ours, floor, textbook, key=keys[0].read)
        tagged = [f"{each.read}\t{places.fetch(ours, each.read).headers['etag']}" for each in keys]
        read = open_.enter_context(load.listed([each.read for each in keys]))
        full = open_.enter_context(load.listed([each.full for each in keys]))
        known = open_.enter_context(load.listed(tagged))
        sides = [
            Side(ours, read), Side(floor, read), Side(textbook, read),
            Side(ours, full), Side(ours, known), Side(ours, read, ANEW),
        ]  # fmt: skip
        measured = _measured(sides, rounds, seconds)
    plain, bare, book, private, unchanged, anew = measured
    yield from _beside("list-postgres", "GET /domains, Postgres", plain, bare, "bare ASGI + asyncpg + msgspec", 0.7)
    yield from _beside("list-textbook", "the same", plain, book, "FastAPI + SQLAlchemy ORM + pydantic", 5)
    yield from _beside("list-private-keys", "with private keys", private, anew, "without, made anew too", 0.7)
    yield from _beside("list-unchanged", "If-None-Match hit", unchanged, anew, "the list made anew", 2)


def _on_sqlite(folder: Path, quick: bool) -> Iterator[Row]:
    installation = places.installation(folder)
    keys = seed.seed(installation, seed.Wanted(sealed=True))
    pepper = places.pepper_of(installation)
    rounds, seconds = _rounds(quick)
    with ExitStack() as open_:
        ours = open_.enter_context(places.serving(installation, "--no-worker"))
        floor = open_.enter_context(places.floor_running(f"sqlite:///{folder}/letterhead.db", pepper))
        same(ours, floor, key=keys[0].read)
        read = open_.enter_context(load.listed([each.read for each in keys]))
        full = open_.enter_context(load.listed([each.full for each in keys]))
        sides = [Side(ours, read), Side(floor, read), Side(ours, full), Side(ours, read, ANEW)]
        plain, bare, private, anew = _measured(sides, rounds, seconds)
    yield from _beside("list-sqlite", "GET /domains, SQLite", plain, bare, "bare ASGI + sqlite3 + msgspec", 0.65)
    yield from _beside(
        "list-private-keys-sqlite", "with private keys, SQLite", private, anew, "without, made anew too", 0.7
    )


def same(*sides: Peer, key: str) -> None:
    """Make sure that all sides answer the same."""
    first, *others = (json.loads(places.fetch(side, key).content) for side in sides)
    if len(first) != 10 or any(other != first for other in others):
        raise RuntimeError(f"the sides do not answer the same: {first[:1]} {[other[:1] for other in others]}")


class Side(NamedTuple):
    """Whom to ask, with which keys, for what."""

    peer: Peer
    keys: Path
    asked: str = "/domains"


ANEW = "/domains?limit=1000"  # a page is never kept: what a list costs that has to be made


def _measured(sides: Sequence[Side], rounds: int, seconds: int) -> list[list[load.Load]]:
    """Load all sides in turns, after a moment to warm up each."""
    gathered: list[list[load.Load]] = [[] for _ in sides]

    def ask(place: int, side: Side) -> float:
        told = load.loaded(side.peer.port, side.keys, pid=side.peer.pid, seconds=seconds, asked=side.asked)
        gathered[place].append(told)
        return gathered[place][-1].each

    for peer, keys, asked in sides:
        load.loaded(peer.port, keys, pid=peer.pid, seconds=1, asked=asked)
    interleaved([partial(ask, place, side) for place, side in enumerate(sides)], rounds)
    return gathered


def _beside(
    name: str, what: str, ours: list[load.Load], floor: list[load.Load], beside: str, target: float
) -> Iterator[Row]:
    """Tell the requests per second, and what each costs in CPU, which the machine's other work disturbs less."""
    each = Paired([one.each for one in ours], [one.each for one in floor])
    cpu = Paired([one.cpu for one in floor], [one.cpu for one in ours])
    note = f"{cpu.floor:.0f} µs of CPU each, beside {cpu.value:.0f}: {cpu.ratio:.2f}"
    yield row(
        name, what, each.value, "requests/s", at_least(target),
        floor=each.floor, ratio=each.ratio, beside=beside, note=note,
    )  # fmt: skip
