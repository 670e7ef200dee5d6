"""The HTTP API and the web pages: both translate requests into operations and results into responses.

`app` puts them together: `middleware`, `routes` and `pages`, each request in a `context`, behind `access` and `auth`,
which use `rate_limits`. `endpoint` is a row of the tables that routing and `openapi` (with `examples`) read. The API
reads by `request_body`, and answers by `schemas`, `schemas_events`, `schemas_links` and `schemas_proofs`, which
`serialize`, `serialize_events` and `serialize_proofs` fill; `errors` is the error envelope, `etags` and `list_cache`
spare work. `templating` makes HTML. `server` runs it all on uvicorn, with our `http_protocol`.
"""

from dataclasses import dataclass

from letterhead.core.secret import Secret

STOPPING = "letterhead.stopping"  # in the lifespan state: the event that the server sets when it begins to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """What an operator may set: `rate` and `burst` are requests per second and key, `failures` per address."""

    public_url: str  # without a final slash, as clients see it: links and the OpenAPI document begin with it
    operator_token: Secret | None = None  # without one, nobody is the operator
    brand_name: str = "Letterhead"
    brand_logo: str | None = None  # an https address
    brand_colour: str | None = None  # #rrggbb
    support: str | None = None  # what a link leads to: mailto: or https:
    embed_origins: tuple[str, ...] = ()  # whose pages may frame the set-up page
    rate: float = 50.0
    burst: int = 100
    failure_rate: float = 1.0
    failure_burst: int = 30
    share_failures: bool = False  # with the other processes on this store
    remember_callers: float = 0.8  # seconds, so that a revoked key is dead within 1 s
    flush_every: float = 1.0  # seconds between two writes of the requests counted
    kept_lists: int = 16 * 1024 * 1024  # octets of lists kept to be answered again
