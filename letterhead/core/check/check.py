"""One check of a domain: what must be published, what to ask next, what is found; and the list of the topics."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import msgspec
from msgspec.structs import replace

from letterhead.core.dkim import topic as dkim
from letterhead.core.dkim.advice import signing_verdict
from letterhead.core.dmarc import topic as dmarc
from letterhead.core.dns.answers import NxDomain, Question, Reply, Seen, View, answering
from letterhead.core.dns.lookup import alias_target, question_at
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.findings.diagnosis import (
    Diagnosis,
    DiagnosisRule,
    Finding,
    Hides,
    History,
    RuleInput,
    Severity,
    Topic,
    finding,
)
from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.mail_from import topic as mail_from
from letterhead.core.plan import cname_answers
from letterhead.core.plan.dns_hosts import DnsHost, delegation, host_of
from letterhead.core.plan.plan import (
    ANY_KEYS,
    AUTHORITATIVE,
    DKIM_KEYS,
    ED25519_KEYS,
    Plan,
    PlannedRecord,
    RecordId,
    RecordResult,
    Verdict,
    judge,
)
from letterhead.core.rotation import delegated_keys
from letterhead.core.spf import topic as spf
from letterhead.core.zone import topic as zone

TOPICS: tuple[Topic, ...] = (zone.TOPIC, dkim.TOPIC, mail_from.TOPIC, spf.TOPIC, dmarc.TOPIC)

DIAGNOSES: dict[str, Diagnosis] = {each.code: each for topic in TOPICS for each in topic.all_diagnoses()}

NO_HISTORY = History()
# What a whole value that is not the planned one is called: it may be an older state of the zone.
OTHER_VALUES = (
    *("dkim.wrong-key", "dkim.key-of-another-name", "dkim.wrong-target", "dkim.revoked", "dkim.not-dkim"),
    *("mail-from.mx-wrong-host", "mail-from.mx-wrong-region", "mail-from.in-use", "mail-from.spf-include-missing"),
    *("mail-from.spf-missing", "dmarc.missing"),
)
MOST_UNPLANNED = 2  # keys without a plan that are asked for at every server: with more, 64 packets are not enough

_TOPIC_OF = {record_id: topic for topic in TOPICS for record_id in topic.records}
_HIDING = tuple(topic for topic in TOPICS if any(each.hides is Hides.ALL for each in topic.diagnoses))


class CheckJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """The results and findings of a check; `served` are the results for what the operator's own zone must serve."""

    results: tuple[RecordResult, ...]
    findings: tuple[Finding, ...]
    served: tuple[RecordResult, ...] = ()


def plan_for(domain: Domain, path: ReturnPath | None) -> Plan:
    """Return all that must be published for a domain; without a return-path no MAIL FROM records are planned.

    Where the operator's zone serves the keys (`domain.key_delegation`), the customer publishes CNAMEs to them.
    """
    sender, rotation, home = domain.sender, domain.rotation, domain.key_delegation
    served: tuple[PlannedRecord, ...] = ()
    if home is not None:
        records = list(delegated_keys.planned_cnames(sender, domain.selector, home))
        served = delegated_keys.served_keys(home, domain.selector, domain.public_key, rotation)
    else:
        records = [dkim.planned_record(sender, domain.selector, domain.public_key)]
        if rotation is not None:
            records.append(dkim.planned_record(sender, rotation.selector, rotation.public_key, ahead=True))
    for key, ahead in ((domain.ed25519, False), (rotation.ed25519 if rotation else None, True)):
        if key is not None:
            records.append(dkim.planned_ed25519_record(sender, key.selector, key.public_key, ahead=ahead))
    if domain.mail_from is not None and path is not None:
        records.append(mail_from.planned_record(domain.mail_from, path.mx_host, path.mx_priority))
        records.append(spf.planned_record(domain.mail_from, path.spf))
    records.append(dmarc.planned_record(sender))
    return Plan(sender=sender, zone=domain.zone or sender, records=tuple(records), served=served)


def plan_unknown(sender: str, zone: str, selectors: Sequence[str], mail_from_name: str | None) -> Plan:
    """Return what to ask for where nobody knows what should be published: any valid record will do."""
    records = [dkim.unplanned_record(sender, selector) for selector in selectors]
    if mail_from_name is not None:
        records += [mail_from.unplanned_record(mail_from_name), spf.unplanned_record(mail_from_name)]
    return Plan(sender=sender, zone=zone, records=(*records, dmarc.unplanned_record(sender)))


# --- what to ask ----------------------------------------------------------------------------------------------------


def next_questions(plan: Plan, seen: Seen, *, thorough: bool, history: History = NO_HISTORY) -> tuple[Question, ...]:
    """Return what to ask next given what was seen; nothing when all is known.

    A thorough check asks the authoritative servers and the resolvers, then what would explain what is not right. A
    routine one asks the resolvers alone, and goes on to the authoritative servers for each required record that is not
    present there.
    """
    needed = {record.id: _needed(record, seen) for record in plan.records}
    if thorough:
        wanted = [_authoritative(record, plan) for record in plan.in_asking_order if _is_reachable(record, plan, seen)]
        wanted.append(Question(name=plan.sender, rdtype="NS", view=View.DELEGATION))
        wanted += _at_resolvers(plan, (RecordId.DMARC,))
    else:
        wanted = _at_resolvers(plan, (RecordId.DMARC, *ED25519_KEYS))
        for record in plan.in_asking_order:
            answered = record.required and _recursive(record) in seen and not needed[record.id]
            if answered and judge_record(record, seen).verdict is not Verdict.PRESENT:
                wanted += [_authoritative(record, plan)] if _is_reachable(record, plan, seen) else []
    # One question instead of two for a CNAME and the key at its target.
    pairs = cname_answers.questions(plan).items()
    instead = {each: asked for asked, both in pairs for each in both if asked not in seen}
    wanted = list(dict.fromkeys(instead.get(question, question) for question in wanted))
    unseen = [question for question in wanted if question not in seen]
    further = list(chain.from_iterable(needed.values()))
    for question, replies in seen.items():  # CNAMEs that lead out of the server's own zones
        targets = (alias_target(reply.answer) for reply in replies)
        further += [question_at(question, target) for target in targets if target is not None]
    if thorough and not unseen:
        further += _probes(_new_rule_input(plan, seen, judge_all(plan, seen), (), history))
    return tuple(dict.fromkeys([*unseen, *(question for question in further if question not in seen)]))


def implied_answers(questions: Iterable[Question], seen: Seen) -> dict[Question, tuple[Reply, ...]]:
    """Return answers to hints that need not be asked for: a name that does not exist has none below it (RFC 8020 2)."""
    nonexistent: dict[str, tuple[Reply, ...]] = {}
    for question, replies in seen.items():
        if question.view in (*AUTHORITATIVE, View.ONE_SERVER):
            answers = [reply.answer for reply in answering(replies)]
            if answers and all(isinstance(answer, NxDomain) for answer in answers):
                nonexistent[question.name] = replies
    implied: dict[Question, tuple[Reply, ...]] = {}
    for question in questions:
        labels = question.name.split(".")
        at_or_above = (".".join(labels[at:]) for at in range(len(labels)))
        name = next((each for each in at_or_above if each in nonexistent), None)
        if name is not None and question.view is View.ONE_SERVER:
            implied[question] = nonexistent[name][:1]
    return implied


def _needed(record: PlannedRecord, seen: Seen) -> list[Question]:
    """Return what must be asked before a planned record that was answered can be judged."""
    needs = _TOPIC_OF[record.id].needs
    return [question for question in needs(record, seen) if question not in seen] if needs is not None else []


def _probes(rule_input: RuleInput) -> Iterable[Question]:
    """Return what the topics need besides the planned records; nothing where one fault explains all."""
    if any(DIAGNOSES[each.code].hides is Hides.ALL for each in _survey(rule_input, _HIDING)):
        return
    for result in rule_input.results:
        topic = _TOPIC_OF[result.record.id]
        if topic.probes is not None and result.agreed and result.verdict in (Verdict.ABSENT, Verdict.WRONG):
            yield from topic.probes(rule_input, result)
    # Where no record was answered, all that is worth asking is whether there are servers that answer.
    unanswered = all(result.verdict is Verdict.UNANSWERED for result in rule_input.results)
    for topic in (zone.TOPIC,) if unanswered else TOPICS:
        if topic.asks is not None:
            yield from topic.asks(rule_input)


def _new_rule_input(
    plan: Plan, seen: Seen, judged: CheckJudgement, hosts: Sequence[DnsHost], history: History
) -> RuleInput:
    delegated = delegation(plan.sender, seen)
    nameservers = tuple(server.name for server in delegated.servers) if delegated else ()
    return RuleInput(
        plan=plan,
        seen=seen,
        results=judged.results,
        served=judged.served,
        signing=signing_verdict(judged.results),
        dns_host=host_of(nameservers, hosts),
        nameservers=nameservers,
        history=history,
    )


def _at_resolvers(plan: Plan, optional: Sequence[RecordId]) -> list[Question]:
    """Return the questions to resolvers, for all records but a CNAME with no key behind it yet.

    Where a second key is planned, one resolver will do for what is `optional`, since no mail depends on that: with
    three of them a routine check would send more than twelve packets, and a thorough one more than 64.
    """
    keys = [each.id for each in plan.served]
    idle = [each for each in plan.records if keys and each.id in DKIM_KEYS and each.id not in keys]
    has_second_key = any(each.id in ED25519_KEYS for each in plan.records)
    return [
        _recursive(record, View.ONE_RESOLVER if has_second_key and record.id in optional else View.RECURSIVE)
        for record in plan.in_asking_order
        if record not in idle
    ]


def _is_reachable(record: PlannedRecord, plan: Plan, seen: Seen) -> bool:
    """Tell whether it is worth asking for: what the operator's own zone serves is, once the CNAME to it is there."""
    if record not in plan.served:
        return True
    alias = plan.record(record.id)
    return alias is not None and judge_record(alias, seen).verdict is Verdict.PRESENT


def _recursive(record: PlannedRecord, view: View = View.RECURSIVE) -> Question:
    return Question(name=record.host, rdtype=record.rdtype, view=view)


def _authoritative(record: PlannedRecord, plan: Plan) -> Question:
    """Return the question for a record to every server where a key decides; to two for the other records.

    Where CNAMEs lead to the keys, not all four of these records decide at once.
    """
    comes = any(each.id is RecordId.DKIM_NEXT for each in plan.served)
    if record in plan.served:
        decides = comes == (record.id is RecordId.DKIM_NEXT)  # every server had the one in use before another came
    else:
        decides = not plan.served or comes or record.id in (RecordId.DKIM, *ED25519_KEYS)  # a second key has no CNAME
    if sum(not each.exact and each.id in DKIM_KEYS for each in plan.records) > MOST_UNPLANNED:
        decides = False  # no domain's state follows from keys that nobody planned
    view = View.EVERY_SERVER if record.id in ANY_KEYS and decides else View.TWO_SERVERS
    return Question(name=record.host, rdtype=record.rdtype, view=view)


# --- what was found -------------------------------------------------------------------------------------------------


def judge_record(record: PlannedRecord, seen: Seen) -> RecordResult:
    """Judge one planned record by its topic's rule."""
    topic = _TOPIC_OF[record.id]
    accepts = topic.accepts
    assert accepts is not None  # noqa: S101 every topic with records says what it accepts
    return judge(record, seen, topic.accepts_seen or (lambda record, rdatas, _: accepts(record, rdatas)))


def examine(
    plan: Plan,
    seen: Seen,
    hosts: Sequence[DnsHost] = (),
    history: History = NO_HISTORY,
    language: Language = ENGLISH,
) -> CheckJudgement:
    """Judge every planned record and list the findings, the gravest first: one cause, one finding.

    `hosts` is the table of DNS hosts, for fixes in the words of the DNS host's form.
    """
    judged = judge_all(plan, seen)
    return replace(judged, findings=list_findings(plan, seen, judged, hosts, history, language))


def judge_all(plan: Plan, seen: Seen) -> CheckJudgement:
    """Judge every planned record, and what the operator's own zone must serve, without any findings yet."""
    results = tuple([judge_record(record, seen) for record in plan.records])
    return CheckJudgement(
        results=results, findings=(), served=tuple([judge_record(record, seen) for record in plan.served])
    )


def all_present(plan: Plan) -> CheckJudgement:
    """Return the results of a check with a stored fingerprint: all that is required is there, so nothing is judged."""
    results, served = (
        tuple([RecordResult(record=each, verdict=Verdict.PRESENT) for each in records if each.required])
        for records in (plan.records, plan.served)
    )
    return CheckJudgement(results=results, findings=(), served=served)


def list_findings(
    plan: Plan,
    seen: Seen,
    judged: CheckJudgement,
    hosts: Sequence[DnsHost],
    history: History,
    language: Language = ENGLISH,
) -> tuple[Finding, ...]:
    """Return the findings, the gravest first, given the result for each planned record."""
    rule_input = replace(_new_rule_input(plan, seen, judged, hosts, history), language=language)
    surveyed = _survey(rule_input)
    hiding = [each for each in surveyed if DIAGNOSES[each.code].hides is Hides.ALL]
    if hiding:
        return tuple(hiding[:1])
    covered = {(each.record, each.host) for each in surveyed if DIAGNOSES[each.code].hides is Hides.RECORD}
    found: list[Finding] = []
    for result in rule_input.results:
        if (result.record.id, result.record.host) in covered or result.verdict is Verdict.UNANSWERED:
            continue
        topic = _TOPIC_OF[result.record.id]
        if result.verdict is not Verdict.PRESENT and result.agreed:
            found += islice(_apply_rules(rule_input, result, topic.explains), 1)
        found += _apply_rules(rule_input, result, topic.advises)
    surveyed = [_explain_dissent(rule_input, each) for each in surveyed]
    severities = list(Severity)
    return tuple(sorted([*surveyed, *_join_aliases(found, language)], key=lambda each: severities.index(each.severity)))


def _explain_dissent(rule_input: RuleInput, found: Finding) -> Finding:
    """Say of servers that differ from the others what is wrong with their value: no waiting heals a spoilt one.

    Where they have another value that is whole, or none, that may be an older state of the zone.
    """
    if found.code != zone.DISAGREE.code:
        return found
    differing = (each for each in rule_input.results if not each.agreed and each.record.host == found.host)
    result = next((each for each in differing if each.record.id == found.record), None)
    if result is None:
        return found
    seen = {question: _replies_of(result, question, replies) for question, replies in rule_input.seen.items()}
    theirs = judge_record(result.record, seen)
    given = replace(rule_input, seen=seen, results=(theirs,))
    rules = _TOPIC_OF[result.record.id].explains if theirs.verdict is Verdict.WRONG else ()
    cause = next(_apply_rules(given, theirs, rules), None)
    if cause is None or cause.code in OTHER_VALUES:
        return found
    fix = given.language.text(
        "Correct the record at {servers}, since waiting does not heal it. {fix}",
        servers=", ".join(result.dissenting),
        fix=cause.fix,
    )
    return replace(found, detail=f"{found.detail} {cause.detail}", observed=cause.observed, span=cause.span, fix=fix)


def _replies_of(result: RecordResult, question: Question, replies: tuple[Reply, ...]) -> tuple[Reply, ...]:
    """Return the replies without those of the servers that have the planned record."""
    if question.view not in AUTHORITATIVE or question.rdtype != result.record.rdtype:
        return replies
    return tuple(each for each in replies if each.perspective.server in result.dissenting or alias_target(each.answer))


def _join_aliases(findings: Iterable[Finding], language: Language) -> list[Finding]:
    """Join the findings that one CNAME causes for several records at its name: it is deleted once."""
    joined: dict[tuple[object, ...], Finding] = {}
    for at, each in enumerate(findings):
        alias = each.code.endswith((".cname-conflict", ".cname-dangling"))
        key = (each.code, each.host) if alias else (at,)
        first = joined.get(key)
        further = each.fix.rpartition(language.text(", then "))[2]
        joined[key] = replace(first, fix=f"{first.fix}; {further}") if first else each
    return list(joined.values())


def _survey(rule_input: RuleInput, topics: Iterable[Topic] = TOPICS) -> list[Finding]:
    """Return the findings that belong to no planned record."""
    return [each for topic in topics if topic.survey is not None for each in topic.survey(rule_input)]


def _apply_rules(rule_input: RuleInput, result: RecordResult, rules: Iterable[DiagnosisRule]) -> Iterator[Finding]:
    """Return a finding for each rule that matches one record."""
    for rule in rules:
        match = rule.holds(rule_input, result)
        if match is not None:
            found = finding(rule.diagnosis, rule_input, result, match)
            # The next key signs nothing yet, nor a second one alone: whatever is wrong with its record stops no mail.
            spare = result.record.id in (RecordId.DKIM_NEXT, *ED25519_KEYS) and found.severity is Severity.BLOCKING
            yield replace(found, severity=Severity.WARNING) if spare else found
