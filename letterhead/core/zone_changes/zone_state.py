"""A zone as our own check sees it: the verdict on each planned record, the findings, and what is to be asked."""

from collections.abc import Iterable
from functools import cached_property
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.check.check import CheckJudgement
from letterhead.core.dns.answers import Perspective, Question, Reply, Seen, Unanswered, Why
from letterhead.core.dns.records import RRset
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import AUTHORITATIVE, Plan, PlannedRecord, RecordResult, Verdict
from letterhead.core.zone_changes.changes import RRsetChange
from letterhead.core.zone_changes.zone_answers import ZoneAnswers

MAX_ROUNDS: Final = 12  # an SPF tree may be ten includes deep (RFC 7208 4.6.4)


class ZoneState(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The records of a zone with the plan for it.

    The plan's `zone` is this one, `registrable` the name above which nothing belongs to the sender. `outside` are the
    answers of other zones, as far as they were asked; `hosts` is the table of DNS hosts, for fixes in their words.
    """

    plan: Plan
    registrable: str
    rrsets: tuple[RRset, ...]
    outside: Seen
    hosts: tuple[DnsHost, ...] = ()

    @cached_property
    def answers(self) -> ZoneAnswers:
        """What the zone's nameservers answer."""
        return ZoneAnswers(self.plan.zone, self.rrsets)

    @cached_property
    def seen(self) -> Seen:
        """The answers that a whole check would get of this zone; other zones that were not asked are not held."""
        seen: dict[Question, tuple[Reply, ...]] = {}
        for _ in range(MAX_ROUNDS):
            asked = check.next_questions(self.plan, seen, thorough=True)
            new = {question: self._replies(question) for question in asked if question not in seen}
            if not new:
                break
            seen |= new
        return seen

    def _replies(self, question: Question) -> tuple[Reply, ...]:
        unknown = Unanswered(why=Why.NOT_HELD, detail=f"{question.name} is in another zone")
        reply = Reply(perspective=Perspective(view=question.view, server=""), answer=unknown)
        return self.answers.replies(question) or self.outside.get(question) or (reply,)

    @property
    def wanted(self) -> tuple[Question, ...]:
        """What other zones must still be asked: SPF includes, DMARC policies of names above, targets of CNAMEs."""
        return tuple(
            question
            for question in self.seen
            if (question.rdtype == "TXT" or question.view in AUTHORITATIVE)
            and question not in self.outside
            and self.answers.replies(question) is None
        )

    @cached_property
    def judgement(self) -> CheckJudgement:
        """The judgement of our own check on the zone."""
        return check.examine(self.plan, self.seen, self.hosts)

    def result(self, record: PlannedRecord) -> RecordResult:
        """Return the result for a planned record."""
        return next(each for each in self.judgement.results if each.record == record)

    def is_present(self, record: PlannedRecord) -> bool:
        """Tell whether our own check takes a planned record for present."""
        return self.result(record).verdict is Verdict.PRESENT

    def finding(self, record: PlannedRecord) -> Finding | None:
        """Return the gravest finding about a planned record, or None."""
        return next((each for each in self.judgement.findings if each.record == record.id), None)

    def after(self, changes: Iterable[RRsetChange]) -> "ZoneState":
        """Return the zone once these changes are written."""
        changed = {each.rrset.key: each.after for each in changes}
        kept = [each for each in self.rrsets if each.key not in changed]
        return replace(self, rrsets=(*kept, *(each for each in changed.values() if each is not None)))
