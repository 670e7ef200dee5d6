"""Errors of SES, and the advice for each."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from letterhead.core.domain.provider_identity import IdentityUnknown
from letterhead.errors import Fault, Kind

NAME: Final = "ses"
NOT_FOUND, ALREADY_EXISTS = "NotFoundException", "AlreadyExistsException"
DENIED: Final = "AccessDenied"  # and AccessDeniedException
BUDGET: Final = "LetterheadBudget"  # our own code: the account's slots are taken for longer than we would wait
THROTTLED: Final = frozenset(
    {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded", "SlowDown"}
)
# The cause is the account, the key or the request, and stays until somebody changes it.
PERMANENT: Final = frozenset({"BadRequestException", "ParamValidationError", "NotImplemented"})
UNREACHED: Final = frozenset({"EndpointConnectionError", "ConnectTimeoutError"})
MOST: Final = 300  # characters of an answer that are repeated

_CREDENTIALS = (
    "Check the credentials: `aws sts get-caller-identity` must work in the service's own environment. "
    "`letterhead doctor` tells whom AWS takes it for."
)
_EXPIRED = "The temporary credentials have run out: renew them, or use a role that renews itself."
_REGION = (
    "Check LETTERHEAD_SES_REGION: SES must be offered in that region, and a region that is off by default must be "
    "enabled for the AWS account."
)
_LATER = "Nothing to do: it is tried again by itself."
ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "LimitExceededException": "The AWS account holds as many identities or tenants as it may in this region "
        "(10,000 unless raised): delete unused ones (`letterhead reconcile` lists strangers), or ask AWS support for "
        "more.",
        "AccountSuspendedException": "AWS has suspended the account's sending: answer its case in the AWS console.",
        "SendingPausedException": "Sending is paused for the AWS account: see SES, account dashboard, in the console.",
        "BadRequestException": "SES does not take this as it is: its own words say why.",
        "NoCredentialsError": _CREDENTIALS,
        "CredentialRetrievalError": _CREDENTIALS,
        "PartialCredentialsError": _CREDENTIALS,
        "UnauthorizedSSOTokenError": _CREDENTIALS,
        "InvalidSignatureException": _CREDENTIALS + " The machine's clock must be right too.",
        "SignatureDoesNotMatch": _CREDENTIALS + " The machine's clock must be right too.",
        "MissingAuthenticationTokenException": _CREDENTIALS,
        "ExpiredTokenException": _EXPIRED,
        "ExpiredToken": _EXPIRED,
        "RequestExpired": "The machine's clock is wrong: run a time service (timedatectl set-ntp true).",
        "UnrecognizedClientException": f"{_CREDENTIALS} AWS says the same of a region that is off: {_REGION}",
        "InvalidClientTokenId": f"{_CREDENTIALS} AWS says the same of a region that is off: {_REGION}",
        "OptInRequired": _REGION,
        "SubscriptionRequiredException": _REGION,
        "UnknownEndpoint": _REGION,
        "EndpointConnectionError": f"{_REGION} The machine must reach email.<region>.amazonaws.com on port 443.",
        "ConnectTimeoutError": "The machine must reach email.<region>.amazonaws.com on port 443; otherwise it passes.",
    }
)
_ACTION: Final = re.compile(r"not authorized to perform: (ses:\w+|sts:\w+)")
# Never repeated: what may be a key that was sent, and the operator's own account, since customers read it too.
_REDACTED: Final = re.compile(r"[A-Za-z0-9+/=]{64,}|arn:aws[\w*/:.@+=,-]*|\b\d{12}\b")


class SesError(Exception):
    """A failed call: SES's own code and text, or ours where it did not respond."""

    def __init__(self, code: str, said: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.said = _REDACTED.sub("…", said)[:MOST].rstrip(" .") or code
        self.status = status
        self.wait = wait

    @property
    def is_transient(self) -> bool:
        """Return whether the same call may succeed a moment later."""
        if self.code in THROTTLED | UNREACHED or self.code == "ConcurrentModificationException":
            return True
        if self.status is not None:
            return self.status >= 500
        return self.code not in ADVICE and self.code not in PERMANENT and self.code != BUDGET

    @property
    def fix(self) -> str:
        """Return what a person can do about it."""
        if self.code.startswith(DENIED):
            found = _ACTION.search(self.said)
            action = found[1] if found else "the action that its message names"
            return f"Allow {action} to the service's AWS user or role: docs/ses.md has the least policy that it needs."
        return ADVICE.get(self.code, _LATER)


def fault_of(error: SesError, sender: str) -> Fault:
    """Return the Fault for an operation that SES did not do."""
    return Fault(
        kind_of(error),
        f"SES did not do what was asked about {sender[:253]}: {error.said} ({error.code}).",
        error.fix,
        provider=NAME,
        provider_code=error.code,
        retry_after=int(error.wait) + 1 if error.wait is not None else None,
    )


def kind_of(error: SesError) -> Kind:
    """Tell a throttled call from one that failed and from one that is refused until somebody changes something."""
    if error.code in THROTTLED or error.code == BUDGET:
        return Kind.PROVIDER_THROTTLED
    return Kind.PROVIDER_FAILED if error.is_transient else Kind.PROVIDER_REFUSED


def unknown_of(error: SesError) -> IdentityUnknown:
    """Return the report for a domain whose identity could not be read: it moves no domain."""
    return IdentityUnknown(kind=kind_of(error), provider_code=error.code, detail=error.said, fix=error.fix)
