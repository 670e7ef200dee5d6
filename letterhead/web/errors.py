"""The error envelope: one body for every error of every layer, and the status and headers of each kind of fault."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import assert_never

import msgspec

from letterhead.core.secret import redact_keys
from letterhead.errors import Fault, Kind

STORAGE_RETRY_AFTER = 5  # seconds: a database that restarts or fails over mostly answers again by then


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An error: `fix` is what to do, `provider` and `providerCode` name the outside provider that caused it."""

    code: str
    message: str
    fix: str | msgspec.UnsetType = msgspec.UNSET
    provider: str | msgspec.UnsetType = msgspec.UNSET
    provider_code: str | msgspec.UnsetType = msgspec.UNSET


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of every error response; `trackingId` is also in the header `X-Tracking-Id` and in the service's log."""

    tracking_id: str
    error: ErrorBody


def status_of(kind: Kind) -> int:
    """Return the HTTP status of a fault."""
    # Long because it is a table, one line per status.
    match kind:
        case Kind.BODY_INVALID | Kind.BODY_NOT_JSON | Kind.PARAMETER_INVALID | Kind.REQUEST_MALFORMED:
            return 400
        case Kind.DOMAIN_REQUIRED | Kind.DOMAIN_TYPE | Kind.DOMAIN_CHARSET | Kind.DOMAIN_TOO_LONG:
            return 400
        case Kind.DOMAIN_TOO_MANY_LABELS | Kind.DOMAIN_INVALID | Kind.DOMAIN_INVALID_IDN | Kind.DOMAIN_WILDCARD:
            return 400
        case Kind.DOMAIN_IS_IP | Kind.DOMAIN_NOT_PUBLIC | Kind.DOMAIN_RESERVED | Kind.DOMAIN_PUBLIC_SUFFIX:
            return 400
        case Kind.DOMAIN_SHARED_SUFFIX | Kind.DOMAIN_FORBIDDEN:
            return 400
        case Kind.SELECTOR_INVALID | Kind.MAIL_FROM_INVALID | Kind.KEY_INVALID:
            return 400
        case Kind.WEBHOOK_URL_INVALID | Kind.WEBHOOK_NOT_HTTPS | Kind.WEBHOOK_NOT_PUBLIC:
            return 400
        case Kind.WEBHOOK_EVENTS_INVALID | Kind.ALERT_URL_INVALID | Kind.NOTE_INVALID | Kind.LABEL_INVALID:
            return 400
        case Kind.UNAUTHORIZED:
            return 401
        case Kind.USAGE_LIMIT_EXCEEDED:
            return 402
        case Kind.SCOPE_MISSING | Kind.KEY_BOUND | Kind.NOTICE_REFUSED | Kind.DNS_HOST_REFUSED:
            return 403
        case Kind.NOT_FOUND:
            return 404
        case Kind.METHOD_NOT_ALLOWED:
            return 405
        case Kind.REQUEST_TOO_SLOW:
            return 408
        case Kind.FINDING_BLOCKING:
            return 409
        case Kind.CONFLICT | Kind.SELECTOR_USED | Kind.IDEMPOTENCY_KEY_REUSED | Kind.ZONE_CHANGED:
            return 409
        case Kind.BODY_TOO_LARGE:
            return 413
        case Kind.MEDIA_TYPE_UNSUPPORTED:
            return 415
        case Kind.HEADERS_TOO_LARGE:
            return 431
        case Kind.TOO_MANY_REQUESTS:
            return 429
        case Kind.PROVIDER_FAILED | Kind.PROVIDER_THROTTLED | Kind.PROVIDER_REFUSED | Kind.DNS_HOST_FAILED:
            return 502
        case Kind.STORAGE_UNAVAILABLE:
            return 503
        case Kind.SCHEMA_OUTDATED | Kind.KEYRING_WRONG | Kind.DATABASE_IN_USE | Kind.ARCHIVE_INVALID:
            return 500
        case Kind.CONFIG_INVALID | Kind.UNREACHABLE | Kind.INTERNAL:
            return 500
        case _:
            assert_never(kind)


def new_internal() -> Fault:
    """Return the fault for a bug, with a fixed text; the log has the exception under the same trackingId."""
    return Fault(
        Kind.INTERNAL,
        "Something went wrong on our side, and it was written down.",
        "Send the request again; if it stays so, give the operator the trackingId.",
    )


def public_fault(fault: Fault) -> Fault:
    """Return the fault without what only the operator may see: paths, addresses, the database's own messages."""
    match fault.kind:
        case Kind.STORAGE_UNAVAILABLE:
            detail = "The service's storage can't be used at the moment; the reason is in the operator's log."
            fix = f"Repeat the request in {STORAGE_RETRY_AFTER} s; a POST with the same Idempotency-Key."
            return Fault(fault.kind, detail, fix, retry_after=STORAGE_RETRY_AFTER)
        case Kind.SCHEMA_OUTDATED | Kind.KEYRING_WRONG | Kind.DATABASE_IN_USE | Kind.CONFIG_INVALID | Kind.UNREACHABLE:
            detail = "The service is not set up as it should be; what is wrong is in the operator's log."
            return Fault(fault.kind, detail, "Give the operator the trackingId.")
        case _:
            return fault


def fault_of_status(status: int, method: str, path: str) -> Fault:
    """Return the fault for a status: 405 for a method that a path has not, 404 for a path that there is not."""
    shown = f"{method} {path[:200]}"
    if status == 405:
        return Fault(
            Kind.METHOD_NOT_ALLOWED, f"{shown} is not possible.", "The header Allow lists the methods that are."
        )
    return Fault(Kind.NOT_FOUND, f"There is nothing at {shown}.", "Look at /docs for what there is.")


def envelope(fault: Fault, tracking_id: str) -> bytes:
    """Encode a fault as JSON."""
    return msgspec.json.encode(ErrorEnvelope(tracking_id=tracking_id, error=error_body(fault)))


def error_body(fault: Fault) -> ErrorBody:
    """Return a fault as JSON shows it; text from outside is made printable first."""
    return ErrorBody(
        code=fault.kind,
        message=_printable(fault.detail),
        fix=_printable(fault.fix) if fault.fix else msgspec.UNSET,
        provider=fault.provider or msgspec.UNSET,
        provider_code=fault.provider_code or msgspec.UNSET,
    )


def _printable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 can't encode, and redact what may be an API key."""
    return redact_keys(text.encode("utf-8", "replace").decode())


def headers_of(fault: Fault) -> Mapping[str, str]:
    """Return the headers that belong to a fault, whoever raised it."""
    headers: dict[str, str] = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.kind is Kind.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def title(status: int) -> str:
    """Return the reason phrase of a status (RFC 9110 15)."""
    return HTTPStatus(status).phrase
