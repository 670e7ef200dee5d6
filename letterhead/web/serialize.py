"""Serializers: values of the core as the JSON of the API."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from letterhead.core.accounts.accounts import Account, is_reachable_address
from letterhead.core.accounts.quotas import Limits
from letterhead.core.accounts.setup_links import SetupLink, is_valid
from letterhead.core.dns.answers import Snapshot
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import DomainProfile
from letterhead.core.domain.progress import is_required, progress
from letterhead.core.findings.acceptance import findings_not_accepted
from letterhead.core.findings.diagnosis import Severity, readable
from letterhead.core.languages.negotiation import DEFAULT, PageLanguage, lookup
from letterhead.core.names.domain_names import DomainName
from letterhead.core.plan.plan import ED25519_KEYS, Plan, RecordId, RecordResult, Verdict, unanswered_result
from letterhead.core.public import representation
from letterhead.core.rotation import rotation
from letterhead.operations.domains import DomainView, plan_of, provider_name
from letterhead.operations.on_demand_checks import DnsCheck
from letterhead.operations.preflight import PreflightResult
from letterhead.operations.private_keys import PrivateKeys
from letterhead.operations.setup_links import NewLink
from letterhead.ports.deps import Deps
from letterhead.ports.store.accounts import StoredAuditRow
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
    """Return UNSET for None, so that a field without a value is absent."""
    return UNSET if value is None else value


def domain(
    deps: Deps, each: Domain, keys: PrivateKeys | None = None, health: schemas.Health | None = None
) -> schemas.SenderDomain:
    """Serialize a domain for the list."""
    return schemas.SenderDomain(**_listed(each, plan_of(deps, each), keys), health=given(health))


def _listed(each: Domain, plan: Plan, keys: PrivateKeys | None) -> dict[str, Any]:
    if keys is None:
        return representation.domain_fields(each, plan)
    return representation.domain_fields(each, plan) | {
        "private_dkim_key": keys.dkim,
        "private_ed25519_key": given(keys.ed25519),
    }


def health(each: Domain, check: CheckResult | None, now: datetime) -> schemas.Health:
    """Summarize a domain's last check."""
    findings = check.findings if check else ()
    counted = Counter(finding.severity for finding in findings_not_accepted(findings))
    return schemas.Health(
        can_send=lifecycle.may_send(each, now),
        checked_at=check.taken_at if check else UNSET,
        blocking=counted[Severity.BLOCKING],
        warnings=counted[Severity.WARNING],
        tips=counted[Severity.TIP],
        inconclusive=counted[Severity.INCONCLUSIVE],
        codes=tuple(finding.code for finding in findings),
        accepted=tuple(dict.fromkeys(finding.code for finding in findings if finding.accepted)) or UNSET,
    )


def detail(
    deps: Deps, view: DomainView, keys: PrivateKeys | None, *, with_snapshot: bool = True
) -> schemas.DomainDetail:
    """Serialize one domain in full."""
    each, check = view.domain, view.last_check
    results = check.results if check else [unanswered_result(record) for record in view.plan.records]
    has_next_key = check and (each.rotation or each.key_delegation)
    return schemas.DomainDetail(
        **_listed(each, view.plan, keys),
        unicode=DomainName(each.sender).unicode,
        mail_from=given(each.mail_from),
        zone=given(each.zone),
        can_send=lifecycle.may_send(each, deps.now()),
        progress=representation.public_progress(progress(each, view.plan, deps.now())),
        stops_sending_at=given(each.dkim.stops_sending_at),
        verified_at=given(each.verified_at),
        checked_at=check.taken_at if check else UNSET,
        note=view.profile.note or UNSET,
        labels=view.profile.labels or UNSET,
        contact=_contact(view.profile),
        next_check_at=given(each.next_check_at),
        check_reason=each.check_reason or UNSET,
        attempts=each.attempts,
        covers_subdomains=view.covers_subdomains,
        records=record_checks(results),
        next_key=_next_key(results) if has_next_key else UNSET,
        ed25519_keys=_ed25519_keys(results) if check else UNSET,
        findings=check.findings if check else (),
        provider=_provider(provider_name(deps), each),
        snapshot=public_snapshot(check.snapshot) if check and with_snapshot else UNSET,
    )


def _contact(profile: DomainProfile) -> schemas.ContactOut | UnsetType:
    contact = profile.contact
    if contact is None:
        return UNSET
    confirmed = "waiting" if contact.confirmed_at is None else "confirmed"
    return schemas.ContactOut(
        email=contact.email,
        state=confirmed if contact.reminders else "ended",  # type: ignore[arg-type] # one of the three
        asked_at=contact.asked_at,
        confirmed_at=given(contact.confirmed_at),
        copy_account=profile.copy_account,
        language=PageLanguage(lookup(contact.language or DEFAULT) or DEFAULT),
    )


# A snapshot is stored with the names on the left; the API has the names on the right, like all others of it.
SNAPSHOT_NAMES: Final = {
    "taken_at": "takenAt",
    "negative_ttl": "negativeTtl",
    "parent_servers": "parentServers",
}


def public_snapshot(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot as JSON with the names of the API, to be put into a response as it is."""
    written = msgspec.json.encode(snapshot)
    for stored, public in SNAPSHOT_NAMES.items():
        # Nothing but a field's name matches: within a string a quotation mark has a backslash before it (RFC 8259 7).
        written = written.replace(f'"{stored}":'.encode(), f'"{public}":'.encode())
    return msgspec.Raw(written)  # type: ignore[return-value]


def record_checks(results: Iterable[RecordResult]) -> tuple[schemas.RecordCheck, ...]:
    """Serialize the results of the records that the clients know: their list of ids is closed."""
    return tuple(_record_check(each) for each in results if each.record.id not in _OURS)


def _ed25519_keys(results: Iterable[RecordResult]) -> tuple[schemas.RecordCheck, ...] | UnsetType:
    return tuple(_record_check(each) for each in results if each.record.id in ED25519_KEYS) or UNSET


def _next_key(results: Iterable[RecordResult]) -> schemas.RecordCheck | UnsetType:
    return next((_record_check(each) for each in results if each.record.id is RecordId.DKIM_NEXT), UNSET)


def _record_check(result: RecordResult) -> schemas.RecordCheck:
    record = result.record
    return schemas.RecordCheck(
        id=record.id.value,
        label=LABELS[record.id],
        required=is_required(record),
        found=result.verdict is Verdict.PRESENT,
        host=record.host,
        record_type=record.rdtype,  # type: ignore[arg-type]
        expected=record.value if record.priority is None else f"{record.priority} {record.value}",
        observed=tuple(map(readable, result.observed)) or UNSET,
        verdict=result.verdict.value,
        agreed=result.agreed,
        perspectives=result.dissenting or UNSET,
    )


def _provider(name: str, each: Domain) -> schemas.ProviderSays:
    identity = each.identity
    if identity is None:
        return schemas.ProviderSays(name=name)
    return schemas.ProviderSays(
        name=name,
        presence=identity.presence.value,
        dkim=identity.dkim,
        dkim_said=given(identity.dkim_said),
        mail_from=identity.mail_from if each.mail_from else UNSET,
        mail_from_said=given(identity.mail_from_said),
        selector=given(identity.selector),
        reason=given(identity.reason),
        obstacle=given(identity.obstacle.value if identity.obstacle else None),
        checked_at=given(identity.checked_at),
        seen_at=identity.seen_at,
    )


def dns_check(check: DnsCheck) -> schemas.DomainDnsCheck:
    """Serialize the result of a check of DNS that changed nothing."""
    return schemas.DomainDnsCheck(
        sender=check.sender,
        records=record_checks(check.examination.results),
        next_key=_next_key(check.examination.results),
        ed25519_keys=_ed25519_keys(check.examination.results),
        can_start_verification=check.can_start,
        checked_at=check.checked_at,
        findings=check.examination.findings,
    )


def dkim_rotation(deps: Deps, each: Domain) -> schemas.DkimRotation:
    """Serialize the progress of a domain's key rotation."""
    plan, coming = plan_of(deps, each), each.rotation
    record = plan.record(RecordId.DKIM_NEXT)
    # Of delegated keys nothing is ever the customer's to remove.
    removable = () if each.key_delegation else each.old_keys
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
        old_selectors=tuple(
            schemas.OldSelector(
                selector=old.selector,
                host=f"{old.selector}._domainkey.{each.sender}",
                replaced_at=old.replaced_at,
                safe_to_remove_at=rotation.safe_at(old),
                safe_to_remove=old.safe,
            )
            for old in removable
        ),
    )


def preflight(found: PreflightResult) -> schemas.DomainPreflight:
    """Serialize the state of DNS before a domain is added."""
    read = found.read
    dmarc: schemas.ExistingDmarc | UnsetType = UNSET
    if read.dmarc:
        dmarc = schemas.ExistingDmarc(
            policy=read.dmarc.applied,  # type: ignore[arg-type]
            host=read.dmarc.name,
            inherited=read.dmarc.is_inherited,
            record=read.dmarc.text,
        )
    return schemas.DomainPreflight(
        sender=read.sender,
        checked_at=found.checked_at,
        zone=given(read.zone or None),
        dns_host=given(read.dns_host),
        nameservers=read.nameservers,
        spf=schemas.ExistingSpf(records=read.spf, merged=given(read.spf_merged)),
        mx=read.mx,
        cnames=tuple(schemas.ExistingAlias(host=each.host, target=each.target) for each in read.aliases),
        dmarc=dmarc,
        wildcard=read.wildcard,
        dnssec=read.dnssec,  # type: ignore[arg-type]
        negative_ttl=given(read.negative_ttl),
        mail_from=given(read.mail_from),
        mail_from_taken=read.taken,
        silent=read.silent,
    )


def setup_link(each: SetupLink, now: datetime) -> schemas_links.SetupLinkOut:
    """Serialize a set-up link."""
    return schemas_links.SetupLinkOut(
        id=each.id,
        created_at=each.created_at,
        expires_at=each.ends_at,
        ended=not is_valid(each, now),
        opened_at=given(each.opened_at),
    )


def made_link(made: NewLink) -> schemas_links.MadeSetupLink:
    """Serialize a new set-up link with its URL."""
    return schemas_links.MadeSetupLink(
        id=made.link.id,
        url=made.url,
        expires_at=truncate_to_milliseconds(made.link.ends_at),
        sent_to=given(made.sent_to),
        problem=given(made.problem),
        ended_links=made.ended or UNSET,
    )


def account(each: Account, first_key: str | None = None, sent_to: str | None = None) -> schemas.AccountOut:
    """Serialize an account; `first_key` only for a new one, `sent_to` where an address is to be confirmed."""
    return schemas.AccountOut(
        account_id=each.id,
        name=each.name,
        email=each.email,
        email_reachable=is_reachable_address(each.email),
        confirmation_sent_to=given(sent_to),
        limits=schemas.LimitsOut(
            domains=given(each.limits.domains),
            requests_per_month=given(each.limits.requests_per_month),
            pending_claims=given(each.limits.pending_claims),
        ),
        reminders=each.reminders,
        covers_subdomains=given(each.covers_subdomains),
        created_at=truncate_to_milliseconds(each.created_at),
        key=given(first_key),
    )


def limits(asked: schemas.LimitsIn | UnsetType, present: Limits) -> Limits:
    """Return the present limits with those changed that the request sets."""
    if isinstance(asked, UnsetType):
        return present
    return Limits(
        domains=_or(asked.domains, present.domains),
        requests_per_month=_or(asked.requests_per_month, present.requests_per_month),
        pending_claims=_or(asked.pending_claims, present.pending_claims),
    )


def _or(asked: int | UnsetType | None, present: int | None) -> int | None:
    return present if isinstance(asked, UnsetType) else asked


def audit(stored: StoredAuditRow) -> schemas.AuditOut:
    """Serialize a row of the audit log."""
    row, is_repeated = stored.row, stored.count > 1
    return schemas.AuditOut(
        at=row.at,
        actor=row.actor,
        account_id=given(row.account_id),
        action=row.action,
        subject=row.subject,
        address=given(row.address),
        tracking_id=given(row.tracking_id),
        count=stored.count if is_repeated else UNSET,
        last_at=stored.last_at if is_repeated else UNSET,
    )


def truncate_to_milliseconds(at: datetime) -> datetime:
    """Return a time in whole milliseconds, as the store keeps it, so that later responses have the same value."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


encode = msgspec.json.Encoder().encode
