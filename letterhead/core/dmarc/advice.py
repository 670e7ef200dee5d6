"""Rules for a DMARC record that receivers use, be it the domain's own or inherited from a name above it."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from letterhead.core.dmarc.correction import corrected
from letterhead.core.dmarc.diagnoses import (
    NO_REPORTS,
    POLICY_MISSING,
    POLICY_NONE,
    REJECT_BEFORE_DKIM,
    REMOVED_TAG,
    REPORT_ADDRESS_BAD,
    REPORT_UNAUTHORISED,
    REPORTS_NOT_MAILED,
    STRICT_DKIM,
    STRICT_SPF,
    SUBDOMAIN_POLICY_NONE,
    SYNTAX,
    TAG_ORDER,
    UNKNOWN_TAG,
)
from letterhead.core.dmarc.record import (
    KNOWN,
    REMOVED,
    DmarcProblem,
    DmarcRecord,
    DmarcTag,
    parse_dmarc_record,
    problems,
    reports,
)
from letterhead.core.dmarc.tree_walk import (
    TRUSTED_FIRST,
    DiscoveredPolicy,
    organisational_domain,
    policy_in_force,
    question,
)
from letterhead.core.dns.answers import Found, Question, Unanswered, View
from letterhead.core.dns.lookup import alias_end, is_in_zone, sends_no_mail
from letterhead.core.dns.records import Rdata, Txt
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Match, RuleInput, Severity
from letterhead.core.names.host_names import NAME_LIMIT
from letterhead.core.plan.plan import RecordId, RecordResult, Verdict

MOST_DESTINATIONS = 4  # hosts for reports that are asked for; each costs a question or a walk


def texts_of(rdatas: Sequence[Rdata]) -> list[str]:
    """Return the text of each TXT record."""
    return [rdata.text for rdata in rdatas if isinstance(rdata, Txt)]


def records_of(result: RecordResult) -> list[DmarcRecord]:
    """Return the DMARC records at the planned name."""
    return [record for record in map(parse_dmarc_record, result.observed) if record.is_dmarc]


def single_record(result: RecordResult) -> DmarcRecord | None:
    """Return the DMARC record at the planned name; None where there is none, or several."""
    records = records_of(result)
    return records[0] if len(records) == 1 else None


def mark_part(record: DmarcRecord, part: DmarcProblem | DmarcTag, **places: str) -> Match:
    """Return a match that marks a part of a record; {part} is its text and {at} its place, counted from 1."""
    span = (part.start, part.end)
    found = {"part": record.text[slice(*span)].strip(), "at": str(part.start + 1)}
    return Match(places={**found, **places}, observed=(record.text,), span=span, expected="")


def match_part(record: DmarcRecord, part: DmarcProblem | DmarcTag, **places: str) -> Match:
    """Return a match that marks a part of a record which is to be corrected."""
    return with_correction(mark_part(record, part, **places), [record])


def with_correction(match: Match, records: Sequence[DmarcRecord]) -> Match:
    """Return a match that expects the one record that was meant; {caution} says if a policy comes into force by it."""
    value = corrected("; ".join(record.text for record in records))
    policy = parse_dmarc_record(value).keyword("p")
    in_force = records[0].policy_of("p") if len(records) == 1 and records[0].is_enforceable else "none"
    caution = f". This puts p={policy} into force: write p=none for now if you are not sure that all your mail passes"
    places = {**match.places, "caution": "" if policy in ("none", in_force) else caution}
    return replace(match, places=places, expected=value)


def ignored_part(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a part of the record that receivers can't parse_dmarc_record, and ignore."""
    record = single_record(result)
    found = sorted(problems(record), key=lambda each: each.harmless) if record else []
    if record is None or not found:
        return None
    severity = Severity.TIP if found[0].harmless else None
    return replace(match_part(record, found[0], trouble=found[0].why), severity=severity)


def policy_missing(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a record without `p`, unless a part of it can't be parsed: that was the policy, most likely."""
    record = single_record(result)
    if record is None or record.tag("p") is not None or record.unparsed:
        return None
    effect = "act as if it were p=none" if record.is_enforceable else "ignore the record"
    return with_correction(Match(places={"effect": effect}, observed=(record.text,)), [record])


# --- the domain's own record -----------------------------------------------------------------------------------


def _record_rule(diagnosis: Diagnosis, match_record: Callable[[DmarcRecord], Match | None]) -> DiagnosisRule:
    """Return a rule about the domain's own record, where receivers use it and it is not exactly the planned one."""

    def rule(_: RuleInput, result: RecordResult) -> Match | None:
        record = single_record(result) if result.verdict is Verdict.PRESENT else None
        if record is None:
            return None
        ours = [(tag.name, tag.value) for tag in parse_dmarc_record(result.record.value).tags]
        return match_record(record) if [(tag.name, tag.value) for tag in record.tags] != ours else None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def late_policy(record: DmarcRecord) -> Match | None:
    """Match a policy that does not follow the version at once."""
    policy = record.tag("p")
    if policy is None or record.tags[1] is policy:
        return None
    return match_part(
        record, policy, trouble="p should follow v at once: RFC 9989 lets it stand anywhere, RFC 7489 did not"
    )


def policy_none(record: DmarcRecord) -> Match | None:
    """Match the policy "none"."""
    policy = record.tag("p")
    return mark_part(record, policy) if policy and record.keyword("p") == "none" else None


def subdomain_policy_none(record: DmarcRecord) -> Match | None:
    """Match the policy "none" for subdomains of a domain that has a stricter one."""
    enforced = record.keyword("p") in ("quarantine", "reject")
    named = (record.tag(name) for name in ("sp", "np"))
    lax = next((tag for tag in named if tag and tag.value.lower() == "none"), None)
    return mark_part(record, lax) if enforced and lax else None


def removed_tag(record: DmarcRecord) -> Match | None:
    """Match a tag of RFC 7489 that RFC 9989 does not have."""
    tag = next((tag for tag in record.tags if tag.name in REMOVED), None)
    return mark_part(record, tag, tag=tag.name) if tag else None


def unknown_tag(record: DmarcRecord) -> Match | None:
    """Match a tag that neither RFC has."""
    tag = next((tag for tag in record.tags if tag.name not in (*KNOWN, *REMOVED)), None)
    return mark_part(record, tag, tag=tag.name) if tag else None


def bad_report_address(record: DmarcRecord) -> Match | None:
    """Match an invalid address for reports, in a tag that has no other problem."""
    for name in ("rua", "ruf"):
        tag = record.tag(name)
        for uri in reports(record, name):
            if uri.host is None and tag and not any(tag.start <= each.start < tag.end for each in problems(record)):
                span = (tag.start, tag.end) if uri.start == uri.end else (uri.start, uri.end)
                places = {"part": record.text[slice(*span)].strip(), "tag": name}
                return with_correction(Match(places=places, observed=(record.text,), span=span), [record])
    return None


def reports_not_mailed(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match addresses for aggregate reports of which none is one that every receiver supports (RFC 9989 4.7)."""
    record = single_record(result)
    uris = [uri for uri in reports(record, "rua") if uri.host is not None] if record else []
    if record is None or not uris or any(uri.text.lower().startswith("mailto:") for uri in uris):
        return None
    added = corrected(f"{record.text}; rua=mailto:reports@{rule_input.plan.sender}")
    span = (uris[0].start, uris[-1].end)
    places = {"part": record.text[slice(*span)]}
    return Match(places=places, observed=(record.text,), span=span, expected=added)


# --- the policy that applies, whoever's record it is -----------------------------------------------------------


def _policy_rule(
    diagnosis: Diagnosis, match_policy: Callable[[RuleInput, DiscoveredPolicy], Match | None]
) -> DiagnosisRule:
    def rule(rule_input: RuleInput, _: RecordResult) -> Match | None:
        policy = policy_in_force(rule_input.plan.sender, rule_input.seen)
        return match_policy(rule_input, policy) if policy else None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def _match_at(rule_input: RuleInput, policy: DiscoveredPolicy, **places: str) -> Match:
    """Return a match about a policy, which is at {found}, the end of its CNAMEs; {tell} is whom to tell there."""
    asked = (question(policy.domain, view) for view in TRUSTED_FIRST)
    end = next((end for each in asked if (end := alias_end(rule_input.seen, each)) is not None), None)
    others = end is not None and not is_in_zone(end, rule_input.plan.zone)
    tell = f". {policy.name} is a CNAME to {end}, so tell whoever runs that zone" if others else ""
    return Match(places={"found": end or policy.name, "tell": tell, **places}, observed=(policy.text,), expected="")


def strict_spf(rule_input: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    """Match strict alignment of SPF, which a MAIL FROM domain below the sender never has.

    A domain that sends no mail is never told to weaken its policy.
    """
    hosts = [each.host for each in rule_input.plan.records if each.id is RecordId.MAIL_FROM_SPF]
    parked = sends_no_mail(rule_input.seen, rule_input.plan.sender)
    apart = policy.strict_spf and not parked and hosts and hosts[0] != rule_input.plan.sender
    return _match_at(rule_input, policy, mail_from=hosts[0]) if apart else None


def strict_dkim(rule_input: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    """Match strict alignment of DKIM where another domain than the sender signs."""
    signers = [each.host.partition("._domainkey.")[2] for each in rule_input.plan.records if each.id is RecordId.DKIM]
    parked = sends_no_mail(rule_input.seen, rule_input.plan.sender)
    apart = policy.strict_dkim and not parked and signers and signers[0] not in ("", rule_input.plan.sender)
    return _match_at(rule_input, policy, signer=signers[0]) if apart else None


def reject_before_dkim(rule_input: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    """Match the policy "reject" while no key can sign mail, unless the domain sends none."""
    unsigned = rule_input.signing is Verdict.ABSENT and not sends_no_mail(rule_input.seen, rule_input.plan.sender)
    return _match_at(rule_input, policy) if unsigned and policy.asked == "reject" else None


def unauthorised_reports(rule_input: RuleInput, policy: DiscoveredPolicy) -> Match | None:
    """Match an address for reports at another organisation that does not accept them (RFC 9990 4)."""
    for host in external_report_hosts(rule_input, policy):
        question = authorisation_question(policy, host)
        replies = rule_input.seen.get(question, ())
        if not replies or isinstance(replies[0].answer, Unanswered):
            continue
        answer = replies[0].answer
        texts = texts_of(answer.rrset.rdatas) if isinstance(answer, Found) else []
        if not any(parse_dmarc_record(text).is_dmarc for text in texts):
            return _match_at(rule_input, policy, target=host, leave=question.name)
    return None


def authorisation_question(policy: DiscoveredPolicy, host: str) -> Question:
    """Ask whether a host accepts reports about the policy's domain (RFC 9990 4)."""
    return Question(name=f"{policy.domain}._report._dmarc.{host}", rdtype="TXT", view=View.ONE_RESOLVER)


def external_report_hosts(rule_input: RuleInput, policy: DiscoveredPolicy) -> list[str]:
    """Return the hosts that get reports and belong to another organisational domain."""
    own = organisational_domain(policy.domain, rule_input.seen)
    return [
        host
        for host in report_hosts(policy)
        if not may_be_related(host, policy.domain) or organisational_domain(host, rule_input.seen) != own
    ]


def report_hosts(policy: DiscoveredPolicy) -> list[str]:
    """Return the hosts that get reports, without the policy's own domain."""
    record = parse_dmarc_record(policy.text)
    found = [uri.host for name in ("rua", "ruf") for uri in reports(record, name)]
    others = [host for host in dict.fromkeys(found) if host and host != policy.domain]
    fitting = [host for host in others if len(authorisation_question(policy, host).name) <= NAME_LIMIT]
    return fitting[:MOST_DESTINATIONS]


def may_be_related(one: str, other: str) -> bool:
    """Return whether two names share more than a top-level domain, so that they may be one organisation's."""
    return one.split(".")[-2:] == other.split(".")[-2:]


# --- all of it -------------------------------------------------------------------------------------------------


def _present_rule(
    diagnosis: Diagnosis, match_result: Callable[[RuleInput, RecordResult], Match | None]
) -> DiagnosisRule:
    """Return a rule about a record that receivers use; of others it is a reason why they don't, in `topic`."""
    return DiagnosisRule(
        diagnosis=diagnosis,
        holds=lambda rule_input, result: (
            match_result(rule_input, result) if result.verdict is Verdict.PRESENT else None
        ),
    )


ADVISES = (
    _policy_rule(REJECT_BEFORE_DKIM, reject_before_dkim),
    _policy_rule(STRICT_SPF, strict_spf),
    _policy_rule(STRICT_DKIM, strict_dkim),
    _policy_rule(REPORT_UNAUTHORISED, unauthorised_reports),
    _record_rule(REPORT_ADDRESS_BAD, bad_report_address),
    _present_rule(REPORTS_NOT_MAILED, reports_not_mailed),
    _record_rule(TAG_ORDER, late_policy),
    _present_rule(SYNTAX, ignored_part),
    _present_rule(POLICY_MISSING, policy_missing),
    _record_rule(POLICY_NONE, policy_none),
    _record_rule(SUBDOMAIN_POLICY_NONE, subdomain_policy_none),
    _record_rule(REMOVED_TAG, removed_tag),
    _record_rule(UNKNOWN_TAG, unknown_tag),
    _record_rule(
        NO_REPORTS, lambda record: Match(observed=(record.text,), expected="") if record.tag("rua") is None else None
    ),
)
