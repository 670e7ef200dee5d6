"""The one exception of the service, `Fault`, and the closed list of its kinds.

Facts about the world (a record is absent, a provider says "failed") are values, never exceptions.
A `Fault` is something that the caller can act on. Everything else that is raised is a bug.
"""

from enum import StrEnum


class Kind(StrEnum):
    """The stable codes that a client may see; the web maps each to a status (web/errors.py)."""

    # the request itself
    REQUEST_MALFORMED = "request-malformed"
    REQUEST_TOO_SLOW = "request-too-slow"
    HEADERS_TOO_LARGE = "headers-too-large"
    BODY_INVALID = "body-invalid"
    BODY_TOO_LARGE = "body-too-large"
    BODY_NOT_JSON = "body-not-json"
    PARAMETER_INVALID = "parameter-invalid"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    # the domain's name; the order of the checks is that of: letterhead/core/names/domain_names.py
    DOMAIN_REQUIRED = "domain-required"
    DOMAIN_TYPE = "domain-type"
    DOMAIN_CHARSET = "domain-charset"
    DOMAIN_TOO_LONG = "domain-too-long"
    DOMAIN_TOO_MANY_LABELS = "domain-too-many-labels"
    DOMAIN_INVALID = "domain-invalid"
    DOMAIN_INVALID_IDN = "domain-invalid-idn"
    DOMAIN_WILDCARD = "domain-wildcard"
    DOMAIN_IS_IP = "domain-is-ip"
    DOMAIN_NOT_PUBLIC = "domain-not-public"
    DOMAIN_RESERVED = "domain-reserved"
    DOMAIN_PUBLIC_SUFFIX = "domain-public-suffix"
    DOMAIN_SHARED_SUFFIX = "domain-shared-suffix"
    DOMAIN_FORBIDDEN = "domain-forbidden"
    # what goes with a domain
    SELECTOR_INVALID = "selector-invalid"
    SELECTOR_USED = "selector-used"
    MAIL_FROM_INVALID = "mail-from-invalid"
    KEY_INVALID = "key-invalid"
    FINDING_BLOCKING = "finding-blocking"
    NOTE_INVALID = "note-invalid"
    LABEL_INVALID = "label-invalid"
    # webhooks
    WEBHOOK_URL_INVALID = "webhook-url-invalid"
    WEBHOOK_NOT_HTTPS = "webhook-not-https"
    WEBHOOK_NOT_PUBLIC = "webhook-not-public"
    WEBHOOK_EVENTS_INVALID = "webhook-events-invalid"
    ALERT_URL_INVALID = "alert-url-invalid"
    # what the provider sends by itself
    NOTICE_REFUSED = "notice-refused"
    # who asks
    UNAUTHORIZED = "unauthorized"
    SCOPE_MISSING = "scope-missing"
    KEY_BOUND = "key-bound"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported"
    TOO_MANY_REQUESTS = "too-many-requests"
    USAGE_LIMIT_EXCEEDED = "usage-limit-exceeded"
    CONFLICT = "conflict"
    # what the service depends on
    PROVIDER_FAILED = "provider-failed"
    PROVIDER_THROTTLED = "provider-throttled"
    PROVIDER_REFUSED = "provider-refused"
    DNS_HOST_REFUSED = "dns-host-refused"
    DNS_HOST_FAILED = "dns-host-failed"
    ZONE_CHANGED = "zone-changed"
    STORAGE_UNAVAILABLE = "storage-unavailable"
    # how the service was set up
    CONFIG_INVALID = "config-invalid"
    SCHEMA_OUTDATED = "schema-outdated"
    KEYRING_WRONG = "keyring-wrong"
    DATABASE_IN_USE = "database-in-use"
    ARCHIVE_INVALID = "archive-invalid"
    UNREACHABLE = "unreachable"
    INTERNAL = "internal"


class Fault(Exception):
    """A refusal that the caller can act on: `detail` is what happened to which thing, `fix` what to do next.

    `provider` and `provider_code` name the outside provider that caused it; `retry_after` is in seconds.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        fix: str | None = None,
        *,
        provider: str | None = None,
        provider_code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.fix = fix
        self.provider = provider
        self.provider_code = provider_code
        self.retry_after = retry_after

    @property
    def log_level(self) -> str:
        """Return the level that a log tells of it: the operator must act on an error, and look at a warning."""
        return "error" if self.kind in OPERATORS_OWN else "warning"


OPERATORS_OWN = frozenset({Kind.STORAGE_UNAVAILABLE, Kind.SCHEMA_OUTDATED, Kind.KEYRING_WRONG, Kind.INTERNAL})
