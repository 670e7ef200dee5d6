"""Knows when silence is our own: several zones that fell silent since anybody was last heard. Knows no resolver.

One zone's dead servers are that zone's trouble, and other zones are heard meanwhile. When nobody is heard any more, and
more than one zone fell silent since, what is broken lies between us and all of them.
"""

from datetime import datetime
from typing import Final

import msgspec

from letterhead.core.findings.diagnosis import Diagnosis, Finding, Severity

SEVERAL: Final = 3  # zones; two may well share one DNS host that is down


class ResolverOutage(msgspec.Struct, frozen=True, kw_only=True):
    """Counts the zones that fell silent since the last check that was answered, and says when the first did.

    `zones` is a lower bound: storage stops counting where it is many.
    """

    zones: int
    since: datetime


def is_resolver_outage(silence: ResolverOutage | None) -> bool:
    """Says whether a silence is an outage of our own resolvers or network."""
    return silence is not None and silence.zones >= SEVERAL


def sentence(silence: ResolverOutage) -> str:
    """Tells an outage to an operator."""
    return (
        f"nothing was answered since {silence.since:%Y-%m-%dT%H:%M:%SZ}, in {silence.zones} zones or more: our own "
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


def finding(sender: str, silence: ResolverOutage) -> Finding:
    """Says of one domain that it is our silence that its check met."""
    since = silence.since.strftime("%Y-%m-%d %H:%M UTC")
    return Finding(
        code=OUTAGE.code,
        severity=OUTAGE.severity,
        host=sender,
        title=OUTAGE.title,
        detail=OUTAGE.detail.format(sender=sender, since=since),
        fix=OUTAGE.fix,
    )
