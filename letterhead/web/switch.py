"""Knows which endpoint a method and a path mean, and what to answer where the path is known and the method is not.

What it does not know goes to the framework behind it. Knows nothing of what endpoints do.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from letterhead.web.asgi import App, Receive, Scope, Send
from letterhead.web.door import visit_of
from letterhead.web.endpoints import Answer, Endpoint

Serve = Callable[[Endpoint, Scope, Receive], Awaitable[Answer]]
Refuse = Callable[[Scope, Mapping[str, str]], Answer]
Methods = dict[str, Endpoint]

BODILESS = (204, 304)  # RFC 9110 8.6: no Content-Length that could be taken for the selected representation's


class Switch:
    """Hands each request to its endpoint; answers OPTIONS itself (RFC 9110 9.3.7), and 405 with `Allow`."""

    def __init__(self, endpoints: Sequence[Endpoint], serve: Serve, refuse: Refuse, rest: App) -> None:
        self._serve, self._refuse, self._rest = serve, refuse, rest
        paths: dict[str, Methods] = {}
        for endpoint in endpoints:
            paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._fixed = {path: methods for path, methods in paths.items() if "{" not in path}
        self._open = [(_pattern(path), methods) for path, methods in paths.items() if "{" in path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        found = self._methods(scope) if scope["type"] == "http" else None
        if found is None:
            await self._rest(scope, receive, send)
        else:
            await tell(await self._answer(found, scope, receive), send)

    def _methods(self, scope: Scope) -> Methods | None:
        """Finds the methods of a path, and leaves its parts in the scope."""
        path = scope["path"]
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        for pattern, methods in self._open:
            if match := pattern.fullmatch(path):
                scope["path_params"] = match.groupdict()
                return methods
        return None

    async def _answer(self, methods: Methods, scope: Scope, receive: Receive) -> Answer:
        endpoint = methods.get(scope["method"])
        if endpoint is not None:
            return await self._serve(endpoint, scope, receive)
        if scope["method"] == "OPTIONS":
            visit_of(scope).route = next(iter(methods.values())).path
            return Answer(body=b"", status=204, headers=allow(methods))
        return self._refuse(scope, allow(methods))


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))


def allow(methods: Iterable[str]) -> dict[str, str]:
    """Lists the methods of a path; the door answers HEAD wherever there is GET."""
    known = {*methods, "OPTIONS"}
    return {"Allow": ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))}


async def tell(answer: Answer, send: Send) -> None:
    """Sends an answer."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status not in BODILESS:
        headers.append((b"content-type", answer.media_type.encode()))
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
