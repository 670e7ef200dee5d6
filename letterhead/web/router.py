"""Knows which place a method and a path mean, and what to answer where the path is known and the method is not.

Knows nothing of what the places, endpoints and pages, do.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from letterhead.web.middleware import visit_of
from letterhead.web.request import Request
from letterhead.web.responses import Answer


class Place(Protocol):
    """Is what can be asked for: one method at one path."""

    @property
    def method(self) -> str:
        """Names the method."""
        ...

    @property
    def path(self) -> str:
        """Gives the path, its open parts in braces."""
        ...


P = TypeVar("P", bound=Place)
Serve = Callable[[P, Request], Awaitable[Answer]]
Refuse = Callable[[Request, int, Mapping[str, str]], Answer]


class Switch(Generic[P]):
    """Hands each request to its place; answers OPTIONS itself (RFC 9110 9.3.7), 404, and 405 with `Allow`."""

    def __init__(self, places: Sequence[P], serve: Serve[P], refuse: Refuse) -> None:
        self._serve, self._refuse = serve, refuse
        paths: dict[str, dict[str, P]] = {}
        for place in places:
            paths.setdefault(place.path, {})[place.method] = place
        self._fixed = {path: methods for path, methods in paths.items() if "{" not in path}
        self._open = [(_pattern(path), methods) for path, methods in paths.items() if "{" in path]

    async def __call__(self, request: Request) -> Answer:
        """Serves one request."""
        methods = self._methods(request)
        if methods is None:
            return self._refuse(request, 404, {})
        place = methods.get(request.method)
        if place is not None:
            return await self._serve(place, request)
        if request.method == "OPTIONS":
            visit_of(request.scope).route = next(iter(methods.values())).path
            return Answer(status=204, headers=allow(methods))
        return self._refuse(request, 405, allow(methods))

    def _methods(self, request: Request) -> Mapping[str, P] | None:
        """Finds the methods of a path, and leaves its parts in the scope."""
        path = request.path
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        for pattern, methods in self._open:
            if match := pattern.fullmatch(path):
                request.scope["path_params"] = match.groupdict()
                return methods
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))


def allow(methods: Iterable[str]) -> dict[str, str]:
    """Lists the methods of a path; the door answers HEAD wherever there is GET."""
    known = {*methods, "OPTIONS"}
    return {"Allow": ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))}
