"""Endpoints of the API and pages: one row each, for routing, access, the OpenAPI document and the tests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.web.context import RequestContext


class Access(StrEnum):
    """Who may call an endpoint: anybody, an account whose key or session has the scope, or the operator."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    FULL = "full"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method at one path; the OpenAPI document has the docstring of `serve` and all fields from `topic` on.

    A key that is bound to domains is held to the `{sender}` of the path. Where the path has none it is refused, unless
    the endpoint is `for_bound` keys: one that finds domains by the store it is given, and nothing of the account.
    `free` ones are not counted, and work for an account over its monthly quota. `faults` are only those that do not
    follow from the other fields.
    """

    method: str
    path: str
    serve: Callable[[RequestContext], Awaitable[Response]]
    access: Access
    for_bound: bool = False
    topic: str = ""
    answer: object = None  # the type of its JSON; None for what is not JSON
    example: object = None
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    headers: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    faults: tuple[Kind, ...] = ()
    free: bool = False
    media_type: str = "application/json"
    is_page: bool = False  # people open it: its faults are pages too
    text_types: tuple[str, ...] = ()  # media types that are answered by text instead, where the request asks for them

    @property
    def names_sender(self) -> bool:
        """Whether the path names a sender domain."""
        return "{sender}" in self.path
