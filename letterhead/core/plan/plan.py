"""Knows what a customer must publish, and how far what was seen is from it. Knows no topic's rules.

Whether one RRset is the right one is the topic's own question (a DKIM key is compared decoded, an MX by host); here is
what follows from it over several servers.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from letterhead.core.dns.answers import (
    Answer,
    Found,
    Question,
    Reply,
    Seen,
    Unanswered,
    View,
    Why,
    answering,
)
from letterhead.core.dns.lookup import follow_aliases, leaves_zone_text
from letterhead.core.dns.records import Rdata, display_texts


class RecordId(StrEnum):
    """Names the planned records, as the clients of the API know them."""

    DKIM = "dkim"
    DKIM_NEXT = "dkim_next"  # the key that takes over during a rotation; ours alone
    DKIM_ED25519 = "dkim_ed25519"  # the Ed25519 key beside the RSA one; ours alone
    DKIM_ED25519_NEXT = "dkim_ed25519_next"  # the one that follows it with a rotation
    MAIL_FROM_MX = "mail_from_mx"
    MAIL_FROM_SPF = "mail_from_spf"
    DMARC = "dmarc"


DKIM_KEYS = (RecordId.DKIM, RecordId.DKIM_NEXT)  # of RSA: either proves a claim
ED25519_KEYS = (RecordId.DKIM_ED25519, RecordId.DKIM_ED25519_NEXT)
ANY_KEYS = (*DKIM_KEYS, *ED25519_KEYS)


class PlannedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Says one record to publish: `host` is the full owner name without a final dot.

    Where `exact` is false nobody told the value: any valid one will do, and `value` only shows its form.
    """

    id: RecordId
    host: str
    rdtype: str
    value: str
    priority: int | None = None
    required: bool = True
    exact: bool = True


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Holds all that the customer must publish for `sender`; `zone` is the zone that they edit, as far as known.

    `served` is what the operator's own zone must serve where the customer's records are aliases that lead to it.
    """

    sender: str
    zone: str
    records: tuple[PlannedRecord, ...]
    served: tuple[PlannedRecord, ...] = ()

    @property
    def in_asking_order(self) -> tuple[PlannedRecord, ...]:
        """Lists all that is looked at, what decides first: it is never what a spent allowance leaves out."""
        keys = [each for each in self.records if each.id in DKIM_KEYS]
        return (*keys, *self.served, *(each for each in self.records if each.id not in DKIM_KEYS))

    def record(self, record_id: RecordId) -> PlannedRecord | None:
        """Finds a planned record by its id."""
        return next((record for record in self.records if record.id == record_id), None)


def relative_name(host: str, zone: str) -> str:
    """Writes an owner name relative to its zone, as most panels want it; the zone itself is `@`."""
    if host == zone:
        return "@"
    return host.removesuffix(f".{zone}")


class Verdict(StrEnum):
    """Says how one planned record stands. Only "present" lets mail flow; "unanswered" never moves a domain."""

    PRESENT = "present"
    WRONG = "wrong"
    ABSENT = "absent"
    UNANSWERED = "unanswered"


class RecordResult(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the verdict on one planned record with what was observed.

    `agreed` is false where the servers differ: then the verdict is that of the servers that lack the record, and
    counts neither for the domain nor against it.
    """

    record: PlannedRecord
    verdict: Verdict
    agreed: bool = True
    observed: tuple[str, ...] = ()
    dissenting: tuple[str, ...] = ()


Accepts = Callable[[PlannedRecord, Sequence[Rdata]], bool]

AUTHORITATIVE = (View.EVERY_SERVER, View.TWO_SERVERS)
RESOLVERS = (View.RECURSIVE, View.ONE_RESOLVER)


def judge(record: PlannedRecord, seen: Seen, accepts: Accepts) -> RecordResult:
    """Judges one planned record by the authoritative servers' answers, where these were asked.

    Where only resolvers were asked (a routine check), "present" counts and nothing else does: any other answer
    is "unanswered" until the authoritative servers were asked too. What resolvers reject for its signatures is
    "unanswered" whatever the servers say: receivers that validate do not see it.
    """
    if rejecting_replies(record, seen):
        return unanswered_result(record)
    for view in AUTHORITATIVE:
        question = Question(name=record.host, rdtype=record.rdtype, view=view)
        if question in seen:
            if leaves_zone_text(seen, question):
                return RecordResult(record=record, verdict=Verdict.ABSENT)
            return _standing(record, follow_aliases(seen, question), accepts)
    standing = _standing(record, at_resolvers(record, seen), accepts)
    return standing if standing.verdict is Verdict.PRESENT else unanswered_result(record)


def at_resolvers(record: PlannedRecord, seen: Seen) -> tuple[Reply, ...]:
    """Gives what the resolvers that were asked for a record say, aliases followed: all of them, else the one."""
    asked = (Question(name=record.host, rdtype=record.rdtype, view=view) for view in RESOLVERS)
    return next((follow_aliases(seen, question) for question in asked if question in seen), ())


def rejecting_replies(record: PlannedRecord, seen: Seen) -> tuple[Reply, ...]:
    """Gives the resolvers' replies that reject the record's signatures, where no more of them take it as it is."""
    replies = seen.get(Question(name=record.host, rdtype=record.rdtype, view=View.RECURSIVE), ())
    bogus = tuple(each for each in replies if isinstance(each.answer, Unanswered) and each.answer.why is Why.BOGUS)
    # One resolver with a stale trust anchor of its own proves nothing against several that are content.
    return bogus if len(bogus) >= len(answering(replies)) else ()


def unanswered_result(record: PlannedRecord) -> RecordResult:
    """Says that nothing was learnt of this record."""
    return RecordResult(record=record, verdict=Verdict.UNANSWERED)


def _standing(record: PlannedRecord, replies: Sequence[Reply], accepts: Accepts) -> RecordResult:
    """Reads the verdict off the replies: all must agree; resolvers standing in need a majority of those set."""
    telling = answering(replies)
    verdicts = [_verdict(record, reply.answer, accepts) for reply in telling]
    by_majority = bool(telling) and telling[0].perspective.view is View.RECURSIVE
    needed = len(replies) // 2 + 1 if by_majority else max(1, len(telling))
    for verdict in (Verdict.PRESENT, Verdict.WRONG, Verdict.ABSENT):
        if verdicts.count(verdict) >= needed:
            return RecordResult(record=record, verdict=verdict, observed=_observed(telling))
    if by_majority or not telling:
        return unanswered_result(record)
    lacking = [reply for reply, verdict in zip(telling, verdicts, strict=True) if verdict is not Verdict.PRESENT]
    return RecordResult(
        record=record,
        verdict=Verdict.WRONG if Verdict.WRONG in verdicts else Verdict.ABSENT,
        agreed=Verdict.PRESENT not in verdicts,
        observed=_observed(telling),
        dissenting=tuple(dict.fromkeys(reply.perspective.server for reply in lacking)),
    )


def _verdict(record: PlannedRecord, answer: Answer, accepts: Accepts) -> Verdict:
    if not isinstance(answer, Found):
        return Verdict.ABSENT
    return Verdict.PRESENT if accepts(record, answer.rrset.rdatas) else Verdict.WRONG


def _observed(replies: Sequence[Reply]) -> tuple[str, ...]:
    """Lists each different value once, whoever said it."""
    values = (
        value
        for reply in replies
        if isinstance(reply.answer, Found)
        for value in display_texts(reply.answer.rrset.rdatas)
    )
    return tuple(dict.fromkeys(values))
