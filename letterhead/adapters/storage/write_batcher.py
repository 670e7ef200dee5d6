"""Batching of writes: items that are added at the same moment are written together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class WriteBatcher(Generic[T, R]):
    """A queue of items to write: those that are added while a write is under way share the next one.

    Where nobody hurries, each write waits `linger` seconds for more items.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]], linger: float = 0.0) -> None:
        self._write, self._linger = write, linger
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: T) -> R:
        """Return the result of the item once it is written; raise what its write raised."""
        written: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return await written

    async def _drain(self) -> None:
        try:
            while self._waiting:
                if self._linger:
                    await asyncio.sleep(self._linger)
                batch, self._waiting = self._waiting, []
                try:
                    results = await self._write([item for item, _ in batch])
                except Exception as error:
                    for _, written in batch:
                        if not written.done():  # a client that went away does not wait
                            written.set_exception(error)
                except BaseException:
                    for _, written in batch:
                        written.cancel()
                    raise
                else:
                    for (_, written), result in zip(batch, results, strict=True):
                        if not written.done():
                            written.set_result(result)
        finally:
            self._writer = None
