"""How each side is started: an installation of ours, the floor and the textbook on the same database."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks import floor, load
from letterhead import config
from letterhead.core.secret import reveal
from letterhead.ports.deps import Deps
from letterhead.wiring import assemble
from letterhead.wiring import keyring as wiring_keys
from tests.rigs.letterhead import Installation
from tests.rigs.processes import free_port, program

ROOT = Path(__file__).parents[1]


def installation(folder: Path, **settings: str) -> Installation:
    """Set up an installation that plans all four records and slows nobody down; migrated where it is Postgres."""
    usual = {
        "MAIL_FROM_MX": f"{floor.MX_PRIORITY} {floor.MX_HOST}",
        "MAIL_FROM_SPF": floor.SPF,
        "RATE_LIMIT": "900000/s burst 999999",
    }
    made = Installation(folder, **(usual | settings))
    if "DATABASE_URL" in settings:
        made.run("migrate").check_returncode()
    return made


def pepper_of(installation: Installation) -> str:
    """Return the pepper of an installation that nobody serves, so that the floor looks up the same digests."""

    async def read() -> bytes:
        async with assemble.open_deps(config.read(installation.settings, Path())) as deps:
            return await pepper(deps)

    return asyncio.run(read()).hex()


async def pepper(deps: Deps) -> bytes:
    """Return the pepper of the API keys' digests."""
    sealed = await deps.store.installation_secret(wiring_keys.PEPPER)
    if sealed is None:
        raise RuntimeError("there is no pepper")
    return reveal(deps.keyring.unseal(sealed, wiring_keys.PEPPER))


class Peer:
    """A peer's process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.pid, self.port = process.pid, port


@contextmanager
def floor_running(url: str, pepper: str) -> Iterator[Peer]:
    """Run the floor."""
    port = free_port("127.0.0.1")
    with _running([sys.executable, "-m", "benchmarks.floor", url, str(port)], port, url, pepper) as peer:
        yield peer


@contextmanager
def textbook_running(url: str, pepper: str) -> Iterator[Peer]:
    """Run the textbook."""
    port = free_port("127.0.0.1")
    words = ["benchmarks.textbook:app", "--port", str(port), "--no-access-log", "--log-level", "error"]
    with _running([sys.executable, "-m", "uvicorn", *words], port, url, pepper) as peer:
        yield peer


@contextmanager
def _running(command: list[str], port: int, url: str, pepper: str) -> Iterator[Peer]:
    environment = {**os.environ, "DATABASE_URL": url, "FLOOR_PEPPER": pepper}
    process = subprocess.Popen([program("setpriv"), "--pdeathsig=KILL", *command], cwd=ROOT, env=environment)
    try:
        _wait(process, port)
        load.pinned(process.pid, load.core())
        yield Peer(process, port)
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/", timeout=2)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("a peer does not answer")


@contextmanager
def serving(installation: Installation, *words: str) -> Iterator[Peer]:
    """Run `letterhead serve` on the core of what is measured."""
    with installation.serving(*words) as running:
        load.pinned(running.process.pid, load.core())
        yield Peer(running.process, int(running.url.rpartition(":")[2]))


def fetch(peer: Peer, key: str, **headers: str) -> httpx2.Response:
    """Ask once."""
    known = {"Authorization": f"Bearer {key}", **headers}
    return httpx2.get(f"http://127.0.0.1:{peer.port}/domains", headers=known, timeout=60)
