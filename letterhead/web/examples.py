"""One example of every error for the OpenAPI document, with sentences as the service sends them."""

from typing import Any

from letterhead.errors import Fault, Kind
from letterhead.web import errors

TRACKING = "3f1c9c0e-5b6e-4f6d-9a44-5a3c1f0f5e21"
_STORAGE = errors.public_fault(Fault(Kind.STORAGE_UNAVAILABLE, "as the operator's log has it"))
_NAME_FIX = "Type the domain you send from, such as acme.dev."

SENTENCES: dict[Kind, tuple[str, str]] = {
    Kind.REQUEST_MALFORMED: ("The bytes received are not a valid HTTP request.", "Use an HTTP library."),
    Kind.REQUEST_TOO_SLOW: ("The request took over 10 s.", "Send it in one go."),
    Kind.HEADERS_TOO_LARGE: ("The head is over 16384 bytes or 64 fields.", "Send less of it."),
    Kind.BODY_INVALID: ("The body has an unknown field 'domain'.", "The fields known here: mailFrom, sender."),
    Kind.BODY_NOT_JSON: ("The body is not the JSON that we read: it is not UTF-8 at octet 12.", "Send JSON in UTF-8."),
    Kind.BODY_TOO_LARGE: ("The body is larger than 64 KB.", "Send at most 64 KB."),
    Kind.MEDIA_TYPE_UNSUPPORTED: (
        "The body's Content-Type is 'text/plain', not JSON in UTF-8.",
        "Send JSON with the header `Content-Type: application/json`.",
    ),
    Kind.PARAMETER_INVALID: (
        "The query parameter 'limit' does not fit: expected `int` >= 1.",
        "Look at /docs for its values.",
    ),
    Kind.IDEMPOTENCY_KEY_REUSED: (
        "This Idempotency-Key was used for another request.",
        "Use a new key for each different request.",
    ),
    Kind.DOMAIN_REQUIRED: ("The domain is empty.", _NAME_FIX),
    Kind.DOMAIN_TYPE: ("The domain is a number, not text.", 'Send it as text: "acme.dev".'),
    Kind.DOMAIN_CHARSET: ("The domain holds a space at character 5.", _NAME_FIX),
    Kind.DOMAIN_TOO_LONG: ("The domain is longer than 253 octets.", _NAME_FIX),
    Kind.DOMAIN_TOO_MANY_LABELS: ("The domain has 11 labels; 10 are the most.", _NAME_FIX),
    Kind.DOMAIN_INVALID: ("'http://acme.dev' is a web address, not a domain.", "Type the domain alone: acme.dev."),
    Kind.DOMAIN_INVALID_IDN: ("'xn--a' is no label of IDNA 2008.", "Type the name as people read it."),
    Kind.DOMAIN_WILDCARD: ("'*.acme.dev' is a wildcard, not a domain.", "Add each name that you send from."),
    Kind.DOMAIN_IS_IP: ("'127.0.0.1' is an address, not a domain.", _NAME_FIX),
    Kind.DOMAIN_NOT_PUBLIC: ("'localhost' is not a name on the public Internet.", _NAME_FIX),
    Kind.DOMAIN_RESERVED: ("'example.com' is reserved for documentation.", "Type a domain that you own."),
    Kind.DOMAIN_PUBLIC_SUFFIX: ("'co.uk' is a public suffix: nobody's own.", "Type the domain below it that you own."),
    Kind.DOMAIN_SHARED_SUFFIX: ("'github.io' is shared by many owners.", "Type a domain that you own."),
    Kind.DOMAIN_FORBIDDEN: ("'gmail.com' belongs to a mailbox provider.", "Type a domain that you own."),
    Kind.SELECTOR_INVALID: ("The selector 'a_b' is not letters, digits and hyphens.", "Leave it away, or use 'lh1'."),
    Kind.SELECTOR_USED: ("The selector 'lh1' was used before for acme.dev.", "Leave it away, or use another one."),
    Kind.MAIL_FROM_INVALID: ("'bounce.other.dev' is not below acme.dev.", "Use a label, such as 'bounce'."),
    Kind.KEY_INVALID: ("The private key is not an RSA key in PEM.", "Send one, or leave it away."),
    Kind.FINDING_BLOCKING: (
        "dkim.missing at lh1._domainkey.acme.dev blocks sending, so it can't be accepted.",
        "Put it right: add a TXT record.",
    ),
    Kind.WEBHOOK_URL_INVALID: (
        "The webhook 'https://me:secret@hooks.acme.dev' is no plain URL.",
        "Write it like https://hooks.acme.dev/letterhead.",
    ),
    Kind.WEBHOOK_NOT_HTTPS: (
        "The webhook 'http://hooks.acme.dev' is not an https:// URL.",
        "Give the endpoint TLS, and its URL with https://.",
    ),
    Kind.WEBHOOK_NOT_PUBLIC: (
        "The webhook 'https://10.0.0.1/' can't be reached from here: 10.0.0.1 is not public.",
        "Use a host that has a public address.",
    ),
    Kind.WEBHOOK_EVENTS_INVALID: ("There is no event 'domain.lots'.", "Choose from: * (all), domain.created, …"),
    Kind.ALERT_URL_INVALID: (
        "The channel's address is none of a service that alerts go to, or has parameters.",
        "Write it as docs/alerts.md says, without parameters.",
    ),
    Kind.NOTE_INVALID: (
        "The note has 1204 characters, more than 1000.",
        "Shorten it to 1000 characters, and put the address of a longer text into it.",
    ),
    Kind.LABEL_INVALID: ("The label 'web' has no colon.", "Write it as key:value, for example team:web."),
    Kind.UNAUTHORIZED: ("The API key is missing or not valid.", "Send the header `Authorization: Bearer <API key>`."),
    Kind.NOTICE_REFUSED: (
        "The notice is not taken: its signature is wrong.",
        "Subscribe this URL to a topic that LETTERHEAD_SES_NOTICE_TOPICS names: docs/ses.md.",
    ),
    Kind.SCOPE_MISSING: ("This API key has the scope 'read'; this needs 'write'.", "Use a key of that scope."),
    Kind.KEY_BOUND: (
        "This API key is bound to some of the account's sender domains, and this concerns others or the whole account.",
        "Use a key of the account that is not bound to domains.",
    ),
    Kind.NOT_FOUND: ("This account has no sender domain 'acme.dev'.", "Look at GET /domains for the names it has."),
    Kind.TOO_MANY_REQUESTS: ("Too many requests with this key.", "Wait 1 s, as Retry-After says, then go on slower."),
    Kind.USAGE_LIMIT_EXCEEDED: (
        "The account made 1000 requests this month; 1000 are allowed. Resets at 2027-01-01T00:00:00Z.",
        "Wait until 2027-01-01T00:00:00Z, or ask for a higher limit. Reading the usage and deleting still work.",
    ),
    Kind.CONFLICT: ("acme.dev is being changed by several requests at once.", "Send the request again in a second."),
    Kind.PROVIDER_FAILED: ("The mail provider could not be asked about acme.dev.", "Ask again in a minute."),
    Kind.PROVIDER_THROTTLED: ("SES did not do what was asked about acme.dev: Too many requests.", "Nothing to do."),
    Kind.PROVIDER_REFUSED: (
        "SES did not do what was asked about acme.dev: not authorized to perform ses:TagResource.",
        "Allow ses:TagResource to the service's AWS user or role.",
    ),
    Kind.DNS_HOST_REFUSED: (
        "Cloudflare does not take the credential for the zone acme.dev: it may not edit DNS.",
        "Make a token that may edit the DNS of acme.dev, and send it with the request again.",
    ),
    Kind.DNS_HOST_FAILED: (
        "Cloudflare did not answer within 30 s. Nothing is known of what it wrote.",
        "Apply the plan again: it reads the zone first, and writes only what is missing.",
    ),
    Kind.ZONE_CHANGED: (
        "The zone acme.dev has changed since the plan was made: TXT lh1.acme.dev. Nothing was written.",
        "Make a new plan with POST /domains/acme.dev/dns-plan.",
    ),
    Kind.STORAGE_UNAVAILABLE: (_STORAGE.detail, _STORAGE.fix or ""),
    Kind.INTERNAL: (errors.new_internal().detail, errors.new_internal().fix or ""),
}


def envelope(kind: Kind) -> dict[str, Any]:
    """Return the example of one error."""
    message, fix = SENTENCES[kind]
    error = {"code": kind.value, "message": message, "fix": fix}
    if kind.startswith("provider-"):
        error |= {"provider": "ses", "providerCode": "TooManyRequestsException"}
    return {"trackingId": TRACKING, "error": error}
