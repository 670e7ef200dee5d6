"""Answer DNS from another server, each answer some seconds late, as a process of its own.

python -m tests.rigs.slow_dns ADDRESS PORT UPSTREAM UPSTREAM_PORT SECONDS
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast


class Back(asyncio.DatagramProtocol):
    def __init__(self, front: asyncio.DatagramTransport, peer: tuple[str, int], late: float) -> None:
        self.front, self.peer, self.late = front, peer, late

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # CPython 3.11's own is no subclass of it

    def datagram_received(self, data: bytes, addr: object) -> None:
        asyncio.get_running_loop().call_later(self.late, self.front.sendto, data, self.peer)
        self.transport.close()


class Front(asyncio.DatagramProtocol):
    def __init__(self, upstream: tuple[str, int], late: float) -> None:
        self.upstream, self.late = upstream, late
        self.asking: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # CPython 3.11's own is no subclass of it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self.ask(data, addr))
        self.asking.add(task)
        task.add_done_callback(self.asking.discard)

    async def ask(self, data: bytes, addr: tuple[str, int]) -> None:
        back, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Back(self.transport, addr, self.late), remote_addr=self.upstream
        )
        back.sendto(data)


async def main(address: str, port: str, upstream: str, upstream_port: str, late: str) -> None:
    """Answer until the process ends."""
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Front((upstream, int(upstream_port)), float(late)), local_addr=(address, int(port))
    )
    await asyncio.Event().wait()


def command(address: str, port: int, upstream: str, upstream_port: int, late: float) -> list[str]:
    """Return the words that start it."""
    return [sys.executable, "-m", "tests.rigs.slow_dns", address, f"{port}", upstream, f"{upstream_port}", f"{late}"]


@contextmanager
def running(address: str, port: int, upstream: str, upstream_port: int, late: float) -> Iterator[None]:
    """Run it for as long as the block lasts."""
    process = subprocess.Popen(command(address, port, upstream, upstream_port, late), cwd=Path(__file__).parents[2])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
