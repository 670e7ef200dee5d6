"""Knows the topics, and only here they are listed: what to publish, what to ask next, what was found."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from letterhead.core.dkim import topic as dkim
from letterhead.core.dmarc import topic as dmarc
from letterhead.core.dns.answers import NxDomain, Question, Reply, Seen, View, answering
from letterhead.core.dns.lookup import alias_target, question_at
from letterhead.core.domain.domain import Ed25519Key, KeyDelegation, Rotation
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

_TOPIC_OF = {record_id: topic for topic in TOPICS for record_id in topic.records}


class CheckJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """Holds how each planned record stands, what was found, and how what our own zone must serve stands."""

    results: tuple[RecordResult, ...]
    findings: tuple[Finding, ...]
    served: tuple[RecordResult, ...] = ()

    def standing(self, record_id: RecordId) -> RecordResult | None:
        """Finds how one planned record stands."""
        return next((standing for standing in self.results if standing.record.id == record_id), None)


def plan_for(
    *,
    sender: str,
    zone: str,
    selector: str,
    public_key: str,
    mail_from_name: str | None,
    path: ReturnPath | None,
    rotation: Rotation | None = None,
    home: KeyDelegation | None = None,
    ed25519: Ed25519Key | None = None,
) -> Plan:
    """Says all that must be published for one claim; without a return-path no MAIL FROM records are planned.

    With a `home` in the operator's zone the keys are served there, and the customer publishes aliases.
    """
    served: tuple[PlannedRecord, ...] = ()
    if home is not None:
        records, served = (
            [*delegated_keys.planned_cnames(sender, selector, home)],
            delegated_keys.served_keys(home, selector, public_key, rotation),
        )
    else:
        records = [dkim.planned_record(sender, selector, public_key)]
        if rotation is not None:
            records.append(dkim.planned_record(sender, rotation.selector, rotation.public_key, ahead=True))
    for key, ahead in ((ed25519, False), (rotation.ed25519 if rotation else None, True)):
        if key is not None:
            records.append(dkim.planned_ed25519_record(sender, key.selector, key.public_key, ahead=ahead))
    if mail_from_name is not None and path is not None:
        records.append(mail_from.planned_record(mail_from_name, path.mx_host, path.mx_priority))
        records.append(spf.planned_record(mail_from_name, path.spf))
    records.append(dmarc.planned_record(sender))
    return Plan(sender=sender, zone=zone, records=tuple(records), served=served)


def plan_unknown(sender: str, zone: str, selectors: Sequence[str], mail_from_name: str | None) -> Plan:
    """Says what to look at where nobody told what should be there: any valid record will do."""
    records = [dkim.unplanned_record(sender, selector) for selector in selectors]
    if mail_from_name is not None:
        records += [mail_from.unplanned_record(mail_from_name), spf.unplanned_record(mail_from_name)]
    return Plan(sender=sender, zone=zone, records=(*records, dmarc.unplanned_record(sender)))


def next_questions(plan: Plan, seen: Seen, *, thorough: bool, history: History = NO_HISTORY) -> tuple[Question, ...]:
    """Says what to ask next given what was seen; nothing when all is known.

    A thorough check asks the authoritative servers and the resolvers beside them, then what would explain what is not
    right. A routine one asks the resolvers alone, and goes on to the authoritative servers for each required record
    that is not present there.
    """
    wanted = _by_way_of_aliases(plan, seen, _first(plan, seen) if thorough else _routine(plan, seen))
    unseen = [question for question in wanted if question not in seen]
    probes = _probes(_scene(plan, seen, judge_all(plan, seen), (), history)) if thorough and not unseen else ()
    further = [*_further(seen), *probes]
    return tuple(dict.fromkeys([*unseen, *(question for question in further if question not in seen)]))


def implied_answers(questions: Iterable[Question], seen: Seen) -> dict[Question, tuple[Reply, ...]]:
    """Answers the hints that need not be asked for: a name that does not exist has nothing below it (RFC 8020 2)."""
    gone = {question.name: replies for question, replies in seen.items() if _nobody_has(question, replies)}
    hints = (question for question in questions if question.view is View.ONE_SERVER)
    above = {
        question: next((gone[name] for name in _upwards(question.name) if name in gone), None) for question in hints
    }
    return {question: replies[:1] for question, replies in above.items() if replies is not None}


def _nobody_has(question: Question, replies: Iterable[Reply]) -> bool:
    """Says whether all servers with authority that answered say that the name does not exist."""
    if question.view not in (*AUTHORITATIVE, View.ONE_SERVER):
        return False
    answers = [reply.answer for reply in answering(replies)]
    return bool(answers) and all(isinstance(answer, NxDomain) for answer in answers)


def _upwards(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.partition(".")[2]


def _probes(scene: RuleInput) -> Iterable[Question]:
    """Asks what the topics want to know beside the planned records; nothing where one fault explains all."""
    if any(DIAGNOSES[each.code].hides is Hides.ALL for each in _surveyed(scene)):
        return
    for standing in scene.results:
        topic = _TOPIC_OF[standing.record.id]
        if topic.probes is not None and standing.agreed and standing.verdict in (Verdict.ABSENT, Verdict.WRONG):
            yield from topic.probes(scene, standing)
    # Where nothing was told of any record, all that is worth asking is whether there is anybody to tell.
    silent = all(standing.verdict is Verdict.UNANSWERED for standing in scene.results)
    for topic in (zone.TOPIC,) if silent else TOPICS:
        if topic.asks is not None:
            yield from topic.asks(scene)


def _scene(plan: Plan, seen: Seen, stands: CheckJudgement, hosts: Sequence[DnsHost], history: History) -> RuleInput:
    delegated = delegation(plan.sender, seen)
    nameservers = tuple(server.name for server in delegated.servers) if delegated else ()
    return RuleInput(
        plan=plan,
        seen=seen,
        results=stands.results,
        served=stands.served,
        dns_host=host_of(nameservers, hosts),
        nameservers=nameservers,
        history=history,
    )


def _first(plan: Plan, seen: Seen) -> list[Question]:
    """Asks for everything, but for what lies behind an alias that is not there."""
    questions = [_authoritative(record, plan) for record in plan.in_asking_order if _reached(record, plan, seen)]
    questions.append(Question(name=plan.sender, rdtype="NS", view=View.DELEGATION))
    return [*questions, *_at_resolvers(plan, (RecordId.DMARC,))]


def _at_resolvers(plan: Plan, spared: Sequence[RecordId]) -> list[Question]:
    """Asks resolvers for all but an alias with no key behind it yet.

    Where a second key is planned, one resolver will do for what is `spared`, since no mail depends on that: with three
    of them a routine check would send more than twelve packets, and a full one more than 64.
    """
    keys = [each.id for each in plan.served]
    idle = [each for each in plan.records if keys and each.id in DKIM_KEYS and each.id not in keys]
    seconds = any(each.id in ED25519_KEYS for each in plan.records)
    return [
        _recursive(record, View.ONE_RESOLVER if seconds and record.id in spared else View.RECURSIVE)
        for record in plan.in_asking_order
        if record not in idle
    ]


def _by_way_of_aliases(plan: Plan, seen: Seen, questions: list[Question]) -> list[Question]:
    """Asks once for an alias and the key behind it."""
    instead = {
        each: asked for asked, both in cname_answers.questions(plan).items() for each in both if asked not in seen
    }
    return list(dict.fromkeys(instead.get(question, question) for question in questions))


def _reached(record: PlannedRecord, plan: Plan, seen: Seen) -> bool:
    """Says whether it is worth asking for: what our own zone serves is, once the alias that leads there is seen."""
    if record not in plan.served:
        return True
    alias = plan.record(record.id)
    return alias is not None and judge_record(alias, seen).verdict is Verdict.PRESENT


def _routine(plan: Plan, seen: Seen) -> list[Question]:
    doubtful = [
        record
        for record in plan.in_asking_order
        if record.required and _recursive(record) in seen and judge_record(record, seen).verdict is not Verdict.PRESENT
    ]
    asked = [_authoritative(record, plan) for record in doubtful if _reached(record, plan, seen)]
    return [*_at_resolvers(plan, (RecordId.DMARC, *ED25519_KEYS)), *asked]


def _recursive(record: PlannedRecord, view: View = View.RECURSIVE) -> Question:
    return Question(name=record.host, rdtype=record.rdtype, view=view)


def _authoritative(record: PlannedRecord, plan: Plan) -> Question:
    """Asks for the DKIM names, which decide, at every server; for the others at two."""
    view = View.EVERY_SERVER if record.id in ANY_KEYS and _decides(record, plan) else View.TWO_SERVERS
    return Question(name=record.host, rdtype=record.rdtype, view=view)


def _decides(record: PlannedRecord, plan: Plan) -> bool:
    """Says whether a key's record decides now: with aliases and keys apart not all of the four do at once."""
    comes = any(each.id is RecordId.DKIM_NEXT for each in plan.served)
    if record in plan.served:
        return comes == (record.id is RecordId.DKIM_NEXT)  # the one in use was seen everywhere before another came
    return not plan.served or comes or record.id in (RecordId.DKIM, *ED25519_KEYS)  # a second key has no alias


def _further(seen: Seen) -> Iterable[Question]:
    """Follows aliases that lead out of the server's own zones."""
    for question, replies in seen.items():
        for reply in replies:
            target = alias_target(reply.answer)
            if target is not None and question_at(question, target) not in seen:
                yield question_at(question, target)


def judge_record(record: PlannedRecord, seen: Seen) -> RecordResult:
    """Judges one planned record by its topic's rule."""
    accepts = _TOPIC_OF[record.id].accepts
    assert accepts is not None  # noqa: S101 every topic with records says what it accepts
    return judge(record, seen, accepts)


def examine(plan: Plan, seen: Seen, hosts: Sequence[DnsHost] = (), history: History = NO_HISTORY) -> CheckJudgement:
    """Judges every planned record and lists what was found, the gravest first: one cause, one finding.

    `hosts` is the table of DNS hosts, for fixes as the panel in charge wants them; `history` what else is known.
    """
    stands = judge_all(plan, seen)
    return replace(stands, findings=list_findings(plan, seen, stands, hosts, history))


def judge_all(plan: Plan, seen: Seen) -> CheckJudgement:
    """Judges every planned record, and what our own zone must serve; finds nothing yet."""
    standings = tuple([judge_record(record, seen) for record in plan.records])
    return CheckJudgement(
        results=standings, findings=(), served=tuple([judge_record(record, seen) for record in plan.served])
    )


def all_there(plan: Plan) -> CheckJudgement:
    """Says how the required records stand where a look has the basis of a sound one, without judging them again."""
    return CheckJudgement(results=_there(plan.records), findings=(), served=_there(plan.served))


def _there(records: Iterable[PlannedRecord]) -> tuple[RecordResult, ...]:
    return tuple([RecordResult(record=each, verdict=Verdict.PRESENT) for each in records if each.required])


def list_findings(
    plan: Plan, seen: Seen, stands: CheckJudgement, hosts: Sequence[DnsHost], history: History
) -> tuple[Finding, ...]:
    """Lists what was found, the gravest first, given how each planned record stands."""
    scene = _scene(plan, seen, stands, hosts, history)
    surveyed = _surveyed(scene)
    hiding = [each for each in surveyed if DIAGNOSES[each.code].hides is Hides.ALL]
    if hiding:
        return tuple(hiding[:1])
    covered = {(each.record, each.host) for each in surveyed if DIAGNOSES[each.code].hides is Hides.RECORD}
    told = [
        each
        for standing in scene.results
        if (standing.record.id, standing.record.host) not in covered and standing.verdict is not Verdict.UNANSWERED
        for each in _of_record(scene, standing)
    ]
    return tuple(sorted([*surveyed, *_once(told)], key=_gravest_first))


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Joins what one alias does to several records at its name: it is deleted once."""
    joined: dict[tuple[object, ...], Finding] = {}
    for at, each in enumerate(findings):
        alias = each.code.endswith((".cname-conflict", ".cname-dangling"))
        key = (each.code, each.host) if alias else (at,)
        first = joined.get(key)
        joined[key] = replace(first, fix=f"{first.fix.rstrip('.')}. {each.fix}") if first else each
    return list(joined.values())


def _surveyed(scene: RuleInput) -> list[Finding]:
    """Lists what was found that belongs to no planned record."""
    return [each for topic in TOPICS if topic.survey is not None for each in topic.survey(scene)]


def _of_record(scene: RuleInput, standing: RecordResult) -> Iterable[Finding]:
    """Explains one record by the first rule that holds, and gives all advice about it."""
    topic = _TOPIC_OF[standing.record.id]
    explains = topic.explains if standing.verdict is not Verdict.PRESENT and standing.agreed else ()
    explained = next(_hits(scene, standing, explains), None)
    if explained is not None:
        yield explained
    yield from _hits(scene, standing, topic.advises)


def _hits(scene: RuleInput, standing: RecordResult, rules: Iterable[DiagnosisRule]) -> Iterator[Finding]:
    for rule in rules:
        sighting = rule.holds(scene, standing)
        if sighting is not None:
            found = finding(rule.diagnosis, scene, standing, sighting)
            # The next key signs nothing yet, nor a second one alone: whatever is wrong with its record stops no mail.
            spare = standing.record.id in (RecordId.DKIM_NEXT, *ED25519_KEYS) and found.severity is Severity.BLOCKING
            yield replace(found, severity=Severity.WARNING) if spare else found


def _gravest_first(each: Finding) -> int:
    return list(Severity).index(each.severity)
