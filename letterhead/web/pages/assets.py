"""Knows how the one stylesheet, the one script and the one picture are served: kept by the browser while they last."""

from hashlib import sha256

from letterhead.errors import Kind
from letterhead.web.pages.view import View, Visitor, Who
from letterhead.web.responses import Answer


async def asset(visitor: Visitor) -> Answer:
    """Gives an asset; its address changes with its content, so that it may be kept for a year."""
    found = visitor.desk.rendering.assets.get(visitor.part("name"))
    if found is None:
        raise visitor.fault(Kind.NOT_FOUND, "no_file")
    media_type, body = found
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=31536000, immutable"}
    if visitor.request.headers.get("if-none-match") == tag:
        return Answer(body=b"", status=304, media_type=media_type, headers=headers)
    return Answer(body=body, media_type=media_type, headers=headers)


VIEWS = (View(method="GET", path="/assets/{name}", serve=asset, who=Who.ANYBODY),)
