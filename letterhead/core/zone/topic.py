"""The topic "zone": whether the zone behind the planned records exists, and what hides or makes up records in it."""

from collections.abc import Iterable, Iterator

from letterhead.core.dns.answers import Aliased, Found, NxDomain, Question, View, fingerprint
from letterhead.core.dns.lookup import (
    NoRecords,
    denies_all,
    follow_aliases,
    resolver_question,
    seen_records,
    sends_no_mail,
    txt_question,
)
from letterhead.core.dns.records import Rdata, display_texts
from letterhead.core.findings.diagnosis import (
    Diagnosis,
    Finding,
    Hides,
    Match,
    RuleInput,
    Severity,
    Topic,
    finding,
    readable,
)
from letterhead.core.names.domain_names import RESERVED
from letterhead.core.names.host_names import UNUSED_LABEL
from letterhead.core.plan.plan import ANY_KEYS, AUTHORITATIVE, RecordResult, Verdict
from letterhead.core.zone import caching, delegation, sender_name, unanswered, zone_text
from letterhead.core.zone.delegation import authoritative_replies, zone_name

NOT_REGISTERED = Diagnosis(
    code="zone.domain-not-registered",
    severity=Severity.BLOCKING,
    title="The domain does not exist",
    meaning="The registry says that nobody has registered this domain, so no record in it can be seen by anyone.",
    detail="{zone} does not exist in DNS.",
    fix="Check the spelling; if it is right, register the domain, or renew it if it has lapsed",
    reference="RFC 2308 2.1",
    hides=Hides.ALL,
)
SPECIAL_USE = Diagnosis(
    code="zone.special-use",
    severity=Severity.BLOCKING,
    title="The public DNS never has this name",
    meaning="Names that end like this are set aside for tests and for private networks. No receiver can look them up, "
    "so mail from them never passes.",
    detail="{sender} lies in {reserved}, which is reserved and not in the public DNS.",
    fix="Send from a domain that you registered",
    reference="RFC 6761 5",
    hides=Hides.ALL,
)
DISAGREE = Diagnosis(
    code="zone.nameservers-disagree",
    severity=Severity.BLOCKING,
    title="The domain's DNS servers give different answers",
    meaning="A domain has several DNS servers that should hold the same records. Receivers ask any of them, so mail "
    "passes or fails by chance until all agree.",
    detail="For {host}, not every server has the planned record: {says}.",
    fix="Wait some minutes if you have just added or changed the record; otherwise ask your DNS host why {servers} is "
    "not updated",
    reference="RFC 1034 4.3.5",
    hides=Hides.RECORD,
)
WILDCARD = Diagnosis(
    code="zone.wildcard-answers",
    severity=Severity.WARNING,
    title="A wildcard answers where a record should be",
    meaning="A record whose name begins with * answers for every name that does not exist. What is seen at this name "
    "comes from it: nobody has published the record itself.",
    detail="{asked} gives {observed}, and so does a name beside it that nobody has published.",
    fix="Add the record for {asked} as it is planned {where}; the wildcard then no longer answers there, and may stay",
    reference="RFC 4592 2.2",
)
CNAME_AT_APEX = Diagnosis(
    code="zone.cname-at-apex",
    severity=Severity.BLOCKING,
    title="The domain itself is an alias",
    meaning="A CNAME sends everyone who asks for this name on to another one, with all questions. At the top of a zone "
    "that hides the zone's own records, and receivers may find nothing in it.",
    detail="{host} is a CNAME to {target}.",
    fix="Delete the CNAME at {host} {where} and publish addresses (A, AAAA) in its place, or what your DNS host calls "
    "ALIAS, ANAME or flattening",
    reference="RFC 1912 2.4",
)


APEX_FLATTENED = Diagnosis(
    code="zone.apex-flattened",
    severity=Severity.TIP,
    title="The domain itself is an alias that the DNS host flattens",
    meaning="A CNAME at the top of a zone would hide the zone's other records. This DNS host answers with the "
    "addresses of the target in its place, and serves the other records as they are.",
    detail="{host} is a CNAME to {target}.",
    fix="Nothing to change as long as the zone stays with this DNS host. At another one, use an address (A, AAAA), or "
    "what it calls ALIAS or ANAME",
    reference="RFC 1912 2.4",
)
SENDS_NO_MAIL = Diagnosis(
    code="zone.sends-no-mail",
    severity=Severity.TIP,
    title="The domain is locked against sending mail",
    meaning="The domain says that it takes no mail (a null MX) and that nobody may send as it (an SPF record of -all "
    "alone). Receivers refuse mail that pretends to come from it.",
    detail="{sender} has a null MX record and an SPF record that lets nobody send.",
    fix="Nothing to change as long as {sender} sends no mail",
    reference="RFC 7505 3",
)


def survey(rule_input: RuleInput) -> Iterable[Finding]:
    """Find the faults of the zone itself."""
    yield from find_zone_not_public(rule_input)
    yield from delegation.survey(rule_input)
    yield from unanswered.survey(rule_input)
    yield from find_cname_at_apex(rule_input)
    for result in rule_input.results:
        if not result.agreed:
            yield finding(DISAGREE, rule_input, result, _match_dissent(rule_input, result))
    yield from find_wildcards(rule_input)
    yield from find_sends_no_mail(rule_input)
    yield from caching.survey(rule_input)
    yield from sender_name.survey(rule_input)
    yield from zone_text.survey(rule_input)


def questions(rule_input: RuleInput) -> Iterable[Question]:
    """Ask for what hides or makes up records, and for the state of the zone's nameservers."""
    yield from delegation.questions(rule_input)
    if any(result.verdict is not Verdict.UNANSWERED for result in rule_input.results):
        yield _apex_question(rule_input)
    if denies_all(_apex_texts(rule_input)):
        yield resolver_question(rule_input.plan.sender, "MX")
    for result in rule_input.results:
        if _has_other_answer(rule_input, result):
            yield _wildcard_question(result)


# --- names that do not exist -----------------------------------------------------------------------------------


def find_zone_not_public(rule_input: RuleInput) -> Iterator[Finding]:
    """Find a reserved name (RFC 6761), unless this installation uses such names, and a name that nobody registered."""
    sender = rule_input.plan.sender
    asked = Question(name=sender, rdtype="NS", view=View.DELEGATION)
    answers = [reply.answer for reply in rule_input.seen.get(asked, ())]
    labels = sender.split(".")
    above = (".".join(labels[at:]) for at in range(len(labels)))
    reserved = next((name for name in above if name in RESERVED), None)
    if reserved is not None and not rule_input.history.special_use and answers:
        yield finding(SPECIAL_USE, rule_input, None, Match(places={"reserved": reserved}))
    if any(isinstance(answer, NxDomain) for answer in answers):
        yield finding(NOT_REGISTERED, rule_input)


# --- what hides or makes up records ----------------------------------------------------------------------------


def _apex_question(rule_input: RuleInput) -> Question:
    return Question(name=rule_input.plan.zone, rdtype="CNAME", view=View.ONE_SERVER)


def find_cname_at_apex(rule_input: RuleInput) -> Iterator[Finding]:
    """Find that the zone's own name is an alias."""
    for reply in rule_input.seen.get(_apex_question(rule_input), ()):
        if isinstance(reply.answer, Found):
            targets = display_texts(reply.answer.rrset.rdatas)
            match = Match(places={"target": ", ".join(targets)}, host=rule_input.plan.zone, observed=targets)
            flattens = rule_input.dns_host is not None and rule_input.dns_host.flattens
            yield finding(APEX_FLATTENED if flattens else CNAME_AT_APEX, rule_input, None, match)


def _apex_texts(rule_input: RuleInput) -> tuple[Rdata, ...]:
    """Return the TXT records of the domain itself, which the topic "spf" asks for."""
    found = seen_records(rule_input.seen, txt_question(rule_input.plan.sender))
    return () if isinstance(found, NoRecords) else found


def _match_dissent(rule_input: RuleInput, result: RecordResult) -> Match:
    """Match what each server says that does not have the planned record."""
    record = result.record
    questions = (Question(name=record.host, rdtype=record.rdtype, view=view) for view in AUTHORITATIVE)
    replies = next((follow_aliases(rule_input.seen, each) for each in questions if each in rule_input.seen), ())
    says: dict[str, str] = {}
    for reply in replies:
        found = reply.answer.rrset.rdatas if isinstance(reply.answer, Found) else ()
        server, value = reply.perspective.server, readable(" | ".join(display_texts(found)))
        say = rule_input.language.text
        has = say("{server} has {value}", server=server, value=value)
        says[server] = has if found else say("{server} has none", server=server)
    return Match(places={"says": "; ".join(says[server] for server in result.dissenting)})


def find_sends_no_mail(rule_input: RuleInput) -> Iterator[Finding]:
    """Find that the domain is locked against sending, where nobody plans to send from it."""
    planned = any(each.exact and each.id in ANY_KEYS for each in rule_input.plan.records)
    if not planned and sends_no_mail(rule_input.seen, rule_input.plan.sender):
        yield finding(SENDS_NO_MAIL, rule_input)


def _wildcard_question(result: RecordResult) -> Question:
    """Ask for a name that nobody publishes, in place of the record's: only a wildcard answers there."""
    parent = result.record.host.partition(".")[2]
    return Question(name=f"{UNUSED_LABEL}.{parent}", rdtype=result.record.rdtype, view=View.ONE_SERVER)


def _has_other_answer(rule_input: RuleInput, result: RecordResult) -> bool:
    """Return whether there is an answer at the planned name that is not the right one."""
    lacking = result.agreed and result.verdict in (Verdict.ABSENT, Verdict.WRONG)
    replies = authoritative_replies(rule_input, result.record)
    return lacking and any(isinstance(each.answer, Found | Aliased) for each in replies)


def find_wildcards(rule_input: RuleInput) -> Iterator[Finding]:
    """Find planned names at which only a wildcard answers (RFC 4592): one finding, however many names there are."""
    names: dict[str, None] = {}
    observed: dict[str, None] = {}
    for result in rule_input.results:
        if not _has_other_answer(rule_input, result):
            continue
        answers = [each.answer for each in authoritative_replies(rule_input, result.record)]
        control = [each.answer for each in rule_input.seen.get(_wildcard_question(result), ())]
        synthesised = {fingerprint(answer) for answer in control if isinstance(answer, Found | Aliased)}
        if not any(fingerprint(answer) in synthesised for answer in answers):
            continue
        names[result.record.host] = None
        for answer in answers:
            if isinstance(answer, Found | Aliased) and answer.aliases:
                observed[f"CNAME {answer.aliases[0]}"] = None
        observed.update(dict.fromkeys(result.observed))
    if names:
        match = Match(places={"asked": ", ".join(names)}, host=zone_name(rule_input), observed=tuple(observed))
        yield finding(WILDCARD, rule_input, None, match)


TOPIC = Topic(
    name="zone",
    survey=survey,
    asks=questions,
    diagnoses=(
        SPECIAL_USE,
        NOT_REGISTERED,
        *delegation.DIAGNOSES,
        *unanswered.DIAGNOSES,
        DISAGREE,
        WILDCARD,
        CNAME_AT_APEX,
        APEX_FLATTENED,
        SENDS_NO_MAIL,
        *caching.DIAGNOSES,
        *sender_name.DIAGNOSES,
        *zone_text.DIAGNOSES,
    ),
)
