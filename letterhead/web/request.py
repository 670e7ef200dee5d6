"""Names the types that the server and we speak in, and reads what a request brings; answers are in `answers.py`."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STOPPING = "letterhead.stopping"  # where in the scope's state the event is that the server sets when it stops


class Request:
    """Holds one request; parses nothing of it before it is asked for."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive

    @property
    def method(self) -> str:
        """Names the method; HEAD is GET from the door on."""
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """Gives the path, decoded."""
        return str(self.scope["path"])

    @property
    def path_params(self) -> Mapping[str, str]:
        """Gives the open parts of the path, decoded."""
        parts: Mapping[str, str] = self.scope["path_params"]
        return parts

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Gives the headers by their names in small letters; of one that comes several times the first."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self.scope["headers"])}

    @cached_property
    def query_params(self) -> Mapping[str, str]:
        """Gives the query's parameters; of one that comes several times the last."""
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """Gives the cookies (RFC 6265 5.4)."""
        pairs = (each.partition("=") for each in self.headers.get("cookie", "").split(";"))
        return {name.strip(): unquote(value.strip().strip('"')) for name, _, value in pairs}
