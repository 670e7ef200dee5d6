"""Knows how any domain is looked at: no claim, no account, nothing kept, and a plan only where one is given.

A DKIM selector can't be asked for: DNS does not list names. Without one we try those that mail services often use, and
say that this is a guess.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.check.check import CheckJudgement
from letterhead.core.dns.answers import Found, NxDomain, Question, Reply, Seen, View
from letterhead.core.dns.records import Rdata
from letterhead.core.findings.diagnosis import History, Severity
from letterhead.core.names.domain_names import SPECIAL_TLDS
from letterhead.core.names.host_names import UNUSED_LABEL
from letterhead.core.plan.dns_hosts import DnsHost, delegation, host_of
from letterhead.core.plan.plan import Plan, PlannedRecord, Verdict
from letterhead.core.zone import topic
from letterhead.operations.dns_questions import allowance, ask_until_answered
from letterhead.ports.resolver import Resolver

# What mail services call their keys; each costs a packet.
COMMON_SELECTORS = (
    *("google", "selector1", "selector2", "default", "dkim", "mail", "k1", "k2", "k3", "s1", "s2", "mandrill"),
    *("mailjet", "brevo1", "brevo2", "pm", "resend", "zoho", "protonmail", "protonmail2", "protonmail3"),
    *("fm1", "fm2", "fm3", "sig1", "smtp", "mx", "cm", "mta", "key1", "hs1", "lh1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOffDeps:
    """Holds what an inspection needs of the world; `special_use` says that reserved names are at home there."""

    resolver: Resolver
    hosts: Sequence[DnsHost]
    now: Callable[[], datetime]
    special_use: bool = False


class OneOffCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Says what to look at: `records` is what should be there; of the selectors and the MAIL FROM no value is known.

    Without records and selectors we guess the selectors.
    """

    sender: str
    records: tuple[PlannedRecord, ...] = ()
    selectors: tuple[str, ...] = ()
    mail_from: str | None = None


class OneOffResult(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what an inspection found; `guessed` are the selectors that were tried, where nobody named any."""

    sender: str
    checked_at: datetime
    dns_host: str | None
    examination: CheckJudgement
    guessed: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Says "fail" where a finding blocks, "inconclusive" where something could not be seen, else "pass"."""
        severities = {each.severity for each in self.examination.findings}
        verdicts = {each.verdict for each in self.examination.results}
        lacking = {each.verdict for each in self.examination.results if each.record.required}
        if Severity.BLOCKING in severities or lacking & {Verdict.WRONG, Verdict.ABSENT}:
            return "fail"
        unknown = Severity.INCONCLUSIVE in severities or Verdict.UNANSWERED in verdicts
        return "inconclusive" if unknown else "pass"


async def inspect(outlook: OneOffDeps, inquiry: OneOffCheck) -> OneOffResult:
    """Looks at a domain's DNS within the bounds of one check; DNS trouble is told, never raised."""
    allowed = allowance()
    way = Question(name=inquiry.sender, rdtype="NS", view=View.DELEGATION)
    seen: dict[Question, tuple[Reply, ...]] = await outlook.resolver.ask([way], allowed)
    guessing = not (inquiry.records or inquiry.selectors)
    selectors = await _present(outlook.resolver, inquiry.sender) if guessing else inquiry.selectors
    plan = _plan(inquiry, selectors, seen)
    told = delegation(inquiry.sender, seen)
    # Where somebody answers for a reserved name, it is looked at like any other, and said to be one.
    history = History(taken_at=outlook.now(), special_use=outlook.special_use or told is not None)
    seen = await ask_until_answered(outlook.resolver, plan, history, thorough=True, seen=seen, allowed=allowed)
    examination = check.examine(plan, seen, outlook.hosts, history)
    if not outlook.special_use:
        examination = _reserved(plan, seen, examination)
    panel = host_of([server.name for server in told.servers], outlook.hosts) if told else None
    return OneOffResult(
        sender=inquiry.sender,
        checked_at=outlook.now(),
        dns_host=panel.name if panel else None,
        examination=examination,
        guessed=COMMON_SELECTORS if guessing else (),
    )


def _reserved(plan: Plan, seen: Seen, examination: CheckJudgement) -> CheckJudgement:
    """Says of a name that the public DNS never has that it is one, beside what was found at it here."""
    if plan.sender.rpartition(".")[2] not in SPECIAL_TLDS or not examination.results:
        return examination
    codes = {each.code for each in examination.findings}
    found = [each for each in check.examine(plan, seen).findings if each.code == topic.SPECIAL_USE.code]
    added = tuple(each for each in found if each.code not in codes)
    return replace(examination, findings=(*added, *examination.findings))


def _plan(inquiry: OneOffCheck, selectors: Sequence[str], seen: Seen) -> Plan:
    """Plans what was given, and any valid record for what was only named."""
    told = delegation(inquiry.sender, seen)
    # A registry's own zone is nothing that anybody edits.
    home = told.zone if told is not None and "." in told.zone else inquiry.sender
    named = check.plan_unknown(inquiry.sender, home, selectors, inquiry.mail_from)
    if not inquiry.records:
        return named
    there = {(each.id, each.host) for each in inquiry.records}
    added = (each for each in named.records if not each.exact and (each.id, each.host) not in there)
    return replace(named, records=(*inquiry.records, *added))


async def _present(resolver: Resolver, sender: str) -> tuple[str, ...]:
    """Finds which of the common selectors hold something; what a wildcard says at all of them is no key."""
    nobody, above = _text_at(f"{UNUSED_LABEL}._domainkey.{sender}"), _text_at(f"_domainkey.{sender}")
    seen = await resolver.ask([nobody, above], allowance())
    if any(isinstance(reply.answer, NxDomain) for reply in seen[above]):  # RFC 8020 2: nor is there anything below it
        return ()
    asked = {selector: _text_at(f"{selector}._domainkey.{sender}") for selector in COMMON_SELECTORS}
    seen |= await resolver.ask(asked.values(), allowance())
    made_up = _records(seen, nobody)
    return tuple(name for name, question in asked.items() if _records(seen, question) - made_up)


def _text_at(name: str) -> Question:
    return Question(name=name, rdtype="TXT", view=View.ONE_RESOLVER)


def _records(seen: Seen, question: Question) -> set[Rdata]:
    found = (reply.answer for reply in seen.get(question, ()))
    return {rdata for answer in found if isinstance(answer, Found) for rdata in answer.rrset.rdatas}
