"""Check any domain once: no claim, no account, nothing stored, and planned records only where they are given.

DNS does not list names, so a DKIM selector can't be discovered. Without one we try those that mail services often use,
and report that it is a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.check.check import CheckJudgement
from letterhead.core.dkim.advice import signing_verdict
from letterhead.core.dns.answers import Found, NxDomain, Question, Reply, Seen, View
from letterhead.core.dns.lookup import NoRecords, seen_records, txt_question
from letterhead.core.dns.records import Rdata
from letterhead.core.dns.zone_text import ZoneTextNotes
from letterhead.core.findings.diagnosis import History, Severity
from letterhead.core.names.domain_names import SPECIAL_TLDS
from letterhead.core.names.host_names import UNUSED_LABEL
from letterhead.core.plan.dns_hosts import DnsHost, delegation, host_of
from letterhead.core.plan.plan import DKIM_KEYS, Plan, PlannedRecord, Verdict
from letterhead.core.spf.record import parse_spf_record, spf_texts
from letterhead.core.zone import topic
from letterhead.operations.dns_questions import (
    DnsRequest,
    allowance,
    ask_until_answered,
    ask_within,
    examine_within,
)
from letterhead.ports.deps import Clock
from letterhead.ports.resolver import Resolver

# What mail services call their keys; each costs a packet.
COMMON_SELECTORS = (
    *("google", "selector1", "selector2", "default", "dkim", "mail", "k1", "k2", "k3", "s1", "s2", "mandrill"),
    *("mailjet", "brevo1", "brevo2", "pm", "resend", "zoho", "protonmail", "protonmail2", "protonmail3"),
    *("fm1", "fm2", "fm3", "sig1", "smtp", "mx", "cm", "mta", "key1", "hs1", "lh1"),
)


NO_NOTES = ZoneTextNotes()


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOffDeps:
    """What a one-off check needs; `special_use`: names of special-use domains (RFC 6761) resolve there.

    `zone_text` are the notes on the zone text that is looked at in place of the network.
    """

    resolver: Resolver
    hosts: Sequence[DnsHost]
    now: Clock
    special_use: bool = False
    zone_text: ZoneTextNotes = NO_NOTES


class OneOffCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What to check: `records` are those that should be there; for `selectors` and `mail_from` no value is known.

    Without records and selectors the selectors are guessed. With `strict` a warning is as bad as what blocks.
    """

    sender: str
    records: tuple[PlannedRecord, ...] = ()
    selectors: tuple[str, ...] = ()
    mail_from: str | None = None
    strict: bool = False


class OneOffResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a one-off check; `guessed` are the selectors that were tried, where none was named.

    `spf` are the SPF records at the domain itself, None where it is not known whether there are any.
    """

    sender: str
    checked_at: datetime
    dns_host: str | None
    examination: CheckJudgement
    guessed: tuple[str, ...] = ()
    spf: tuple[str, ...] | None = None
    strict: bool = False

    @property
    def spf_verdict(self) -> Verdict:
        """Return the verdict on SPF at the domain itself: wrong where receivers stop at an error (RFC 7208 2.6.7)."""
        if self.spf is None:
            return Verdict.UNANSWERED
        if not self.spf:
            return Verdict.ABSENT
        fault = parse_spf_record(self.spf[0]).permanent_error
        return Verdict.WRONG if len(self.spf) > 1 or fault is not None else Verdict.PRESENT

    @property
    def is_unprotected(self) -> bool:
        """Whether the domain has no SPF record, no DMARC record and no DKIM key that could be found."""
        return self.spf == () and all(each.verdict is Verdict.ABSENT for each in self.examination.results)

    @property
    def verdict(self) -> str:
        """Return "fail" where a finding blocks, "inconclusive" where something got no answer, else "pass".

        A domain with neither DKIM nor SPF nor DMARC is "none", the word of RFC 8601 2.7 for what is not there.
        """
        severities = {each.severity for each in self.examination.findings}
        # A domain that sends no mail needs no key.
        locked = any(each.code == topic.SENDS_NO_MAIL.code for each in self.examination.findings)
        wanted = (each for each in self.examination.results if not (locked and each.record.id in DKIM_KEYS))
        required = {each.verdict for each in wanted if each.record.required}
        if Severity.BLOCKING in severities or required & {Verdict.WRONG, Verdict.ABSENT}:
            return "fail"
        signed = signing_verdict(self.examination.results) is Verdict.PRESENT
        # Where nobody planned a key, one that can sign mail is enough.
        needed = [each for each in self.examination.results if each.record.exact or each.record.id not in DKIM_KEYS]
        results = needed if signed else self.examination.results
        unknown = Severity.INCONCLUSIVE in severities or any(each.verdict is Verdict.UNANSWERED for each in results)
        if self.is_unprotected and not unknown:
            return "none"
        if self.strict and Severity.WARNING in severities:  # as what blocks: also where something else is not known
            return "fail"
        return "inconclusive" if unknown else "pass"


async def inspect(deps: OneOffDeps, request: OneOffCheck) -> OneOffResult:
    """Check a domain's DNS within the bounds of one check; DNS trouble is part of the result, never raised."""
    allowed = allowance()
    zone_question = Question(name=request.sender, rdtype="NS", view=View.DELEGATION)
    seen: dict[Question, tuple[Reply, ...]] = await ask_within(deps.resolver, [zone_question], allowed)
    guessing = not (request.records or request.selectors)
    selectors = await _find_selectors(deps.resolver, request.sender) if guessing else request.selectors
    plan = _plan(request, selectors, seen)
    delegated = delegation(request.sender, seen)
    # Where somebody answers for a special-use name, it is checked like any other, and reported as one.
    special_use = deps.special_use or delegated is not None
    history = History(taken_at=deps.now(), special_use=special_use, zone_text=deps.zone_text)
    asked = DnsRequest(plan=plan, history=history)
    seen = await ask_until_answered(deps.resolver, asked, seen=seen, allowed=allowed)
    answers, judgement = examine_within(allowed, asked, seen, deps.hosts)
    is_special = plan.sender.rpartition(".")[2] in SPECIAL_TLDS
    if is_special and not deps.special_use and judgement.results:
        codes = {each.code for each in judgement.findings}
        findings = check.examine(plan, answers).findings  # without the history, which takes the name for a usual one
        added = [each for each in findings if each.code == topic.SPECIAL_USE.code and each.code not in codes]
        judgement = replace(judgement, findings=(*added, *judgement.findings))
    host = host_of([server.name for server in delegated.servers], deps.hosts) if delegated else None
    return OneOffResult(
        sender=request.sender,
        checked_at=deps.now(),
        dns_host=host.name if host else None,
        examination=judgement,
        guessed=COMMON_SELECTORS if guessing else (),
        spf=_spf_of(request.sender, answers),
        strict=request.strict,
    )


def _spf_of(sender: str, seen: Seen) -> tuple[str, ...] | None:
    """Return the SPF records at the domain itself, None where nobody said."""
    found = seen_records(seen, txt_question(sender))
    if isinstance(found, NoRecords):
        return () if found is NoRecords.VOID else None
    return tuple(spf_texts(found))


def _plan(request: OneOffCheck, selectors: Sequence[str], seen: Seen) -> Plan:
    """Plan the records that were given, and a record of any valid value for what was only named.

    DMARC is always looked at, as advice: what was given says what must be there, not what may not be seen.
    """
    delegated = delegation(request.sender, seen)
    # A registry's own zone is nobody's to edit.
    zone = delegated.zone if delegated is not None and "." in delegated.zone else request.sender
    named = check.plan_unknown(request.sender, zone, selectors, request.mail_from)
    if not request.records:
        guessed = [replace(each, required=False) if each.id in DKIM_KEYS else each for each in named.records]
        return named if request.selectors else replace(named, records=tuple(guessed))
    given = {(each.id, each.host) for each in request.records}
    added = (each for each in named.records if (each.id, each.host) not in given)
    return replace(named, records=(*request.records, *added))


async def _find_selectors(resolver: Resolver, sender: str) -> tuple[str, ...]:
    """Return which of the common selectors have a TXT record; what a wildcard answers for all of them is no key."""
    unused, above = _txt_question(f"{UNUSED_LABEL}._domainkey.{sender}"), _txt_question(f"_domainkey.{sender}")
    seen = await resolver.ask([unused, above], allowance())
    if any(isinstance(reply.answer, NxDomain) for reply in seen[above]):  # RFC 8020 2: nor is there anything below it
        return ()
    asked = {selector: _txt_question(f"{selector}._domainkey.{sender}") for selector in COMMON_SELECTORS}
    seen |= await resolver.ask(asked.values(), allowance())
    wildcard = _records(seen, unused)
    return tuple(name for name, question in asked.items() if _records(seen, question) - wildcard)


def _txt_question(name: str) -> Question:
    return Question(name=name, rdtype="TXT", view=View.ONE_RESOLVER)


def _records(seen: Seen, question: Question) -> set[Rdata]:
    answers = (reply.answer for reply in seen.get(question, ()))
    return {rdata for answer in answers if isinstance(answer, Found) for rdata in answer.rrset.rdatas}
