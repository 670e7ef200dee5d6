"""Serializers: values of the core as the JSON of the API."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from letterhead.core.accounts.accounts import Account, ApiKey
from letterhead.core.accounts.quotas import Limits
from letterhead.core.accounts.setup_links import SetupLink, is_valid
from letterhead.core.dmarc.tree_walk import DiscoveredPolicy
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain, OldKey
from letterhead.core.findings.diagnosis import Severity
from letterhead.core.names.domain_names import DomainName
from letterhead.core.plan.plan import ED25519_KEYS, Plan, RecordId, RecordResult, Verdict
from letterhead.core.public import representation
from letterhead.core.rotation import rotation
from letterhead.operations.accounts import NewApiKey
from letterhead.operations.checks import DnsCheck
from letterhead.operations.domains import DomainView, PrivateKeys, plan_of, provider_name
from letterhead.operations.preflight import PreflightResult
from letterhead.operations.setup_links import NewLink
from letterhead.ports.deps import Deps
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.domains import CheckResult
from letterhead.web import schemas, schemas_links

T = TypeVar("T")

JSON = "application/json"

LABELS = {
    RecordId.DKIM: "DKIM key",
    RecordId.DKIM_NEXT: "New DKIM key",
    RecordId.DKIM_ED25519: "Ed25519 key",
    RecordId.DKIM_ED25519_NEXT: "New Ed25519 key",
    RecordId.MAIL_FROM_MX: "MAIL FROM MX",
    RecordId.MAIL_FROM_SPF: "MAIL FROM SPF",
    RecordId.DMARC: "DMARC policy",
}


_OURS = (RecordId.DKIM_NEXT, *ED25519_KEYS)


def json_response(value: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Respond with a value as JSON."""
    return Response(msgspec.json.encode(value), status, headers, JSON)


def given(value: T | None) -> T | UnsetType:
    """Makes what has no value absent."""
    return UNSET if value is None else value


def domain(
    deps: Deps, each: Domain, keys: PrivateKeys | None = None, health: schemas.Health | None = None
) -> schemas.SenderDomain:
    """Return a domain as the list shows it."""
    return schemas.SenderDomain(**_listed(each, plan_of(deps, each), keys), health=given(health))


def _listed(each: Domain, plan: Plan, keys: PrivateKeys | None) -> dict[str, Any]:
    if keys is None:
        return representation.domain_fields(each, plan)
    return representation.domain_fields(each, plan) | {
        "private_dkim_key": keys.dkim,
        "private_ed25519_key": given(keys.ed25519),
    }


def health(each: Domain, checkup: CheckResult | None, now: datetime) -> schemas.Health:
    """Sums up a domain's last check."""
    findings = checkup.findings if checkup else ()
    counted = Counter(finding.severity for finding in findings)
    return schemas.Health(
        can_send=lifecycle.may_send(each, now),
        checked_at=checkup.taken_at if checkup else UNSET,
        blocking=counted[Severity.BLOCKING],
        warnings=counted[Severity.WARNING],
        tips=counted[Severity.TIP],
        inconclusive=counted[Severity.INCONCLUSIVE],
        codes=tuple(finding.code for finding in findings),
    )


def detail(deps: Deps, view: DomainView, keys: PrivateKeys | None) -> schemas.DomainDetail:
    """Return all of one domain."""
    each, checkup = view.domain, view.last_check
    return schemas.DomainDetail(
        **_listed(each, view.plan, keys),
        unicode=DomainName(each.sender).unicode,
        mail_from=given(each.mail_from),
        zone=given(each.zone),
        can_send=lifecycle.may_send(each, deps.now()),
        stops_sending_at=given(each.dkim.stops_sending_at),
        verified_at=given(each.verified_at),
        checked_at=checkup.taken_at if checkup else UNSET,
        next_check_at=given(each.next_check_at),
        check_reason=each.check_reason or UNSET,
        attempts=each.attempts,
        records=standings(checkup.results) if checkup else _unseen(view.plan),
        next_key=_next_key(checkup.results, each) if checkup else UNSET,
        ed25519_keys=_ed25519_keys(checkup.results) if checkup else UNSET,
        findings=checkup.findings if checkup else (),
        provider=_provider(provider_name(deps), each),
        snapshot=checkup.snapshot if checkup else UNSET,
    )


def _unseen(plan: Plan) -> tuple[schemas.RecordCheck, ...]:
    """Return the planned records of a domain that was never checked."""
    return standings(RecordResult(record=record, verdict=Verdict.UNANSWERED) for record in plan.records)


def standings(each: Iterable[RecordResult]) -> tuple[schemas.RecordCheck, ...]:
    """Return the verdicts of the planned records that clients know: their list of ids is closed."""
    return tuple(_standing(standing) for standing in each if standing.record.id not in _OURS)


def _ed25519_keys(each: Iterable[RecordResult]) -> tuple[schemas.RecordCheck, ...] | UnsetType:
    return tuple(_standing(standing) for standing in each if standing.record.id in ED25519_KEYS) or UNSET


def _next_key(each: Iterable[RecordResult], domain: Domain) -> schemas.RecordCheck | UnsetType:
    """Return the verdict of the new key's record during a rotation, or of the free selector's."""
    found = [standing for standing in each if standing.record.id is RecordId.DKIM_NEXT]
    return _standing(found[0]) if found and (domain.rotation or domain.key_delegation) else UNSET


def _standing(standing: RecordResult) -> schemas.RecordCheck:
    record = standing.record
    return schemas.RecordCheck(
        id=record.id.value,
        label=LABELS[record.id],
        required=record.required,
        found=standing.verdict is Verdict.PRESENT,
        host=record.host,
        record_type=record.rdtype,  # type: ignore[arg-type]
        expected=record.value if record.priority is None else f"{record.priority} {record.value}",
        observed=standing.observed or UNSET,
        verdict=standing.verdict.value,
        agreed=standing.agreed,
        perspectives=standing.dissenting or UNSET,
    )


def _provider(name: str, each: Domain) -> schemas.ProviderSays:
    word = each.identity
    if word is None:
        return schemas.ProviderSays(name=name)
    return schemas.ProviderSays(
        name=name,
        presence=word.presence.value,
        dkim=word.dkim,
        dkim_said=given(word.dkim_said),
        mail_from=word.mail_from if each.mail_from else UNSET,
        mail_from_said=given(word.mail_from_said),
        selector=given(word.selector),
        reason=given(word.reason),
        obstacle=given(word.obstacle.value if word.obstacle else None),
        checked_at=given(word.checked_at),
        seen_at=word.seen_at,
    )


def dns_check(check: DnsCheck) -> schemas.DomainDnsCheck:
    """Return a check of DNS that changed nothing."""
    return schemas.DomainDnsCheck(
        sender=check.sender,
        records=standings(check.examination.results),
        next_key=next(
            (_standing(each) for each in check.examination.results if each.record.id is RecordId.DKIM_NEXT), UNSET
        ),
        ed25519_keys=_ed25519_keys(check.examination.results),
        can_start_verification=check.can_start,
        checked_at=check.checked_at,
        findings=check.examination.findings,
    )


def dkim_rotation(deps: Deps, each: Domain) -> schemas.DkimRotation:
    """Return how far a domain's rotation is."""
    plan, coming = plan_of(deps, each), each.rotation
    record = plan.record(RecordId.DKIM_NEXT)
    return schemas.DkimRotation(
        sender=each.sender,
        step=rotation.stage(each).value,  # type: ignore[arg-type]
        waits_for=rotation.waits_for(each),
        selector=each.selector,
        next_selector=coming.selector if coming else UNSET,
        record=representation.public_record(record, plan.zone) if record and coming else UNSET,
        started_at=coming.started_at if coming else UNSET,
        looked_at=given(coming.checked_at) if coming else UNSET,
        missing_at=(coming.missing_at or UNSET) if coming else UNSET,
        silent=(coming.unreachable or UNSET) if coming else UNSET,
        switches_at=given(rotation.switches_at(each)),
        rotated_at=given(each.rotated_at),
        # Of delegated keys nothing is ever the customer's to remove.
        old_selectors=() if each.key_delegation else tuple(_old_selector(each.sender, old) for old in each.old_keys),
    )


def _old_selector(sender: str, old: OldKey) -> schemas.OldSelector:
    return schemas.OldSelector(
        selector=old.selector,
        host=f"{old.selector}._domainkey.{sender}",
        replaced_at=old.replaced_at,
        safe_to_remove_at=rotation.safe_at(old),
        safe_to_remove=old.safe,
    )


def preflight(found: PreflightResult) -> schemas.DomainPreflight:
    """Return what is in DNS before anything is added."""
    read = found.read
    return schemas.DomainPreflight(
        sender=read.sender,
        checked_at=found.checked_at,
        zone=given(read.zone or None),
        dns_host=given(read.dns_host),
        nameservers=read.nameservers,
        spf=schemas.ExistingSpf(records=read.spf, merged=given(read.spf_merged)),
        mx=read.mx,
        cnames=tuple(schemas.ExistingAlias(host=each.host, target=each.target) for each in read.aliases),
        dmarc=_dmarc(read.dmarc) if read.dmarc else UNSET,
        wildcard=read.wildcard,
        dnssec=read.dnssec,  # type: ignore[arg-type]
        negative_ttl=given(read.negative_ttl),
        mail_from=given(read.mail_from),
        mail_from_taken=read.taken,
        silent=read.silent,
    )


def _dmarc(policy: DiscoveredPolicy) -> schemas.ExistingDmarc:
    return schemas.ExistingDmarc(
        policy=policy.applied,  # type: ignore[arg-type]
        host=policy.name,
        inherited=policy.is_inherited,
        record=policy.text,
    )


def made_key(made: NewApiKey) -> schemas.MadeKey:
    """Return a new API key with its text."""
    return schemas.MadeKey(
        id=made.key.id,
        key=made.text,
        key_type=made.key.key_type,  # type: ignore[arg-type]
        environment_id=given(made.key.environment_id),
        name=made.key.name,
        created_at=kept(made.key.created_at),
        scope=made.key.scope.value,
    )


def key(each: ApiKey, now: datetime) -> schemas.Key:
    """Return an API key, masked."""
    return schemas.Key(
        id=each.id,
        key=each.masked,
        key_type=each.key_type,  # type: ignore[arg-type]
        environment_id=given(each.environment_id),
        account_id=each.account_id,
        name=each.name,
        revoked=each.ends_at is not None and each.ends_at <= now,
        created_at=each.created_at,
        last_used_at=given(each.last_used_at),
        scope=each.scope.value,
        ends_at=given(each.ends_at),
    )


def setup_link(each: SetupLink, now: datetime) -> schemas_links.SetupLinkOut:
    """Return a set-up link."""
    return schemas_links.SetupLinkOut(
        id=each.id,
        created_at=each.created_at,
        expires_at=each.ends_at,
        ended=not is_valid(each, now),
        opened_at=given(each.opened_at),
    )


def made_link(made: NewLink) -> schemas_links.MadeSetupLink:
    """Return a new set-up link with its address."""
    return schemas_links.MadeSetupLink(id=made.link.id, url=made.url, expires_at=kept(made.link.ends_at))


def account(each: Account, first_key: str | None = None) -> schemas.AccountOut:
    """Return an account."""
    return schemas.AccountOut(
        account_id=each.id,
        name=each.name,
        email=each.email,
        limits=schemas.LimitsOut(
            domains=given(each.limits.domains),
            requests_per_month=given(each.limits.requests_per_month),
            pending_claims=given(each.limits.pending_claims),
        ),
        reminders=each.reminders,
        created_at=kept(each.created_at),
        key=given(first_key),
    )


def limits(asked: schemas.LimitsIn | UnsetType, present: Limits) -> Limits:
    """Reads asked-for limits over the present ones."""
    if isinstance(asked, UnsetType):
        return present
    return Limits(
        domains=_or(asked.domains, present.domains),
        requests_per_month=_or(asked.requests_per_month, present.requests_per_month),
        pending_claims=_or(asked.pending_claims, present.pending_claims),
    )


def _or(asked: int | UnsetType | None, present: int | None) -> int | None:
    return present if isinstance(asked, UnsetType) else asked


def audit(row: AuditRow) -> schemas.AuditOut:
    """Return a row of the audit."""
    return schemas.AuditOut(
        at=row.at,
        actor=row.actor,
        account_id=given(row.account_id),
        action=row.action,
        subject=row.subject,
        address=given(row.address),
        tracking_id=given(row.tracking_id),
    )


def kept(at: datetime) -> datetime:
    """Return a time as the store keeps it, in whole milliseconds, so that it stays the same."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


encode = msgspec.json.Encoder().encode
