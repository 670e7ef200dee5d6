"""How an ASGI app is asked for a list in this process, without a socket: what is left is the app's own cost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from letterhead.ports.deps import Deps
from letterhead.web import WebSettings
from letterhead.web.app import create_app

Ask = Callable[[str], Awaitable[None]]


def ours(deps: Deps, **settings: Any) -> Ask:
    """Make our app, and ask it."""
    web = WebSettings(public_url="http://bench", rate=1e6, burst=10**6, **settings)
    return asked(create_app(deps, web))


def asked(app: Any) -> Ask:
    """Ask an app for the list with a key, and take nothing else for an answer."""

    async def ask(key: str) -> None:
        got: list[dict[str, Any]] = []
        left = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            return left.pop() if left else await asyncio.get_running_loop().create_future()  # nobody goes away

        async def send(message: dict[str, Any]) -> None:
            got.append(message)

        await app(_scope(key), receive, send)
        if got[0]["status"] != 200 or len(got[1]["body"]) < 5000:
            raise RuntimeError(f"not the list: {got}")

    return ask


def _scope(key: str) -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/domains", "raw_path": b"/domains",
        "query_string": b"", "root_path": "", "scheme": "http", "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"bench"), (b"authorization", f"Bearer {key}".encode())],
        "client": ("127.0.0.1", 1), "state": {},
    }  # fmt: skip
