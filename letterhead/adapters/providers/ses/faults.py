"""Knows what SES answers when it does not do what it was asked, and what a person can mend of it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from letterhead.core.domain.provider_identity import IdentityUnknown
from letterhead.errors import Fault, Kind

NAME: Final = "ses"
NOT_FOUND, ALREADY_EXISTS = "NotFoundException", "AlreadyExistsException"
DENIED: Final = "AccessDenied"  # and AccessDeniedException
BUDGET: Final = "LetterheadBudget"  # our own word: the account's turns are taken for longer than we would wait
THROTTLED: Final = frozenset(
    {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded", "SlowDown"}
)
# What these say of the account, the key or the request stays as it is until somebody changes it.
SETTLED: Final = frozenset({"BadRequestException", "ParamValidationError", "NotImplemented"})
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
_UNSAID: Final = re.compile(r"[A-Za-z0-9+/=]{64,}|arn:aws[\w*/:.@+=,-]*|\b\d{12}\b")


class SesError(Exception):
    """Says that SES did not do it, in its own code and words, or in our own where it did not answer."""

    def __init__(self, code: str, said: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.said = _UNSAID.sub("…", said)[:MOST].rstrip(" .") or code
        self.status = status
        self.wait = wait

    @property
    def passes(self) -> bool:
        """Says whether the same call may go well a moment later."""
        if self.code in THROTTLED | UNREACHED or self.code == "ConcurrentModificationException":
            return True
        if self.status is not None:
            return self.status >= 500
        return self.code not in ADVICE and self.code not in SETTLED and self.code != BUDGET

    @property
    def fix(self) -> str:
        """Says what a person can do."""
        if self.code.startswith(DENIED):
            return _permission(self.said)
        return ADVICE.get(self.code, _LATER)


def _permission(said: str) -> str:
    found = _ACTION.search(said)
    action = found[1] if found else "the action that its message names"
    return f"Allow {action} to the service's AWS user or role: docs/ses.md has the least policy that it needs."


def fault_of(trouble: SesError, sender: str) -> Fault:
    """Makes a fault of it, for whoever asked for something to be done."""
    return Fault(
        _kind(trouble),
        f"SES did not do what was asked about {sender[:253]}: {trouble.said} ({trouble.code}).",
        trouble.fix,
        provider=NAME,
        provider_code=trouble.code,
        retry_after=int(trouble.wait) + 1 if trouble.wait is not None else None,
    )


def _kind(trouble: SesError) -> Kind:
    if trouble.code in THROTTLED or trouble.code == BUDGET:
        return Kind.PROVIDER_THROTTLED
    return Kind.PROVIDER_FAILED if trouble.passes else Kind.PROVIDER_REFUSED


def unknown_of(trouble: SesError) -> IdentityUnknown:
    """Makes a word of it that moves no domain, for a look."""
    return IdentityUnknown(provider_code=trouble.code, detail=trouble.said, fix=trouble.fix)
