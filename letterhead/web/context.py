"""The application's state and the context of one request, for the API and the pages."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from letterhead.core.accounts.accounts import Caller, Scope, Session, allows
from letterhead.errors import Fault, Kind
from letterhead.operations.account_places import AccountPlaces
from letterhead.operations.account_work import WorkCounter
from letterhead.operations.audit import Actor
from letterhead.operations.health import HealthProbes
from letterhead.operations.recent_results import OnDemand
from letterhead.operations.request_usage import RequestUsage
from letterhead.ports.deps import Deps
from letterhead.web import WebSettings, request_body
from letterhead.web.auth import Credentials, client_address
from letterhead.web.list_cache import ListCache
from letterhead.web.middleware import RequestLog
from letterhead.web.proxy_signs import ProxySigns
from letterhead.web.rate_limits import OpenIdRates, RequestRates, TokenBuckets
from letterhead.web.templating.environment import Templates

T = TypeVar("T", bound=msgspec.Struct)

OPERATOR = "operator"  # in the place of an account's id, which begins with acc_
PLACE_SECONDS = 10.0  # for which a request waits for a place
ZONE_SECONDS = 60.0  # for which one waits that reads or writes a zone, which takes seconds


def do_nothing() -> None:
    """Release no place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlDocument:
    """A page and its Content-Security-Policy, which allows the page's own style and nothing else."""

    html: bytes
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """State that lives as long as the application."""

    deps: Deps
    settings: WebSettings
    credentials: Credentials
    usage: RequestUsage
    rates: RequestRates
    proof_rates: TokenBuckets  # messages that are judged, by domain
    on_demand: OnDemand
    long_answers: AccountPlaces  # lists that are made or sent, one at a time of each account
    long_pages: AccountPlaces  # pages with pictures of all domains, likewise
    key_readers: AccountPlaces  # customers' own keys that are read: a key of 4096 bits takes half a second of a core
    zone_places: AccountPlaces  # zones at DNS hosts that are read and written: each takes a thread
    openid_rates: OpenIdRates
    lists: ListCache
    health: HealthProbes
    proxy_signs: ProxySigns
    templates: Templates
    openapi_document: Callable[[], bytes]  # these three are made on first use
    docs_page: Callable[[], HtmlDocument]
    reference_page: Callable[[], HtmlDocument | None]
    edition: Callable[[], str]  # hash of the version and the settings that lists of domains depend on
    work: WorkCounter  # requests and streams, by account
    bulks: AccountPlaces  # requests for many domains, one at a time of each account
    long_polls: AccountPlaces  # requests that wait for a change of a domain
    streams: AccountPlaces  # open event streams; whoever finds no place asks for the page now and then
    streams_each: Counter[str] = field(default_factory=Counter)  # of these, by set-up link or session


class RequestContext(msgspec.Struct, kw_only=True):
    """One request and its caller, who is set once access was checked.

    `form` and `form_seed` are for pages: the fields of a form, and the cookie that its token is bound to.
    """

    state: AppState
    request: Request
    log: RequestLog
    signed_in: Caller | None = None
    is_operator: bool = False
    held_deps: Deps | None = None  # of an admitted caller whose key is bound to domains
    session: Session | None = None
    form: Mapping[str, str] = {}
    form_seed: str = ""
    release: Callable[[], None] = do_nothing

    async def take_place(self, places: AccountPlaces) -> None:
        """Take a place for this request until its response is sent; Fault `too-many-requests`."""
        await places.wait(self.account_id, PLACE_SECONDS)
        self.release = partial(places.release, self.account_id)

    async def take_operators_place(self, places: AccountPlaces) -> None:
        """Take the one place that operators have, until the response is sent; Fault `too-many-requests`."""
        await places.wait(OPERATOR, PLACE_SECONDS)
        self.release = partial(places.release, OPERATOR)

    def reading_key(self, pem: str | None) -> AbstractAsyncContextManager[None]:
        """Hold a place while a customer's own key is read, where one was sent; Fault `too-many-requests`."""
        return nullcontext() if pem is None else self.state.key_readers.place(self.account_id, PLACE_SECONDS)

    @property
    def deps(self) -> Deps:
        """The dependencies of operations, held to the caller's domains where the caller's key is bound to some."""
        return self.state.deps if self.held_deps is None else self.held_deps

    @property
    def caller(self) -> Caller:
        """The caller; only where the endpoint's access demands an account."""
        if self.signed_in is None:
            raise RuntimeError("this endpoint is open to others than accounts, so nobody is known to ask")
        return self.signed_in

    @property
    def account_id(self) -> str:
        """The caller's account."""
        return self.caller.account_id

    @property
    def actor(self) -> Actor:
        """The caller as the audit log records it."""
        caller = self.signed_in
        return Actor(
            name=caller.key_id if caller else self._operator_name if self.is_operator else "nobody",
            account_id=caller.account_id if caller else None,
            address=client_address(self.request),
            tracking_id=self.log.tracking_id,
        )

    @property
    def _operator_name(self) -> str:
        person = self.session.person if self.session else None
        return f"operator:{person}" if person else "operator"

    def may(self, scope: Scope) -> bool:
        """Whether the caller is an account whose key or session has this scope."""
        return self.signed_in is not None and allows(self.signed_in.scope, scope)

    @property
    def is_preview(self) -> bool:
        """Whether no person looks: a HEAD request, or a browser that loads a page ahead (Fetch, `Sec-Purpose`)."""
        headers = self.request.headers
        ahead = (headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
        return self.request.method == "HEAD" or any("prefetch" in each or "preview" in each for each in ahead)

    def part(self, name: str) -> str:
        """Return a part of the path, decoded."""
        return str(self.request.path_params[name])

    def parameter(self, name: str) -> str:
        """Return at most 300 characters of a query parameter, or an empty string."""
        return self.request.query_params.get(name, "")[:300]

    def idempotency_key(self) -> str | None:
        """Return the header Idempotency-Key; Fault `parameter-invalid`."""
        key = self.request.headers.get("idempotency-key")
        if key is not None and not (0 < len(key) <= 255 and all("!" <= each <= "~" for each in key)):
            raise Fault(
                Kind.PARAMETER_INVALID,
                "The header Idempotency-Key is not 1 to 255 visible ASCII characters.",
                "Send a UUID, for instance.",
            )
        return key

    def query(self, shape: type[T]) -> T:
        """Parse the query parameters; Fault `parameter-invalid`."""
        return request_body.read_query(self.request, shape)

    async def body(self, shape: type[T]) -> T:
        """Parse the JSON body; Fault `media-type-unsupported`, `body-…`."""
        return await request_body.read_body(self.request, shape)

    async def body_if_any(self, shape: type[T]) -> T:
        """Parse the JSON body, which may be absent; Fault `media-type-unsupported`, `body-…`."""
        return await request_body.read_body_if_any(self.request, shape)

    def link_to_next(self, **parameters: object) -> dict[str, str]:
        """Return the Link header to the next page of this path (RFC 8288); None leaves a parameter out."""
        kept = urlencode({name: value for name, value in parameters.items() if value is not None}, doseq=True)
        path = self.request.scope["raw_path"].decode("ascii")
        return {"Link": f'<{self.state.settings.public_url}{path}?{kept}>; rel="next"'}
