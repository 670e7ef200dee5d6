"""The OpenAPI 3.1 document, made from the list of endpoints, and its HTML page."""

import base64
import json
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from letterhead import __version__
from letterhead.errors import Kind
from letterhead.web import errors, examples
from letterhead.web.context import HtmlDocument
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.errors import ErrorEnvelope
from letterhead.web.serialize import SNAPSHOT_NAMES

JsonObject = dict[str, Any]

TEMPLATES = Path(__file__).with_name("templates")
REFERENCE = "#/components/schemas/{name}"
# Generated clients keep the names of their types.
PUBLISHED_NAMES = {"PublicChange": "ToldChange", "MessageBody": "Message", "ProofVerdict": "Verdict"}

SIGN_IN = (Kind.UNAUTHORIZED, Kind.TOO_MANY_REQUESTS)
BODY = (Kind.BODY_INVALID, Kind.BODY_NOT_JSON, Kind.BODY_TOO_LARGE, Kind.MEDIA_TYPE_UNSUPPORTED)
EVERYWHERE = (Kind.STORAGE_UNAVAILABLE, Kind.INTERNAL)
# The HTTP protocol answers these before any endpoint is known, in the same envelope.
OF_THE_SERVER = (Kind.REQUEST_MALFORMED, Kind.REQUEST_TOO_SLOW, Kind.HEADERS_TOO_LARGE)

INFO = {
    "title": "Letterhead",
    "version": __version__,
    "summary": "Manages the domains that an application sends mail from.",
    "description": (
        "Every error of every route has one body, the ErrorEnvelope. Its `trackingId` also stands in the header "
        "`X-Tracking-Id` of every answer and in the service's log. An optional field that has no value is absent."
    ),
}
HEADERS = {
    "If-None-Match": "The ETag of the answer that the client has; 304 if it is still the same.",
    "Idempotency-Key": "Makes a repeated request harmless: 1 to 255 visible ASCII characters.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}}
PARTS = {
    "sender": "acme.dev",
    "code": "dmarc.policy-none",
    "linkId": "link_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "eventId": "01a207b9-1e9a-7c1f-8f5e-2144d6a95b6e",
    "webhookId": "wh_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "proofId": "proof3a5c1f0f5e2144d6a95b6e01a207b91e9a3c1f0f5e2144",
    "deliveryId": "01a207b9-1e9a-7c1f-8f5e-2144d6a95b6e",
    "planId": "plan_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "credentialId": "dns_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "channelId": "alert_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "keyId": "key_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "memberId": "mem_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "invitationId": "inv_01a207b91e9a3c1f0f5e2144d6a95b6e",
    "keyName": "_dcpubkeyv1",
    "token": "acc_01a207b91e9af674b8ad4b5ba4f98fbb.b2s6Q0x1YV9zaWduYXR1cmVf",
    "accountId": "acc_01a207b91e9af674b8ad4b5ba4f98fbb",
}
SECURITY_SCHEMES = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "basic": {"type": "http", "scheme": "basic", "description": "User: the account id. Password: an API key."},
    "operator": {"type": "http", "scheme": "bearer", "description": "The operator's token."},
}
SECURITY_OF: dict[Access, list[JsonObject]] = {Access.OPEN: [], Access.OPERATOR: [{"operator": []}]}


def describe(endpoints: Sequence[Endpoint], root: str = "") -> JsonObject:
    """Describe all endpoints, which are below the path `root`, as one OpenAPI 3.1 document."""
    wanted: list[Any] = [ErrorEnvelope]
    for endpoint in endpoints:
        wanted.extend(shape for shape in (endpoint.answer, endpoint.body, endpoint.query) if shape is not None)
    schemas, components = msgspec.json.schema_components(wanted, ref_template=REFERENCE)
    named = {repr(shape): schema for shape, schema in zip(wanted, schemas, strict=True)}
    queries = [endpoint.query.__name__ for endpoint in endpoints if endpoint.query]
    paths: dict[str, JsonObject] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, named, components)
    kinds = sorted({kind for endpoint in endpoints for kind in kinds_of(endpoint)})
    schemas_without_title = {
        name: {key: value for key, value in schema.items() if key != "title"}
        for name, schema in components.items()
        if name not in queries
    }
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": root.rstrip("/") or "/"}],
        "tags": [{"name": topic} for topic in dict.fromkeys(endpoint.topic for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": schemas_without_title,
            "examples": {kind.value: {"value": examples.envelope(kind)} for kind in kinds},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _operation(endpoint: Endpoint, named: JsonObject, components: JsonObject) -> JsonObject:
    summary, _, more = (endpoint.serve.__doc__ or "").partition("\n")
    operation: JsonObject = {
        "operationId": endpoint.serve.__name__,
        "tags": [endpoint.topic],
        "summary": summary,
        "security": SECURITY_OF.get(endpoint.access, [{"apiKey": []}, {"basic": []}]),
        "responses": _responses(endpoint, named),
    }
    if more.strip():
        operation["description"] = " ".join(more.split())
    parameters = list(_parameters(endpoint, components))
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        content = {"application/json": {"schema": named[repr(endpoint.body)]}}
        operation["requestBody"] = {"required": not endpoint.body_optional, "content": content}
    return operation


def _parameters(endpoint: Endpoint, components: JsonObject) -> Iterable[JsonObject]:
    for part in endpoint.path.split("/"):
        if part.startswith("{"):
            name = part[1:-1]
            schema = {"type": "string", "examples": [PARTS[name]]}
            yield {"name": name, "in": "path", "required": True, "schema": schema}
    if endpoint.query is not None:
        for name, schema in components[endpoint.query.__name__]["properties"].items():
            yield {"name": name, "in": "query", "schema": schema}
    for name in endpoint.headers:
        yield {"name": name, "in": "header", "description": HEADERS[name], "schema": {"type": "string"}}


def kinds_of(endpoint: Endpoint) -> list[Kind]:
    """Return the kinds of all faults that an endpoint can answer with."""
    kinds = [*endpoint.faults, *EVERYWHERE, *OF_THE_SERVER]
    if endpoint.body is not None:
        kinds += BODY
    if endpoint.access is not Access.OPEN:
        kinds += SIGN_IN
    if endpoint.access in (Access.READ, Access.WRITE, Access.FULL):
        kinds += [Kind.SCOPE_MISSING] if endpoint.access is not Access.READ else []
        kinds += [] if endpoint.free else [Kind.USAGE_LIMIT_EXCEEDED]
        kinds += [Kind.NOT_FOUND] if endpoint.names_sender else [] if endpoint.for_bound else [Kind.KEY_BOUND]
    return list(dict.fromkeys(kinds))


def _responses(endpoint: Endpoint, named: JsonObject) -> JsonObject:
    if 204 in endpoint.statuses:
        responses: JsonObject = {"204": {"description": "Done", "headers": _headers()}}
    else:
        responses = {"201" if 201 in endpoint.statuses else "200": _success(endpoint, named)}
    if 304 in endpoint.statuses:
        responses["304"] = {"description": "Not Modified", "headers": _headers()}
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds_of(endpoint):
        by_status.setdefault(errors.status_of(kind), []).append(kind)
    for status, kinds in sorted(by_status.items()):
        schema = {"$ref": REFERENCE.format(name="ErrorEnvelope")}
        shown = {kind.value: {"$ref": f"#/components/examples/{kind}"} for kind in sorted(kinds)}
        responses[str(status)] = {
            "description": errors.title(status),
            "headers": _headers() | (RETRY_AFTER if status in (429, 503) else {}),
            "content": {"application/json": {"schema": schema, "examples": shown}}
            | ({"text/html": {"schema": {"type": "string"}}} if endpoint.is_page else {}),
        }
    if 503 in endpoint.statuses:  # /readyz, which says in a shape of its own that the store is out of reach
        responses["503"] = _success(endpoint, named) | {"description": "Not ready"}
    return responses


def _headers() -> JsonObject:
    description = "The same as trackingId in errors and in the log."
    return {"X-Tracking-Id": {"description": description, "schema": {"type": "string"}}}


def _success(endpoint: Endpoint, named: JsonObject) -> JsonObject:
    schema = {"type": "string"} if endpoint.answer is None else named[repr(endpoint.answer)]
    return {
        "description": "Successful response",
        "headers": _headers(),
        "content": {endpoint.media_type: {"schema": schema}}
        | {media_type: {"schema": {"type": "string"}} for media_type in endpoint.text_types},
    }


def text(described: JsonObject) -> bytes:
    """Return the document as it is served and committed."""
    written = json.dumps(described, indent=2, ensure_ascii=False)
    for name, published in PUBLISHED_NAMES.items():
        written = written.replace(f'{REFERENCE.format(name=name)}"', f'{REFERENCE.format(name=published)}"')
        written = written.replace(f'"{name}": {{', f'"{published}": {{')
    for stored, public in SNAPSHOT_NAMES.items():
        written = written.replace(f'"{stored}"', f'"{public}"')
    return written.encode() + b"\n"


def page(described: JsonObject) -> HtmlDocument:
    """Return the document as an HTML page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # loaded on first use

    style = (TEMPLATES / "docs.css").read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    to_text = partial(json.dumps, indent=2, ensure_ascii=False)
    html = environment.get_template("docs.html").render(document=described, style=style, shown=to_text)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    return HtmlDocument(html=html.encode(), policy=policy)


def main() -> None:
    """Write the document to standard output, to be committed as docs/openapi.json."""
    from letterhead.web.routes import ENDPOINTS

    sys.stdout.buffer.write(text(describe(ENDPOINTS)))


if __name__ == "__main__":
    main()
