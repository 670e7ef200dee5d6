"""The HTTP API and the web pages: both translate requests into operations and results into responses.

- `access`: authentication, rate, scope and quota of each request
- `app`: the ASGI application
- `auth`: API keys and the operator's token
- `context`: the state of the application and the context of one request
- `endpoint`: one row for each endpoint
- `errors`: the error envelope, and the status of each kind of fault
- `etags`: ETags and conditional requests
- `examples`: an example of every error for the OpenAPI document
- `http_protocol`: responses to protocol errors
- `list_cache`: cached lists of domains
- `long_polls`: requests that wait for a change of a domain
- `middleware`: tracking id, headers, log and metrics of every response
- `openapi`: the OpenAPI document and its page without scripts
- `pages`: the web pages
- `proxy_signs`: signs of a reverse proxy that the settings do not know
- `rate_limits`: requests per second and repeated requests
- `reference`: the API reference with search and samples
- `request_body`: strict parsing of bodies and queries
- `routes`: the endpoints of the API
- `schemas`: JSON of requests and responses
- `schemas_acceptance`: JSON of accepted findings
- `schemas_alerts`: JSON of alert channels
- `schemas_covers`: JSON of who may send from a name below a domain
- `schemas_domain_connect`: JSON of the Domain Connect template and its keys
- `schemas_dns_plans`: JSON of plans of what to write at DNS hosts
- `schemas_events`: JSON of events, webhooks and deliveries
- `schemas_keys`: JSON of API keys
- `schemas_links`: JSON of set-up links and apply links
- `schemas_members`: JSON of the people of an account
- `schemas_operator`: JSON of the domains of all accounts
- `schemas_profiles`: JSON of what an account sets of a domain
- `schemas_proofs`: JSON of proofs
- `schemas_records`: JSON of exports of records, and of many domains in one request
- `serialize`: values of the core as JSON
- `serialize_events`: events, webhooks and deliveries as JSON
- `serialize_keys`: API keys as JSON
- `serialize_links`: apply links and their keys as JSON
- `serialize_proofs`: proofs as JSON
- `server`: the server and its background tasks
- `templating`: templates, texts and branding of the pages
"""

from dataclasses import dataclass

from letterhead.core.secret import Secret

# In the lifespan state: the event that the server sets when it begins to stop, and the limits on connections.
STOPPING, CONNECTION_LIMITS = "letterhead.stopping", "letterhead.connection_limits"
PARENT_TRUSTED = "letterhead.parent_trusted"  # in the scope of a request whose traceparent is a trusted proxy's


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Settings of the operator: `rate` and `burst` limit requests per key, `failure_…` failed sign-ins per address."""

    public_url: str  # without a final slash, as clients see it: links and the OpenAPI document begin with it
    operator_token: Secret | None = None  # None: there is no operator
    brand_name: str = "Letterhead"
    brand_logo: str | None = None  # an https address
    brand_colour: str | None = None  # #rrggbb
    support: str | None = None  # what a link leads to: mailto: or https:
    embed_origins: tuple[str, ...] = ()  # whose pages may frame the set-up page
    trusts_proxies: bool = False  # whether LETTERHEAD_TRUSTED_PROXIES is set, or all come over a Unix socket
    rate: float = 50.0
    burst: int = 100
    failure_rate: float = 1.0
    failure_burst: int = 30
    share_failures: bool = False  # with the other processes on this store
    remember_callers: float = 0.8  # seconds, so that a revoked key is dead within 1 s
    flush_every: float = 1.0  # seconds between two writes of the requests counted
    kept_lists: int = 16 * 1024 * 1024  # octets of the cache of lists
