"""Knows what an answer is and how it is sent; knows not what is in it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache

import msgspec

from letterhead.web.request import Receive, Send

BODILESS = (204, 304)  # RFC 9110 8.6: no Content-Length that could be taken for the selected representation's

Headers = dict[bytes, bytes]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Holds an answer: its octets, or `pieces` that are made while it is sent, where it is long or has no end yet."""

    body: bytes = b""
    pieces: AsyncGenerator[bytes, None] | None = None
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = {}
    cookies: list[str] = []


def json(value: object) -> Answer:
    """Answers with JSON."""
    return Answer(body=msgspec.json.encode(value))


@cache  # there are few, and all are ours
def _octets(name: str) -> bytes:
    return name.lower().encode()


def headers_of(answer: Answer) -> Headers:
    """Writes the headers that are the answer's own, but for its cookies."""
    headers = {_octets(name): value.encode("latin-1") for name, value in answer.headers.items()}
    if answer.status not in BODILESS:
        headers[b"content-type"] = answer.media_type.encode()
        if answer.pieces is None:
            headers[b"content-length"] = b"%d" % len(answer.body)
    return headers


async def send_answer(answer: Answer, headers: Headers, receive: Receive, send: Send, *, silent: bool) -> None:
    """Sends an answer; without its body if `silent`, for HEAD (RFC 9110 9.3.2)."""
    told = [*headers.items(), *((b"set-cookie", each.encode()) for each in answer.cookies)]
    await send({"type": "http.response.start", "status": answer.status, "headers": told})
    if answer.pieces is not None and not silent:
        await _while_heard(answer.pieces, receive, send)
    await send({"type": "http.response.body", "body": b"" if silent else answer.body})


async def _while_heard(pieces: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    """Sends pieces until the last one, or until the client is gone: what makes them is stopped then."""
    tasks = [asyncio.create_task(_send_pieces(pieces, send)), asyncio.create_task(_gone(receive))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            await tasks[0]  # raises what went wrong: the end is never sent then, so that the server cuts the connection
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send_pieces(pieces: AsyncGenerator[bytes, None], send: Send) -> None:
    async with aclosing(pieces):
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
