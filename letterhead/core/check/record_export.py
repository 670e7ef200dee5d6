"""Which of a domain's planned records a tool may write: a record that works, or is somebody else's, is left alone."""

from collections.abc import Collection, Iterable, Sequence

from letterhead.core.dkim import topic as dkim
from letterhead.core.dmarc.record import parse_dmarc_record
from letterhead.core.dmarc.tree_walk import is_without_policy, policy_in_force
from letterhead.core.dns.answers import Seen
from letterhead.core.dns.lookup import is_in_zone
from letterhead.core.domain.domain import Domain
from letterhead.core.mail_from.diagnoses import SPOILT
from letterhead.core.plan.dns_hosts import delegation, other_zone
from letterhead.core.plan.plan import Plan, PlannedRecord, RecordId, RecordResult, Verdict, end_of_aliases
from letterhead.core.plan.record_formats import ZoneExport
from letterhead.core.rotation.rotation import safe_at
from letterhead.core.spf.record import is_spf

MAIL_FROM = (RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)
RECEIVES = "the name receives other mail, or has an MX that is not ours. Choose another MAIL FROM domain, or remove it."
ED25519_LENGTH = 44  # characters of base64 of 32 octets; an RSA key has several hundred


def export_of(
    domain: Domain, plan: Plan, results: Sequence[RecordResult], codes: Collection[str], seen: Seen
) -> ZoneExport:
    """Return what is to be written for a domain in its zone: by what its last check saw, and the codes of its findings.

    The zone is the one that the check found the name in, which may be below the registered domain.
    """
    by_id = {each.record.id: each for each in results}
    records: list[PlannedRecord] = []
    notes: list[str] = []
    for record in plan.records:
        alias = end_of_aliases(seen, record)
        receives = record.id in MAIL_FROM and receives_other_mail(by_id.get(RecordId.MAIL_FROM_MX), codes)
        reason = RECEIVES if receives else _reason_to_leave_out(domain.sender, record, by_id.get(record.id), seen)
        if reason is not None:
            notes.append(f"Left out: {record.rdtype} {record.host}: {reason}")
            continue
        records.append(record)
        if alias is not None:
            notes.append(
                f"{record.rdtype} {record.host}: a CNAME stands there now. Remove it first, if nothing needs it."
            )
        elif (said := _describe_neighbours(record, by_id.get(record.id))) is not None:
            notes.append(f"{record.rdtype} {record.host}: {said.format(sender=domain.sender)}")
    if domain.key_delegation is None:
        kept, keep_notes = _old_keys(domain)
        records += kept
        notes += keep_notes
    delegated = delegation(domain.sender, seen)
    zone = delegated.zone if delegated is not None and "." in delegated.zone else plan.zone
    if not all(is_in_zone(each.host, zone) for each in records):
        zone = plan.zone
    for record in records:
        if (holder := other_zone(record.host, zone, seen)) is not None:
            notes.append(f"{record.rdtype} {record.host}: lies in the zone {holder}. Write it there, not in {zone}.")
    return ZoneExport(zone=zone, records=tuple(records), notes=tuple(notes))


def merge_exports(exports: Iterable[ZoneExport]) -> list[ZoneExport]:
    """Return one export for each zone, in the order of their names."""
    by_zone: dict[str, list[ZoneExport]] = {}
    for each in exports:
        by_zone.setdefault(each.zone, []).append(each)
    return [
        ZoneExport(
            zone=zone,
            records=tuple(record for each in group for record in each.records),
            notes=tuple(note for each in group for note in each.notes),
        )
        for zone, group in sorted(by_zone.items())
    ]


def _reason_to_leave_out(sender: str, record: PlannedRecord, result: RecordResult | None, seen: Seen) -> str | None:
    """Return why a planned record must not be written; None where it may be."""
    verdict = Verdict.UNANSWERED if result is None else result.verdict
    observed = () if result is None else result.observed
    if verdict is Verdict.PRESENT and end_of_aliases(seen, record) is not None:
        return "the name is a CNAME, behind which the record is right."
    if record.id is RecordId.MAIL_FROM_SPF:
        policies = [text for text in observed if is_spf(text)]
        if not policies or {_comparable(text) for text in policies} == {_comparable(record.value)}:
            return None
        if verdict is Verdict.PRESENT:
            return "an SPF record is there that has ours in it and more, and stays."
        terms = record.value.removeprefix("v=spf1 ").removesuffix(" ~all")
        return f"another SPF record is there. Put {terms} into it, right after v=spf1, in place of a second record."
    if record.id is not RecordId.DMARC:
        return None
    policies = [text for text in observed if parse_dmarc_record(text).is_dmarc]
    is_other = {_comparable(text) for text in policies} != {_comparable(record.value)}
    match verdict:
        case Verdict.ABSENT if is_without_policy(sender, seen):
            return None
        case Verdict.ABSENT if policy_in_force(sender, seen) is not None:
            return "the policy of a parent domain applies, and stays."
        case Verdict.UNANSWERED | Verdict.ABSENT:
            unknown = "it is not known yet whether a DMARC policy applies."
            return f"{unknown} Run `letterhead domains check {sender}`, then export again."
        case Verdict.WRONG:
            return "a record is there that receivers do not use as a policy. Correct that one; a second one is no help."
        case _:
            return "a DMARC policy is there already, and stays." if is_other else None


def receives_other_mail(mx: RecordResult | None, codes: Collection[str]) -> bool:
    """Return whether an MX at the MAIL FROM name is not ours; one that is ours, spoilt, counts where it is the only."""
    if mx is None or mx.verdict is Verdict.ABSENT:
        return False
    hosts = {text.rpartition(" ")[2].rstrip(".").lower() for text in mx.observed} - {
        mx.record.value.rstrip(".").lower()
    }
    return bool(hosts) and (len(mx.observed) > 1 or SPOILT.isdisjoint(codes))


def _describe_neighbours(record: PlannedRecord, result: RecordResult | None) -> str | None:
    """Return what a tool's user must know of what stands at the name, with a place for the sender; None if nothing."""
    if record.id in MAIL_FROM and (result is None or result.verdict is Verdict.UNANSWERED):
        return (
            "what stands there is not known, and may be in use for other mail. "
            "Run `letterhead domains check {sender}`, then export again."
        )
    if result is None or result.verdict is not Verdict.WRONG:
        return None
    if record.id is RecordId.MAIL_FROM_SPF:
        return "other TXT records stand there, and stay: keep them in the same record set."
    return (
        "something else stands there now. The record below is to replace it, not to stand beside it: "
        "letterhead domains show {sender}"
    )


def _comparable(text: str) -> str:
    """Return a text without what a DNS host may change when it is written: spaces, capitals and a last semicolon."""
    return "".join(text.lower().split()).rstrip(";")


def _old_keys(domain: Domain) -> tuple[list[PlannedRecord], list[str]]:
    """Return the records of replaced keys that mail under way may still need, and what to know of them."""
    records, notes = [], []
    for old in domain.old_keys:
        if old.safe:
            continue
        is_ed25519 = len(old.public_key) == ED25519_LENGTH
        plan_key = dkim.planned_ed25519_record if is_ed25519 else dkim.planned_record
        record = plan_key(domain.sender, old.selector, old.public_key)
        until = f"{safe_at(old):%Y-%m-%d}"
        if old.public_key:
            records.append(record)
            notes.append(f"TXT {record.host}: the key before the present one, needed by mail under way until {until}.")
        else:
            notes.append(f"TXT {record.host}: a replaced key. Do not remove its record before {until}.")
    return records, notes
