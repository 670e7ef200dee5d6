"""Findings that an account accepts until a day: it knows them, and wants to hear no more of them until then.

What blocks sending is never accepted: the acceptance of a finding that becomes blocking counts no longer. An
acceptance is of one code, at one name, about one planned record or about none: the same mistake elsewhere is new.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from letterhead.core.findings.diagnosis import Acceptance, Finding, Severity

LONGEST: Final = timedelta(days=366)  # a year, and that may be a leap year
MOST_ACCEPTED: Final = 50  # at one domain
MOST_REASON: Final = 500  # characters
KEPT_AFTER: Final = timedelta(days=30)  # for which one that has ended is still listed


class FindingIdentity(NamedTuple):
    """What makes a finding the same in the next check: its code, the planned record and the name that it is about."""

    code: str
    record: str | None
    host: str


class AcceptedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that the account accepts."""

    code: str
    record: str | None = None
    host: str
    acceptance: Acceptance

    @property
    def identity(self) -> FindingIdentity:
        """Return which finding is accepted."""
        return FindingIdentity(self.code, self.record, self.host)


def identity_of(finding: Finding) -> FindingIdentity:
    """Return what makes a finding the same in the next check."""
    return FindingIdentity(finding.code, finding.record, finding.host)


def mark_accepted(
    findings: Sequence[Finding], accepted: Sequence[AcceptedFinding], now: datetime
) -> tuple[Finding, ...]:
    """Return the findings, each with the acceptance that counts now; a blocking one has none."""
    counting = {each.identity: each.acceptance for each in accepted if now < each.acceptance.until}
    if not counting:
        return tuple(findings)
    return tuple(
        replace(each, accepted=counting.get(identity_of(each)))
        if each.severity is not Severity.BLOCKING and identity_of(each) in counting
        else each
        for each in findings
    )


def add_acceptance(
    accepted: Sequence[AcceptedFinding], found: Sequence[Finding], acceptance: Acceptance
) -> tuple[AcceptedFinding, ...]:
    """Return what is accepted, with these findings, each in the place of an earlier acceptance of the same.

    Those that ended long ago are left out.
    """
    new = {identity_of(each) for each in found}
    kept = [
        each for each in accepted if each.identity not in new and acceptance.at - each.acceptance.until < KEPT_AFTER
    ]
    added = (
        AcceptedFinding(code=each.code, record=each.record, host=each.host, acceptance=acceptance)
        for each in sorted(new, key=lambda each: (each.code, each.host, each.record or ""))
    )
    return (*kept, *added)


def findings_not_accepted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings that still ask for somebody's attention."""
    return tuple(each for each in findings if each.accepted is None)
