"""What forbids that a DNS host sets a planned record: it would overwrite what others need, or that is not known.

A host deletes every TXT at the name of a key, every MX at the MAIL FROM name, whatever stands where a CNAME is to be,
and every CNAME and NS in the way; whether it warns of that is left to it (draft, "Record Types and Conflicts").
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from letterhead.core.dns.answers import (
    Aliased,
    Answer,
    Found,
    NoData,
    Question,
    Reply,
    Seen,
    View,
    answering,
    fingerprint,
)
from letterhead.core.domain_connect.apply_link import ApplyLinkReason
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.mail_from import diagnoses as mail_from
from letterhead.core.names.host_names import UNUSED_LABEL
from letterhead.core.plan.dns_hosts import other_zone
from letterhead.core.plan.plan import AUTHORITATIVE, PlannedRecord, RecordId, RecordResult, Verdict, end_of_aliases
from letterhead.core.spf.lookups import MAX_LOOKUPS, count_lookups
from letterhead.core.spf.record import parse_spf_record, spf_texts

FROM_SERVERS: Final = (*AUTHORITATIVE, View.ONE_SERVER)  # of the zone, and never of a resolver
OTHER_TYPES: Final = ("TXT", "MX", "A")
ANSWERED_TYPES: Final = ("A", "AAAA", "MX", "TXT")  # that a web site or mail may depend on
# What stands at the very name is our own value, spoilt so that nobody can use it: to overwrite it mends it.
SPOILT: Final = frozenset(
    (
        *(f"dkim.{each}" for each in ("prefix-repeated", "chunks-misordered", "truncated", "case-changed", "escaped")),
        *(f"dkim.{each}" for each in ("quoted", "quotes-lost", "html-entities", "pasted-line", "whitespace")),
        *mail_from.SPOILT,
    )
)


class Collision(msgspec.Struct, frozen=True, kw_only=True):
    """Why one record may not be set: what was found and what to do, with the code of what it is called.

    `finding` is the one in whose words the detail is.
    """

    id: RecordId
    reason: ApplyLinkReason
    detail: str
    code: str | None = None
    finding: Finding | None = None


class ExaminedZone(msgspec.Struct, frozen=True, kw_only=True):
    """What one check saw: the zone that holds the sender, the results and findings, and the answers."""

    zone: str
    results: tuple[RecordResult, ...]
    findings: tuple[Finding, ...]
    seen: Seen


def collision_questions(sender: str, results: Sequence[RecordResult], seen: Seen) -> tuple[Question, ...]:
    """Return what must be asked besides the questions of a check: what else is at a name, and what a wildcard says."""
    wanted: list[Question] = []
    if any(each.verdict is not Verdict.PRESENT for each in results):
        below = f"{UNUSED_LABEL}.{sender}"
        wanted += (_one_server(name, rdtype) for rdtype in ANSWERED_TYPES for name in (below, _control_name(sender)))
    for result in results:
        record = result.record
        if result.verdict is Verdict.PRESENT or record.id is RecordId.DMARC:
            continue
        types = OTHER_TYPES if record.rdtype == "CNAME" else (record.rdtype,)
        wanted += (_one_server(_control_name(record.host), rdtype) for rdtype in types)
        if record.rdtype == "CNAME":
            wanted += (_one_server(record.host, rdtype) for rdtype in types)
    return tuple(dict.fromkeys(each for each in wanted if each not in seen))


def wildcard_collision(sender: str, zone: ExaminedZone) -> Collision | None:
    """Return why no record may be set below a sender for which only a wildcard answers: it would no longer.

    A first record below a name makes that name exist (RFC 4592 2.2.2), and its web site or its mail would be gone.
    While it does not exist, the wildcard above it answers for the names below it too.
    """
    if sender == zone.zone:
        return None
    for rdtype in ANSWERED_TYPES:
        for reply in zone.seen.get(_one_server(f"{UNUSED_LABEL}.{sender}", rdtype), ()):
            if _is_from_wildcard(zone.seen, sender, rdtype, reply.answer):
                above = sender.partition(".")[2]
                said = f"{sender} has no record of its own: *.{above} answers for it, and would no longer."
                return Collision(
                    id=RecordId.DKIM,
                    reason=ApplyLinkReason.RECORDS_COLLIDE,
                    detail=f"{said} Add to {sender} what *.{above} answers for it, such as addresses, MX and SPF.",
                    code="zone.wildcard-answers",
                )
    return None


def find_collision(zone: ExaminedZone, result: RecordResult) -> Collision | None:
    """Return why a planned record may not be set, None where it may."""
    record = result.record
    elsewhere = other_zone(record.host, zone.zone, zone.seen)
    if elsewhere is not None:
        detail = f"{record.host} lies in the zone {elsewhere}, which other nameservers serve than those of {zone.zone}."
        fix = "Add the records by hand, in the zone that holds each."
        return Collision(id=record.id, reason=ApplyLinkReason.ZONE_DELEGATED_ELSEWHERE, detail=f"{detail} {fix}")
    if result.verdict is Verdict.PRESENT:
        return None
    findings = [each for each in zone.findings if each.record == record.id and each.severity is Severity.BLOCKING]
    others = list(records_in_the_way(zone.seen, record))
    if others:
        return _new_collision(record, findings, f"{record.host} has {others[0]} already, which would be deleted.")
    if result.verdict is Verdict.UNANSWERED:
        detail = f"DNS did not say what is at {record.host}: whether something would be overwritten is not known."
        return Collision(
            id=record.id,
            reason=ApplyLinkReason.DNS_UNANSWERED,
            detail=f"{detail} Ask again when its nameservers answer, or add the record by hand.",
        )
    if result.verdict is not Verdict.WRONG or _is_synthesised(zone.seen, record):
        return None
    if record.id is RecordId.MAIL_FROM_SPF:
        return spf_collision(zone, record, findings)
    # A finding names the first fault of a name: somebody else's MX may stand beside the one that it is about.
    is_alone = record.rdtype != "MX" or len(result.observed) == 1
    if is_alone and findings and all(each.code in SPOILT for each in findings):
        return None
    return _new_collision(record, findings, f"{record.host} has another {record.rdtype} already, which would be lost.")


def spf_collision(zone: ExaminedZone, record: PlannedRecord, findings: Sequence[Finding]) -> Collision | None:
    """Return why the terms can't be merged into the SPF record that is there: hosts add them in front of its own."""
    found = [reply.answer for asked, reply in _replies(zone.seen, record.host) if asked.rdtype == record.rdtype]
    sets = [answer.rrset.rdatas for answer in found if isinstance(answer, Found)]
    texts = list(dict.fromkeys(text for rdatas in sets for text in spf_texts(rdatas)))
    if not texts:  # a TXT of another kind stays
        return None
    merged = parse_spf_record(texts[0].replace("v=spf1", record.value.removesuffix(" ~all"), 1))
    if len(texts) > 1 or merged.permanent_error is not None:
        return _new_collision(record, findings, f"The SPF record at {record.host} has a fault that merging leaves.")
    if count_lookups(record.host, merged, zone.seen).lookups > MAX_LOOKUPS:
        said = f"The SPF record at {record.host} would cost more than {MAX_LOOKUPS} lookups (RFC 7208 4.6.4)."
        return Collision(
            id=record.id,
            reason=ApplyLinkReason.RECORDS_COLLIDE,
            detail=f"{said} Remove terms from it that nobody needs, or choose another MAIL FROM name.",
            code="spf.too-many-lookups",
        )
    return None


def _new_collision(record: PlannedRecord, findings: Sequence[Finding], otherwise: str) -> Collision:
    """Return a collision in the words of the finding, where the check has one."""
    first = next((each for each in findings if each.code not in SPOILT), None)
    if first is None:
        detail = f"{otherwise} Look whether something still needs it; remove it, or add the records by hand."
        return Collision(id=record.id, reason=ApplyLinkReason.RECORDS_COLLIDE, detail=detail)
    return Collision(
        id=record.id,
        reason=ApplyLinkReason.RECORDS_COLLIDE,
        detail=f"{first.detail} {first.fix}",
        code=first.code,
        finding=first,
    )


def is_left_alone(zone: ExaminedZone, result: RecordResult) -> bool:
    """Return whether a link leaves out a record that is there.

    Behind a CNAME a host would write it in another form. To an SPF record that has the terms nothing is merged: hosts
    that apply templates by domainconnectzone 4.0 fail at a link that asks for that.
    """
    if result.verdict is not Verdict.PRESENT:
        return False
    return result.record.id is RecordId.MAIL_FROM_SPF or end_of_aliases(zone.seen, result.record) is not None


# --- what was seen at a name ------------------------------------------------------------------------------------------


def _replies(seen: Seen, name: str) -> list[tuple[Question, Reply]]:
    """Return the replies of servers with authority about a name, else those of resolvers."""
    found = [(asked, reply) for asked, replies in seen.items() if asked.name == name for reply in answering(replies)]
    own = [(asked, reply) for asked, reply in found if asked.view in FROM_SERVERS]
    return own or found


def records_in_the_way(seen: Seen, record: PlannedRecord) -> Iterator[str]:
    """Yield what is at the name of another type, and can't stay beside the planned record."""
    for asked, reply in _replies(seen, record.host):
        answer = reply.answer
        if _is_from_wildcard(seen, record.host, asked.rdtype, answer):
            continue
        if isinstance(answer, Found | Aliased) and answer.aliases and asked.rdtype != "CNAME":
            if record.rdtype != "CNAME":
                yield f"a CNAME to {answer.aliases[0]}"
        elif record.rdtype == "CNAME" and isinstance(answer, Found) and asked.rdtype in OTHER_TYPES:
            yield f"a record of type {asked.rdtype}"


def _is_synthesised(seen: Seen, record: PlannedRecord) -> bool:
    """Return whether only a wildcard answers at a name: our own record there ends that (RFC 4592 2.2)."""
    replies = [(asked, reply) for asked, reply in _replies(seen, record.host) if asked.rdtype == record.rdtype]
    return bool(replies) and all(
        _is_from_wildcard(seen, record.host, asked.rdtype, reply.answer)
        for asked, reply in replies
        if not isinstance(reply.answer, NoData)
    )


def _is_from_wildcard(seen: Seen, name: str, rdtype: str, answer: Answer) -> bool:
    control = seen.get(_one_server(_control_name(name), rdtype), ())
    marks = {fingerprint(reply.answer) for reply in control if isinstance(reply.answer, Found | Aliased)}
    return fingerprint(answer) in marks


def _control_name(name: str) -> str:
    """Return a name beside another that nobody has, so that only a wildcard answers there."""
    return f"{UNUSED_LABEL}.{name.partition('.')[2]}"


def _one_server(name: str, rdtype: str) -> Question:
    return Question(name=name, rdtype=rdtype, view=View.ONE_SERVER)
