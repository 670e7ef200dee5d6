"""Ask for as much as one account can over HTTP, in a process of its own: streams, refreshes, lists, preflights.

Run it as `python -m tests.rigs.abuser URL READ FULL SIZE`; it stops when its input ends, and says what it was answered.
"""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2

LINKS, STREAMS, REFRESHERS, PREFLIGHTS, UNREAD = 60, 20, 40, 10_000, 100
CLIENTS = 4  # that have names looked at, at the same time
NICE = 5  # who measures comes first: it is one more client that has a machine of its own in life


class Attack:
    """What the abusers of one account got."""

    def __init__(self, url: str, read: str, full: str, size: int) -> None:
        self.url, self.read, self.full, self.size = url, read, full, size
        self.clients = max(1, CLIENTS * size // 100)
        self.statuses: dict[str, Counter[int]] = {}
        self.done = asyncio.Event()

    async def run(self) -> None:
        """Do all of it until the input ends."""
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self.done.set)
        abusers = [
            self.listen(),
            *(self.preflight(place) for place in range(self.clients)),
            self.leave_unread(),
            *(self.repeat("expand", "/domains?expand=health&limit=1000") for _ in range(4)),
            *(self.repeat("refresh", "/domains?refresh=true&limit=10") for _ in range(times(REFRESHERS, self.size))),
        ]
        await asyncio.gather(*abusers)
        loop.remove_reader(sys.stdin.fileno())

    def note(self, what: str, status: int) -> None:
        """Note an answer."""
        self.statuses.setdefault(what, Counter())[status] += 1

    def client(self, key: str | None = None) -> httpx2.AsyncClient:
        """Make a client of the account."""
        headers = {"Authorization": f"Bearer {key or self.read}"}
        limits = httpx2.Limits(max_connections=None)
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=120, trust_env=False, limits=limits)

    async def listen(self) -> None:
        """Open streams of set-up links, and keep those that it gets."""
        async with AsyncExitStack() as held, self.client(self.full) as client:
            sender = (await client.get("/domains?limit=1")).json()[0]["sender"]
            for _ in range(times(LINKS, self.size)):
                made = await client.post(f"/domains/{sender}/setup-links")
                self.note("link", made.status_code)
                if made.status_code == 429:
                    await asyncio.sleep(0.2)
                    continue
                path = re.sub("^https?://[^/]+", "", made.json()["url"])
                for _ in range(STREAMS):
                    status = await held.enter_async_context(unread(self.url, f"{path}/news"))
                    self.note("stream", status)
            await self.done.wait()

    async def repeat(self, what: str, path: str) -> None:
        """Ask for the same thing again and again."""
        async with self.client() as client:
            while not self.done.is_set():
                try:
                    self.note(what, (await client.get(path)).status_code)
                except httpx2.TransportError:
                    self.note(what, 0)

    async def preflight(self, place: int) -> None:
        """Has names looked at whose DNS answers are as fat as they may be."""
        async with self.client() as client:
            for number in range(place, times(PREFLIGHTS, self.size), self.clients):
                answer = await client.post(f"/domains/x{number}.huge255.test/preflight")
                self.note("preflight", answer.status_code)
                if self.done.is_set():
                    return

    async def leave_unread(self) -> None:
        """Ask for the whole list over many connections, and read nothing."""
        async with AsyncExitStack() as held:
            for _ in range(times(UNREAD, self.size)):
                head = f"Authorization: Bearer {self.read}\r\n"
                self.note("unread", await held.enter_async_context(unread(self.url, "/domains", head)))
            await self.done.wait()


def times(full: int, size: int) -> int:
    """Say how many of so many are made at a size in percent."""
    return max(2, full * size // 100)


@asynccontextmanager
async def unread(url: str, path: str, head: str = "") -> AsyncIterator[int]:
    """Send a request, read the status, and nothing more while the block runs."""
    host, _, port = url.removeprefix("http://").partition(":")
    reading, writing = await asyncio.open_connection(host, int(port), limit=64)
    try:
        writing.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        async with asyncio.timeout(120):
            line = await reading.read(12)
        yield int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0
    except (ConnectionError, TimeoutError):
        yield 0
    finally:
        writing.transport.abort()


def main() -> None:
    """Read the words of the command."""
    os.nice(NICE)
    url, read, full, size = sys.argv[1:]

    async def run() -> Attack:
        attack = Attack(url, read, full, int(size))
        await attack.run()
        return attack

    print(json.dumps(asyncio.run(run()).statuses))


if __name__ == "__main__":
    main()
