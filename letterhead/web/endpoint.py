"""Endpoints of the API and pages: one row with all that routing, access, the OpenAPI document and the tests need."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.web.context import RequestContext


class Access(StrEnum):
    """Whose request is served: anybody's, that of an account's key or session with a scope, or the operator's."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    FULL = "full"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method at one path. Of the API's the docstring of `serve` and all from `topic` on stand in the document.

    `free` ones work for an account over its monthly requests and are not counted. `faults` are those besides the ones
    that follow from the other fields.
    """

    method: str
    path: str
    serve: Callable[[RequestContext], Awaitable[Response]]
    access: Access
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
