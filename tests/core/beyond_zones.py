"""Fire the codes that no zone can show: the provider's word, other claims to the name, and trouble of our own."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.dns.answers import DELEGATION_LOOKUP, Perspective, Question, Reply, Seen, Unanswered, View, Why
from letterhead.core.domain import provider_findings
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.evidence import Evidence, RecordState
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.domain.provider_identity import (
    Identity,
    IdentityReport,
    IdentityUnknown,
    Obstacle,
    Presence,
    ProviderStatus,
)
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.zone import resolver_outage
from letterhead.core.zone.resolver_outage import ResolverOutage
from tests.core import samples

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOMAIN = Domain(
    id="dom_1",
    account_id="acc_1",
    sender="acme.dev",
    selector="lh1",
    public_key="MIIB",
    mail_from="lh.acme.dev",
    created_at=NOW,
    last_sync=NOW,
    dkim=new_health(HealthState.VERIFIED, NOW),
    mail_from_health=new_health(HealthState.PENDING, NOW),
    is_holder=True,
    registered_at=NOW,
)


def says(
    dkim: ProviderStatus = ProviderStatus.SUCCESS,
    presence: Presence = Presence.OURS,
    mail_from: ProviderStatus = ProviderStatus.SUCCESS,
    selector: str | None = None,
    reason: str | None = None,
) -> Identity:
    return Identity(presence=presence, dkim=dkim, mail_from=mail_from, selector=selector, reason=reason, seen_at=NOW)


def seen(
    word: IdentityReport | None,
    dkim: RecordState = RecordState.PRESENT,
    mail_from: RecordState = RecordState.PRESENT,
    *,
    elsewhere: bool = False,
    used: bool = False,
) -> Evidence:
    return Evidence(
        dkim=dkim, mail_from=mail_from, provider=word, is_held_elsewhere=elsewhere, is_selector_of_others=used
    )


OBSTACLES = {
    Obstacle.NOT_FOUND: "identity.provider-finds-nothing",
    Obstacle.OTHER_VALUE: "identity.provider-reads-another",
    Obstacle.DNS_SILENT: "identity.provider-unanswered",
}
# What was learnt, and the one code that it must give; nothing for what is no fault.
PROVIDER: tuple[tuple[str | None, Evidence], ...] = (
    (None, seen(says())),
    (None, seen(None)),
    (None, seen(says(ProviderStatus.TEMPORARY_FAILURE), dkim=RecordState.MISSING)),
    ("identity.provider-lags", seen(says(ProviderStatus.TEMPORARY_FAILURE))),
    (None, seen(says(ProviderStatus.PENDING), dkim=RecordState.MISSING)),
    (None, seen(says(selector="lh1"))),
    (None, seen(says(mail_from=ProviderStatus.NOT_STARTED), mail_from=RecordState.MISSING)),
    ("identity.provider-lags", seen(says(ProviderStatus.PENDING))),
    *((code, seen(replace(says(ProviderStatus.PENDING), obstacle=obstacle))) for obstacle, code in OBSTACLES.items()),
    ("identity.provider-gave-up", seen(says(ProviderStatus.GAVE_UP, reason="72 h"))),
    (
        "identity.missing-at-provider",
        seen(says(ProviderStatus.NOT_STARTED, Presence.ABSENT, ProviderStatus.NOT_STARTED)),
    ),
    ("identity.key-replaced", seen(says(selector="other"))),
    ("identity.not-ours", seen(says(presence=Presence.FOREIGN))),
    ("identity.throttled", seen(IdentityUnknown(provider_code="Throttled", detail="later"))),
    ("identity.refused", seen(says(ProviderStatus.REFUSED, reason="blocked"))),
    ("mail-from.not-started", seen(says(mail_from=ProviderStatus.NOT_STARTED))),
    ("claim.held", seen(None, elsewhere=True)),
    (None, seen(None, dkim=RecordState.MISSING, elsewhere=True)),
    ("claim.selector-used", seen(None, used=True)),
    ("claim.selector-used", seen(None, elsewhere=True, used=True)),
    (None, seen(None, dkim=RecordState.MISSING, used=True)),
)


def of_provider(evidence: Evidence, domain: Domain = DOMAIN) -> list[Finding]:
    """Return what the provider's word and other claims tell."""
    return list(provider_findings.findings(domain, evidence, NOW))


def of_a_contest(contested_at: datetime) -> list[Finding]:
    """Return what a holder is told of somebody who has asked for its name."""
    return of_provider(seen(None), replace(DOMAIN, contested_at=contested_at))


def of_an_outage(zones: int) -> list[Finding]:
    """Return what is told where so many zones fell silent at once."""
    silence = ResolverOutage(zones=zones, since=NOW - timedelta(hours=1))
    return [resolver_outage.outage_finding("acme.dev", silence)] if resolver_outage.is_resolver_outage(silence) else []


def of_resolvers(why: Why, zone: str | None = None) -> list[Finding]:
    """Return what is told where nobody said which servers to ask; with a zone it is that zone's own trouble."""
    plan = samples.plan()
    told: dict[Question, tuple[Reply, ...]] = {}
    for record in plan.records:
        for view in (View.EVERY_SERVER, View.TWO_SERVERS):
            there = Perspective(view=view, server=DELEGATION_LOOKUP, zone=zone)
            asked = Question(name=record.host, rdtype=record.rdtype, view=view)
            told[asked] = (Reply(perspective=there, answer=Unanswered(why=why)),)
        told |= _at_resolver(record.host, record.rdtype, Unanswered(why=Why.SERVER_FAILURE))
    return list(check.examine(plan, told).findings)


def _at_resolver(name: str, rdtype: str, answer: Unanswered) -> Seen:
    there = Perspective(view=View.RECURSIVE, server="192.0.2.53", address="192.0.2.53")
    return {Question(name=name, rdtype=rdtype, view=View.RECURSIVE): (Reply(perspective=there, answer=answer),)}


def findings() -> list[Finding]:
    """List what this page finds."""
    groups: Iterable[list[Finding]] = (
        *(of_provider(evidence) for _, evidence in PROVIDER),
        of_a_contest(NOW - timedelta(hours=1)),
        of_an_outage(resolver_outage.SEVERAL),
        of_resolvers(Why.REFUSED),
    )
    return [each for group in groups for each in group]


def fired() -> set[str]:
    """List the codes that this page fires."""
    return {each.code for each in findings()}
