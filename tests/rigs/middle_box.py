"""Stand between clients and a server as a router does, and forgets flows: octets vanish, and nobody is told.

What it drops is dropped before the kernel sees it (a socket filter that lets nothing through), so that nothing is
acknowledged and nothing reset: to the clients it is as if the machine had lost its power. Needs no root.
"""

import asyncio
import ctypes
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h
_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K, of 0 octets
DROP = struct.pack("HP", 1, ctypes.addressof(_NOTHING))


class MiddleBox:
    """Passes connections on to one server, from a thread of its own."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._flows: set[socket.socket] = set()
        self._swallows: set[socket.socket] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._tasks: set[asyncio.Task[None]] = set()
        self.passed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Drop what comes on the connections that are open now; new ones pass."""
        for each in list(self._flows):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, DROP)

    def swallow(self) -> None:
        """Take what comes on the connections that are open now, acknowledge it, and pass nothing on."""
        self._swallows |= self._flows

    def vanish(self) -> None:
        """Answer nothing any more, as a machine without power."""
        self._listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, DROP)
        self.forget()

    def come_back(self) -> None:
        """Let new connections pass again."""
        self._listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)

    def stop(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for still_open in (self._listener, *self._flows):
            still_open.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.add_reader(self._listener, self._accept)
        self._loop.run_forever()
        self._loop.remove_reader(self._listener)
        for unfinished in asyncio.all_tasks(self._loop):
            unfinished.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            client, _ = self._listener.accept()
            self._flows.add(client)
            task = self._loop.create_task(self._pass_on(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, client: socket.socket) -> None:
        server = socket.socket()
        self._flows.add(server)
        for each in (client, server):
            each.setblocking(False)
        try:
            await self._loop.sock_connect(server, self._to)
            self.passed += 1
            ways = [asyncio.ensure_future(self._one_way(*pair)) for pair in ((client, server), (server, client))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        except OSError:
            pass
        finally:
            self._flows -= {client, server}
            client.close()
            server.close()

    async def _one_way(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while octets := await self._loop.sock_recv(source, 65536):
                if source not in self._swallows:
                    await self._loop.sock_sendall(target, octets)


@contextmanager
def running(port: int) -> Iterator[MiddleBox]:
    """Run a box before a server of this machine until the block ends."""
    box = MiddleBox(port)
    try:
        yield box
    finally:
        box.stop()
