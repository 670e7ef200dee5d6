"""The stylesheet, the script and the logo of the pages, and the files of the API reference, cached for a year."""

from collections.abc import Mapping

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.web import etags, reference
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import page_fault


async def asset(context: RequestContext) -> Response:
    """Respond with an asset, whose address changes with its content; Fault `not-found`."""
    return _respond(context, context.state.templates.assets)


async def reference_file(context: RequestContext) -> Response:
    """Respond with a file of the API reference; Fault `not-found`."""
    return _respond(context, reference.files())


async def plain_reference(context: RequestContext) -> Response:
    """Show the description of the API as one page without scripts."""
    page = context.state.docs_page()
    return Response(page.html, headers={"Content-Security-Policy": page.policy}, media_type="text/html; charset=utf-8")


def _respond(context: RequestContext, files: Mapping[str, tuple[str, bytes]]) -> Response:
    found = files.get(context.part("name"))
    if found is None:
        raise page_fault(context, Kind.NOT_FOUND, "no_file")
    media_type, body = found
    tag = etags.of_octets(body)
    headers = {"ETag": tag, "Cache-Control": "public, max-age=31536000, immutable"}
    if etags.is_known(context.request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


PAGES = (
    Endpoint(method="GET", path="/assets/{name}", serve=asset, access=Access.OPEN),
    Endpoint(method="GET", path="/docs/plain", serve=plain_reference, access=Access.OPEN),
    Endpoint(method="GET", path="/docs/{name}", serve=reference_file, access=Access.OPEN),
)
