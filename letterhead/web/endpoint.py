"""Knows what an endpoint is: one row with all that the router, the gate, the document and the tests need of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import msgspec

from letterhead.core.accounts.accounts import Caller
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor
from letterhead.ports.deps import Deps
from letterhead.web import request_body, schemas
from letterhead.web.auth import Credentials
from letterhead.web.list_cache import KeptLists
from letterhead.web.rate_limits import Recent, TokenBuckets, Usage
from letterhead.web.request import Request
from letterhead.web.responses import Answer
from letterhead.web.settings import WebSettings

T = TypeVar("T", bound=msgspec.Struct)


class Access(StrEnum):
    """Says whose request an endpoint answers: anybody's, that of a key with a scope, or the operator's."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    FULL = "full"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Holds a page made ahead, with the policy that lets its own style in and nothing else."""

    html: bytes
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Gathers what lives as long as the app."""

    deps: Deps
    settings: WebSettings
    credentials: Credentials
    usage: Usage
    document: Callable[[], bytes]  # these three are made when somebody asks for the first time
    page: Callable[[], Page]
    edition: Callable[[], str]  # stands for all of this version and its settings that goes into a list of domains
    lists: KeptLists
    looked: Recent
    sent: Recent  # proofs, by the client's own key for each
    judging: TokenBuckets  # proofs, by domain
    parts: dict[str, tuple[float, schemas.Part]] = field(default_factory=dict)  # how parts were when last asked


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one request on its way to an operation."""

    house: House
    request: Request
    signed_in: Caller | None
    actor: Actor

    @property
    def deps(self) -> Deps:
        """Gives what operations need."""
        return self.house.deps

    @property
    def caller(self) -> Caller:
        """Says who is asking; only for endpoints that need an API key."""
        if self.signed_in is None:
            raise RuntimeError("this endpoint needs no API key, so nobody is known to ask")
        return self.signed_in

    @property
    def account_id(self) -> str:
        """Names the account that is asking."""
        return self.caller.account_id

    def part(self, name: str) -> str:
        """Gives a part of the path, decoded."""
        return str(self.request.path_params[name])

    def idempotency_key(self) -> str | None:
        """Reads the client's own name for this request; Fault `parameter-invalid`."""
        key: str | None = self.request.headers.get("idempotency-key")
        if key is not None and not (0 < len(key) <= 255 and all("!" <= each <= "~" for each in key)):
            raise Fault(
                Kind.PARAMETER_INVALID,
                "The header Idempotency-Key is not 1 to 255 visible ASCII characters.",
                "Send a UUID, for instance.",
            )
        return key

    def query(self, shape: type[T]) -> T:
        """Reads the query parameters."""
        return request_body.read_query(self.request, shape)

    async def body(self, shape: type[T]) -> T:
        """Reads the JSON body."""
        return await request_body.read_body(self.request, shape)

    async def body_if_any(self, shape: type[T]) -> T:
        """Reads the JSON body, which may be left away."""
        return await request_body.read_body_if_any(self.request, shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Describes one endpoint; its docstring is what the document says of it.

    `free` ones work for an account over its monthly requests and are not counted. `faults` are those beside the ones
    that follow from the other fields.
    """

    method: str
    path: str
    serve: Callable[[Call], Awaitable[Answer]]
    access: Access
    topic: str
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
