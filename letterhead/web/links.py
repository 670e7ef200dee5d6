"""Knows how a page of a list leads to the next one (RFC 8288)."""

from urllib.parse import urlencode

from letterhead.web.endpoint import Call


def next_page(call: Call, **parameters: object) -> dict[str, str]:
    """Gives the header that leads from this path to the next page; parameters without a value are left out."""
    kept = urlencode({name: value for name, value in parameters.items() if value is not None})
    path = call.request.scope["raw_path"].decode("ascii")
    return {"Link": f'<{call.house.settings.public_url}{path}?{kept}>; rel="next"'}
