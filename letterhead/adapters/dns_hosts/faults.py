"""Faults for what a library of a DNS host raises: by status and code alone, since its text may hold the credential."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import dns.exception
import dns.rcode
import dns.tsig

from letterhead.errors import Fault, Kind
from letterhead.ports.dns_host import DnsHostAccess

_DEEPEST: Final = 8  # errors that one may be the cause of another
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

# By the name of the exception, for providers that raise one of their own and keep no status.
_BY_NAME: Final[tuple[tuple[re.Pattern[str], int], ...]] = (
    (re.compile(r"Unauthori[sz]ed|Authentication|InvalidKey|InvalidCredential|NotCredential|RefreshError"), 401),
    (re.compile(r"Forbidden|NotGrantedCall|BadSignature"), 403),
    (re.compile(r"NotFound"), 404),
    (re.compile(r"RateLimit|Throttl|TooManyRequests"), 429),
    (re.compile(r"BadRequest|BadParameters|SupportsException|Conflict"), 422),
)
_BY_CODE: Final = {
    "unauthorized": 401, "invalid_grant": 401, "InvalidClientTokenId": 403, "SignatureDoesNotMatch": 403,
    "AccessDenied": 403, "ExpiredToken": 403, "UnrecognizedClientException": 403, "forbidden": 403, "not_found": 404,
    "NoSuchHostedZone": 404, "Throttling": 429, "ThrottlingException": 429, "PriorRequestNotComplete": 429,
    "rate_limit_exceeded": 429, "invalid_input": 422, "uniqueness_error": 409, "conflict": 409,
    "REFUSED": 403, "NOTAUTH": 403, "BADKEY": 403, "BADSIG": 403, "BADTIME": 403, "NOTZONE": 404,
    "NXRRSET": 409, "YXRRSET": 409, "NXDOMAIN": 409, "YXDOMAIN": 409,
}  # fmt: skip


def zone_missing(host: DnsHostAccess, zone: str) -> Fault:
    """Return the fault for a zone that the host does not have, or does not show to this credential."""
    return Fault(
        Kind.NOT_FOUND,
        f"{host.name} has no zone {zone} that this credential may see.",
        f"Check that {zone} is served by {host.name}, and that the credential is for it: {host.scope}",
        provider=host.id,
    )


def fault_of(error: BaseException, host: DnsHostAccess, zone: str) -> Fault:
    """Return the fault for an error of a library; its own text is never shown."""
    status, code = status_of(error)
    match status:
        case 401 | 403:
            return Fault(
                Kind.DNS_HOST_REFUSED,
                f"{host.name} does not take this credential for the zone {zone} ({code}).",
                f"Make a new credential and give that one. The narrowest that is enough: {host.scope}",
                provider=host.id,
                provider_code=code,
            )
        case 404:
            return zone_missing(host, zone)
        case 429:
            return Fault(
                Kind.DNS_HOST_FAILED,
                f"{host.name} takes no more requests with this credential for now ({code}).",
                "Wait a few minutes, then ask again.",
                provider=host.id,
                provider_code=code,
                retry_after=300,
            )
        case 400 | 405 | 409 | 412 | 422:
            return Fault(
                Kind.CONFLICT,  # the credential is good: what is kept stays in use
                f"{host.name} does not take the change of the zone {zone} ({code}).",
                "Look at what the zone holds now, then plan again; or change the records in the host's own pages.",
                provider=host.id,
                provider_code=code,
            )
        case _:
            return Fault(
                Kind.DNS_HOST_FAILED,
                f"{host.name} can't be reached for the zone {zone}, or its answer can't be read ({code}).",
                "Look at what the zone holds now, then ask again in a few minutes.",
                provider=host.id,
                provider_code=code,
                retry_after=60,
            )


def status_of(error: BaseException) -> tuple[int, str]:
    """Return an HTTP status, 0 where nothing tells one, and the code to show: the host's own, or the error's name."""
    shown: str | None = None
    for each in causes_of(error):
        code, status = own_code(each), http_status(each)
        shown = shown or code
        if code is not None and code in _BY_CODE:
            return _BY_CODE[code], code
        if status is not None:
            return status, code or str(status)
        for pattern, meant in _BY_NAME:
            if pattern.search(type(each).__name__):
                return meant, code or str(meant)
    return 0, shown or type(error).__name__


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Return an error and what caused it, one after the other."""
    each: BaseException | None = error
    for _ in range(_DEEPEST):
        if each is None:
            return
        yield each
        each = each.__cause__ or each.__context__


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status that an error tells of, None where it tells of none."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # of botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(response, "status_code", None) or getattr(error, "status_code", None)
        found = found or getattr(error, "code", None)
    return int(found) if isinstance(found, int) and 400 <= found < 600 else None


def own_code(error: BaseException) -> str | None:
    """Return a code in the host's own words, which never holds a credential: it is one short word."""
    response = getattr(error, "response", None)
    found = response.get("Error", {}).get("Code") if isinstance(response, Mapping) else getattr(error, "code", None)
    rcode = getattr(error, "rcode", None)
    match error:
        case dns.tsig.PeerBadKey() | dns.tsig.BadKey():
            found = "BADKEY"
        case dns.tsig.PeerBadSignature() | dns.tsig.BadSignature():
            found = "BADSIG"
        case dns.tsig.PeerBadTime() | dns.tsig.BadTime():
            found = "BADTIME"
        case _:
            found = dns.rcode.to_text(dns.rcode.Rcode(rcode)) if isinstance(rcode, int) else found
    return found if isinstance(found, str) and _CODE.fullmatch(found) else None
