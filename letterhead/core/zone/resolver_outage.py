"""Outages of our own resolvers or network, recognised by several zones without an answer at once.

One zone's dead servers are that zone's trouble, and other zones answer meanwhile. When no zone answers any more, and
more than one zone stopped answering since the last answer, what is broken lies between us and all of them.
"""

from datetime import datetime
from typing import Final

import msgspec

from letterhead.core.findings.diagnosis import Diagnosis, Finding, Severity

SEVERAL: Final = 3  # zones; two may well share one DNS host that is down


class ResolverOutage(msgspec.Struct, frozen=True, kw_only=True):
    """The zones that stopped answering since the last check that was answered, and when the first of them did.

    `zones` is a lower bound: storage stops counting where it is many. `since` is in UTC.
    """

    zones: int
    since: datetime


def is_resolver_outage(outage: ResolverOutage | None) -> bool:
    """Return whether so many zones are unanswered that our own resolvers or network must be out."""
    return outage is not None and outage.zones >= SEVERAL


def outage_text(outage: ResolverOutage) -> str:
    """Describe an outage to an operator, in one sentence."""
    return (
        f"nothing was answered since {outage.since:%Y-%m-%dT%H:%M:%SZ}, in {outage.zones} zones or more: our own "
        "resolvers or network are out, so that no domain is demoted and nobody is mailed"
    )


OUTAGE = Diagnosis(
    code="resolver.outage",
    severity=Severity.INCONCLUSIVE,
    title="We can't ask DNS at the moment",
    meaning="Several domains of different zones went unanswered at once, which says something about this service's own "
    "resolvers or network and nothing about your domain. No domain changes its state meanwhile.",
    detail="DNS could not be asked about {sender}: the same goes for every other zone since {since}.",
    fix="Nothing to change in your DNS. The operator of this service looks at its resolvers: letterhead doctor",
    reference="Verdicts count only when servers with authority give them",
)

DIAGNOSES: Final = (OUTAGE,)


def outage_finding(sender: str, outage: ResolverOutage) -> Finding:
    """Return the finding that tells a domain's owner of the outage."""
    since = outage.since.strftime("%Y-%m-%d %H:%M UTC")
    return Finding(
        code=OUTAGE.code,
        severity=OUTAGE.severity,
        host=sender,
        title=OUTAGE.title,
        detail=OUTAGE.detail.format(sender=sender, since=since),
        fix=OUTAGE.fix,
    )
