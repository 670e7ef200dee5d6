"""ETags of responses (RFC 9110 8.8.3) and conditional requests (RFC 9110 13)."""

from collections.abc import Iterable
from hashlib import sha256

from starlette.requests import Request

REVALIDATE, NEVER_KEEP = "private, no-cache", "no-store"


def of_octets(octets: bytes) -> str:
    """Return the tag of a response with these octets."""
    return f'"{sha256(octets).hexdigest()[:32]}"'


def of_versions(edition: str, versions: Iterable[tuple[str, int]], *, secret: bool) -> str:
    """Return the tag of a list from the ids and versions of its domains, so that the list need not be made.

    `edition` identifies the version of the service and the settings, on which every list depends.
    """
    made_from = f"{edition} {secret} " + " ".join(f"{domain_id}.{version}" for domain_id, version in versions)
    return of_octets(made_from.encode())


def is_known(request: Request, tag: str) -> bool:
    """Whether the request's If-None-Match has the tag (RFC 9110 13.1.2); several lines are one list (RFC 9110 5.3)."""
    listed = ",".join(request.headers.getlist("if-none-match"))
    return any(each.strip().removeprefix("W/") in (tag, "*") for each in listed.split(","))


def headers(tag: str, *, secret: bool) -> dict[str, str]:
    """Return the headers of a response with an ETag."""
    return {"ETag": tag, "Cache-Control": NEVER_KEEP if secret else REVALIDATE, "Vary": "Authorization"}
