"""The stylesheet, the script and the logo of the pages, which browsers may cache for a year."""

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.web import etags
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import page_fault


async def asset(context: RequestContext) -> Response:
    """Respond with an asset, whose address changes with its content; Fault `not-found`."""
    found = context.state.templates.assets.get(context.part("name"))
    if found is None:
        raise page_fault(context, Kind.NOT_FOUND, "no_file")
    media_type, body = found
    tag = etags.of_octets(body)
    headers = {"ETag": tag, "Cache-Control": "public, max-age=31536000, immutable"}
    if etags.is_known(context.request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


PAGES = (Endpoint(method="GET", path="/assets/{name}", serve=asset, access=Access.OPEN),)
