"""Knows how an answer is named by its ETag (RFC 9110 8.8.3), and whether the client has it already."""

from collections.abc import Iterable
from hashlib import sha256

from letterhead.web.request import Request

REVALIDATE, NEVER_KEEP = "private, no-cache", "no-store"


def of_octets(octets: bytes) -> str:
    """Names an answer by what stands in it."""
    return f'"{sha256(octets).hexdigest()[:32]}"'


def of_marks(edition: str, marks: Iterable[tuple[str, int]], *, secret: bool) -> str:
    """Names a list by what it is made from, so that it need not be made: ids and versions of its domains.

    `edition` stands for all that goes into every list: this version of the service and its settings.
    """
    made_from = f"{edition} {secret} " + " ".join(f"{domain_id}.{version}" for domain_id, version in marks)
    return of_octets(made_from.encode())


def asked(request: Request) -> str | None:
    """Gives the tags that the client knows, as it wrote them."""
    return next((value.decode("latin-1") for name, value in request.scope["headers"] if name == b"if-none-match"), None)


def known(request: Request, tag: str) -> bool:
    """Says whether the client has it already (RFC 9110 13.1.2)."""
    told = asked(request)
    return told is not None and any(each.strip().removeprefix("W/") in (tag, "*") for each in told.split(","))


def headers(tag: str, *, secret: bool) -> dict[str, str]:
    """Gives the headers of an answer that has a tag."""
    return {"ETag": tag, "Cache-Control": NEVER_KEEP if secret else REVALIDATE, "Vary": "Authorization"}
