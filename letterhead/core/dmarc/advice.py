"""Knows what to advise on a DMARC record that receivers use, be it the domain's own or one that it inherits."""

from collections.abc import Callable, Sequence

from letterhead.core.dmarc.diagnoses import (
    NO_REPORTS,
    POLICY_MISSING,
    POLICY_NONE,
    REJECT_BEFORE_DKIM,
    REMOVED_TAG,
    REPORT_ADDRESS_BAD,
    REPORT_UNAUTHORISED,
    STRICT_DKIM,
    STRICT_SPF,
    SUBDOMAIN_POLICY_NONE,
    SYNTAX,
    TAG_ORDER,
    UNKNOWN_TAG,
)
from letterhead.core.dmarc.record import KNOWN, REMOVED, DmarcProblem, DmarcRecord, DmarcTag, parse, problems, reports
from letterhead.core.dmarc.tree_walk import DiscoveredPolicy, organisational_domain, policy_in_force
from letterhead.core.dns.answers import Found, Question, Unanswered, View
from letterhead.core.dns.records import Rdata, Txt
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Match, RuleInput
from letterhead.core.names.host_names import NAME_LIMIT
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict

MOST_DESTINATIONS = 4  # hosts for reports that we ask about; each costs a question or a walk


def texts_of(rdatas: Sequence[Rdata]) -> list[str]:
    """Gives the text of each TXT."""
    return [rdata.text for rdata in rdatas if isinstance(rdata, Txt)]


def records_in(standing: RecordResult) -> list[DmarcRecord]:
    """Reads the DMARC records at the planned name."""
    return [record for record in map(parse, standing.observed) if record.current]


def one_record(standing: RecordResult) -> DmarcRecord | None:
    """Reads the DMARC record at the planned name, where there is exactly one."""
    records = records_in(standing)
    return records[0] if len(records) == 1 else None


def match_of_part(record: DmarcRecord, spot: DmarcProblem | DmarcTag, **places: str) -> Match:
    """Points at a part of a record; `{part}` is its text and `{at}` its place, counted from 1."""
    part = record.text[spot.start : spot.end]
    span = (spot.start, spot.end)
    return Match(places={"part": part, "at": str(spot.start + 1), **places}, observed=(record.text,), span=span)


def match_ignored_part(_: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where a part of the record can't be read, and receivers go on without it."""
    record = one_record(standing)
    found = problems(record)[:1] if record else ()
    return match_of_part(record, found[0], trouble=found[0].why) if record and found else None


def no_policy(_: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where the record has no `p`."""
    record = one_record(standing)
    if record is None or record.tag("p") is not None or record.broken:
        return None  # what can't be read was the policy, most likely, and is told by itself
    effect = "act as if it were p=none" if record.enforceable else "ignore the record"
    return Match(places={"effect": effect}, observed=(record.text,))


# --- advice about a record that receivers use ------------------------------------------------------------------


def _advice(holds: Callable[[DmarcRecord], Match | None]) -> Callable[[RuleInput, RecordResult], Match | None]:
    """Looks at the domain's own record, unless it is word for word what we asked for."""

    def advise(_: RuleInput, standing: RecordResult) -> Match | None:
        record = one_record(standing) if standing.verdict is Verdict.PRESENT else None
        return holds(record) if record and not _ours(record, standing.record) else None

    return advise


def _ours(record: DmarcRecord, asked: PlannedRecord) -> bool:
    ours = parse(asked.value)
    return [(tag.name, tag.value) for tag in record.tags] == [(tag.name, tag.value) for tag in ours.tags]


def _policy_late(record: DmarcRecord) -> Match | None:
    policy = record.tag("p")
    if policy is None or record.tags[1] is policy:
        return None
    return match_of_part(
        record, policy, trouble="p should follow v at once: RFC 9989 lets it stand anywhere, RFC 7489 did not"
    )


def _policy_none(record: DmarcRecord) -> Match | None:
    policy = record.tag("p")
    return match_of_part(record, policy) if policy and record.word("p") == "none" else None


def _subdomains_open(record: DmarcRecord) -> Match | None:
    enforced = record.word("p") in ("quarantine", "reject")
    named = (record.tag(name) for name in ("sp", "np"))
    lax = next((tag for tag in named if tag and tag.value.lower() == "none"), None)
    return match_of_part(record, lax) if enforced and lax else None


def _removed(record: DmarcRecord) -> Match | None:
    tag = next((tag for tag in record.tags if tag.name in REMOVED), None)
    return match_of_part(record, tag, tag=tag.name) if tag else None


def _unknown(record: DmarcRecord) -> Match | None:
    tag = next((tag for tag in record.tags if tag.name not in (*KNOWN, *REMOVED)), None)
    return match_of_part(record, tag, tag=tag.name) if tag else None


def _no_reports(record: DmarcRecord) -> Match | None:
    return Match(observed=(record.text,)) if record.tag("rua") is None else None


def _bad_address(record: DmarcRecord) -> Match | None:
    for name in ("rua", "ruf"):
        tag = record.tag(name)
        for uri in reports(record, name):
            if uri.host is None and tag and not _troubled(record, tag):
                span = (tag.start, tag.end) if uri.start == uri.end else (uri.start, uri.end)
                return Match(places={"part": uri.text or "empty", "tag": name}, observed=(record.text,), span=span)
    return None


def _troubled(record: DmarcRecord, tag: DmarcTag) -> bool:
    """Says whether the tag can't be read for another reason already told."""
    return any(tag.start <= trouble.start < tag.end for trouble in problems(record))


# --- advice about the policy in force, whosoever record it is --------------------------------------------------


def _in_force(
    holds: Callable[[RuleInput, DiscoveredPolicy], Match | None],
) -> Callable[[RuleInput, RecordResult], Match | None]:
    def advise(scene: RuleInput, _: RecordResult) -> Match | None:
        policy = policy_in_force(scene.plan.sender, scene.seen)
        return holds(scene, policy) if policy else None

    return advise


def _seen_in(policy: DiscoveredPolicy, **places: str) -> Match:
    return Match(places={"found": policy.name, **places}, observed=(policy.text,))


def _strict_spf(scene: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    hosts = [each.host for each in scene.plan.records if each.id is RecordId.MAIL_FROM_SPF]
    apart = policy.strict_spf and hosts and hosts[0] != scene.plan.sender
    return _seen_in(policy, mail_from=hosts[0]) if apart else None


def _strict_dkim(scene: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    signers = [each.host.partition("._domainkey.")[2] for each in scene.plan.records if each.id is RecordId.DKIM]
    apart = policy.strict_dkim and signers and signers[0] not in ("", scene.plan.sender)
    return _seen_in(policy, signer=signers[0]) if apart else None


def _rejects_early(scene: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    dkim = scene.result_of(RecordId.DKIM)
    unsigned = dkim is not None and dkim.verdict in (Verdict.ABSENT, Verdict.WRONG)
    return _seen_in(policy) if unsigned and policy.asked == "reject" else None


def _unauthorised(scene: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    for host in destinations(scene, policy):
        asked = authorisation_name(policy, host)
        replies = scene.seen.get(asked, ())
        if not replies or isinstance(replies[0].answer, Unanswered):
            continue
        answer = replies[0].answer
        texts = texts_of(answer.rrset.rdatas) if isinstance(answer, Found) else []
        if not any(parse(text).current for text in texts):
            return _seen_in(policy, target=host, leave=asked.name)
    return None


def authorisation_name(policy: DiscoveredPolicy, host: str) -> Question:
    """Asks whether a host takes reports about the policy's domain (RFC 9990 4)."""
    return Question(name=f"{policy.domain}._report._dmarc.{host}", rdtype="TXT", view=View.ONE_RESOLVER)


def destinations(scene: RuleInput, policy: DiscoveredPolicy) -> list[str]:
    """Lists the hosts that get reports and belong to somebody else: another organisational domain."""
    own = organisational_domain(policy.domain, scene.seen)
    return [
        host
        for host in hosts(policy)
        if not are_near(host, policy.domain) or organisational_domain(host, scene.seen) != own
    ]


def hosts(policy: DiscoveredPolicy) -> list[str]:
    """Lists the hosts that get reports, the policy's own domain apart."""
    record = parse(policy.text)
    found = [uri.host for name in ("rua", "ruf") for uri in reports(record, name)]
    others = [host for host in dict.fromkeys(found) if host and host != policy.domain]
    fitting = [host for host in others if len(authorisation_name(policy, host).name) <= NAME_LIMIT]
    return fitting[:MOST_DESTINATIONS]


def are_near(one: str, other: str) -> bool:
    """Says whether two names share more than a top-level domain, so that they may be one organisation's."""
    return one.split(".")[-2:] == other.split(".")[-2:]


# --- all of it -------------------------------------------------------------------------------------------------


def _about(diagnosis: Diagnosis, holds: Callable[[DmarcRecord], Match | None]) -> DiagnosisRule:
    return DiagnosisRule(diagnosis=diagnosis, holds=_advice(holds))


def _used(
    holds: Callable[[RuleInput, RecordResult], Match | None],
) -> Callable[[RuleInput, RecordResult], Match | None]:
    """Looks at a record that receivers use; of one that they don't, the same is told as the reason why not."""
    return lambda scene, standing: holds(scene, standing) if standing.verdict is Verdict.PRESENT else None


ADVISES = (
    DiagnosisRule(diagnosis=REJECT_BEFORE_DKIM, holds=_in_force(_rejects_early)),
    DiagnosisRule(diagnosis=STRICT_SPF, holds=_in_force(_strict_spf)),
    DiagnosisRule(diagnosis=STRICT_DKIM, holds=_in_force(_strict_dkim)),
    DiagnosisRule(diagnosis=REPORT_UNAUTHORISED, holds=_in_force(_unauthorised)),
    _about(REPORT_ADDRESS_BAD, _bad_address),
    _about(TAG_ORDER, _policy_late),
    DiagnosisRule(diagnosis=SYNTAX, holds=_used(match_ignored_part)),
    DiagnosisRule(diagnosis=POLICY_MISSING, holds=_used(no_policy)),
    _about(POLICY_NONE, _policy_none),
    _about(SUBDOMAIN_POLICY_NONE, _subdomains_open),
    _about(REMOVED_TAG, _removed),
    _about(UNKNOWN_TAG, _unknown),
    _about(NO_REPORTS, _no_reports),
)
