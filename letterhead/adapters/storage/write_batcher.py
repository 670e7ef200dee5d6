"""Knows how writes of several requests that wait at the same moment become one; knows not what they write."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class WriteBatcher(Generic[T, R]):
    """Writes items together: those that come while a write is under way share the next one. Each waits for its own.

    Where nobody hurries, each write waits `linger` seconds for more to come.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]], linger: float = 0.0) -> None:
        self._write, self._linger = write, linger
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: T) -> R:
        """Gives what came of the item once it is written; raises what its write raised."""
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
                together, self._waiting = self._waiting, []
                await self._written(together)
        finally:
            self._writer = None

    async def _written(self, together: "Sequence[tuple[T, asyncio.Future[R]]]") -> None:
        try:
            came = await self._write([item for item, _ in together])
        except BaseException as error:
            _fail(together, error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
        else:
            for (_, written), each in zip(together, came, strict=True):
                if not written.done():  # a client that went away does not wait
                    written.set_result(each)


def _fail(together: "Sequence[tuple[T, asyncio.Future[R]]]", error: BaseException) -> None:
    """Wakes those that still wait; a client that went away does not."""
    for _, written in together:
        if written.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            written.cancel()
        else:
            written.set_exception(error)
