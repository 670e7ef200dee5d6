"""The answer to "can the customer's DNS host add the records?": a signed link, or the reason why there is none."""

from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.findings.diagnosis import Finding
from letterhead.core.plan.plan import RecordId

USUAL_SIZE: Final = 750  # pixels of the host's window, where its settings name none


class ApplyLinkReason(StrEnum):
    """Why there is no link; programs switch on these."""

    NOT_CONFIGURED = "not-configured"  # the operator has no template, or its public key is not published
    NOTHING_TO_ADD = "nothing-to-add"
    HOST_NOT_ON_DOMAIN_CONNECT = "host-not-on-domain-connect"
    HOST_NOT_KNOWN = "host-not-known"  # its API host is none that we ask
    HOST_UNREACHABLE = "host-unreachable"
    TEMPLATE_NOT_THERE = "template-not-there"
    RECORDS_COLLIDE = "records-collide"
    ZONE_DELEGATED_ELSEWHERE = "zone-delegated-elsewhere"
    DNS_UNANSWERED = "dns-unanswered"


class ApplyLink(msgspec.Struct, frozen=True, kw_only=True):
    """The link, or why there is none: then `detail` says what was found, and what to do.

    `host` is the DNS host's name for people, `width` and `height` the size of the window that it wants, in pixels.
    `records` are those that the link sets; `left` are those that are missing and have to be typed nevertheless.
    `code` is the finding that forbids a link, and `finding` is it, where the detail is in its words.
    """

    supported: bool
    host: str | None = None
    url: str | None = None
    width: int | None = None
    height: int | None = None
    state: str | None = None
    reason: ApplyLinkReason | None = None
    detail: str | None = None
    code: str | None = None
    finding: Finding | None = None
    records: tuple[RecordId, ...] = ()
    left: tuple[RecordId, ...] = ()

    @property
    def is_silence(self) -> bool:
        """Whether DNS or the DNS host did not answer, which may be otherwise in a moment."""
        return self.reason in (ApplyLinkReason.HOST_UNREACHABLE, ApplyLinkReason.DNS_UNANSWERED)


def no_link(
    reason: ApplyLinkReason,
    detail: str,
    host: str | None = None,
    code: str | None = None,
    finding: Finding | None = None,
) -> ApplyLink:
    """Return the answer without a link."""
    return ApplyLink(supported=False, reason=reason, detail=detail, host=host, code=code, finding=finding)
