"""Answers DNS from another server, each answer some seconds late: python -m benchmarks.slow PORT UPSTREAM SECONDS"""

import asyncio
import sys
from typing import cast


class Back(asyncio.DatagramProtocol):
    def __init__(self, front: asyncio.DatagramTransport, peer: tuple[str, int], late: float) -> None:
        self.front, self.peer, self.late = front, peer, late

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # CPython 3.11's own is no subclass of it

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 the name is asyncio's
        asyncio.get_running_loop().call_later(self.late, self.front.sendto, data, self.peer)
        self.transport.close()


class Front(asyncio.DatagramProtocol):
    def __init__(self, upstream: int, late: float) -> None:
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
            lambda: Back(self.transport, addr, self.late), remote_addr=("127.0.0.1", self.upstream)
        )
        back.sendto(data)


async def main() -> None:
    port, upstream, late = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Front(upstream, late), local_addr=("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
