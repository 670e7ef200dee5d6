"""The records that a customer must publish, and the verdict on each over the answers of several servers.

Whether one RRset is the right one is each topic's own question (a DKIM key is compared decoded, an MX by host): see
`Accepts`.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from letterhead.core.dns.answers import (
    Aliased,
    Found,
    NoData,
    NxDomain,
    Question,
    Reply,
    Seen,
    Unanswered,
    View,
    Why,
    answering,
)
from letterhead.core.dns.lookup import alias_end, follow_aliases, has_vacant_target, leaves_zone_text
from letterhead.core.dns.records import Rdata, display_texts


class RecordId(StrEnum):
    """The planned records, as the clients of the API name them."""

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
    """One record to publish: `host` is the full owner name without a final dot.

    Where `exact` is false the value is not known: any valid one will do, and `value` only shows its form.
    """

    id: RecordId
    host: str
    rdtype: str
    value: str
    priority: int | None = None
    required: bool = True
    exact: bool = True

    @property
    def forbids_alias(self) -> bool:
        """Whether a CNAME to a name that can't be seen counts as absence: this record is to stand here, and no other.

        Otherwise a CNAME is the owner's way of publishing the record; of DMARC any valid one will do.
        """
        return self.exact and self.id is not RecordId.DMARC


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that the customer must publish for `sender`; `zone` is the zone that they edit, as far as known.

    `served` is what the operator's own zone must serve where the customer's records are CNAMEs that lead to it.
    """

    sender: str
    zone: str
    records: tuple[PlannedRecord, ...]
    served: tuple[PlannedRecord, ...] = ()

    @property
    def in_asking_order(self) -> tuple[PlannedRecord, ...]:
        """All records to ask for, those that decide first: a spent allowance of packets never leaves these out."""
        keys = [each for each in self.records if each.id in DKIM_KEYS]
        return (*keys, *self.served, *(each for each in self.records if each.id not in DKIM_KEYS))

    def record(self, record_id: RecordId) -> PlannedRecord | None:
        """Return the planned record with this id, or None."""
        return next((record for record in self.records if record.id == record_id), None)


def relative_name(host: str, zone: str) -> str:
    """Return an owner name relative to its zone, as most forms want it; the zone itself is `@`."""
    if host == zone:
        return "@"
    return host.removesuffix(f".{zone}")


class Verdict(StrEnum):
    """The verdict on one planned record. Only "present" lets mail flow; "unanswered" changes no status."""

    PRESENT = "present"
    WRONG = "wrong"
    ABSENT = "absent"
    UNANSWERED = "unanswered"


class RecordResult(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one planned record with what was observed.

    `agreed` is false where the servers differ: then the verdict is that of the servers that lack the record, which
    `dissenting` names, and counts neither for the domain nor against it. `disproved` is true where resolvers have
    validated otherwise than the servers say.
    """

    record: PlannedRecord
    verdict: Verdict
    agreed: bool = True
    observed: tuple[str, ...] = ()
    dissenting: tuple[str, ...] = ()
    disproved: bool = False


Accepts = Callable[[PlannedRecord, Sequence[Rdata]], bool]
AcceptsSeen = Callable[[PlannedRecord, Sequence[Rdata], Seen], bool | None]

AUTHORITATIVE = (View.EVERY_SERVER, View.TWO_SERVERS)
RESOLVERS = (View.RECURSIVE, View.ONE_RESOLVER)


def judge(record: PlannedRecord, seen: Seen, accepts: AcceptsSeen) -> RecordResult:
    """Judge one planned record by the authoritative servers' answers, where these were asked.

    Where only resolvers were asked (a routine check), "present" counts and nothing else does: any other answer
    is "unanswered" until the authoritative servers were asked too. What resolvers reject for its signatures is
    "unanswered" whatever the servers say: receivers that validate do not see it. So is what the servers say without
    proof where a resolver has validated that it is otherwise: anybody on the way may have forged it.
    """
    if rejecting_replies(record, seen):
        return unanswered_result(record)
    for view in AUTHORITATIVE:
        question = Question(name=record.host, rdtype=record.rdtype, view=view)
        if question in seen:
            if leaves_zone_text(seen, question):
                absent = RecordResult(record=record, verdict=Verdict.ABSENT)
                return absent if record.forbids_alias else unanswered_result(record)
            if not record.exact and has_vacant_target(seen, question):
                return unanswered_result(record)
            result = _judge_replies(record, follow_aliases(seen, question), seen, accepts)
            return _disproved_result(record) if _is_disproved(result, seen, accepts) else result
    result = _judge_replies(record, at_resolvers(record, seen), seen, accepts)
    if _is_disproved(result, seen, accepts):
        return _disproved_result(record)
    if result.verdict is Verdict.PRESENT:
        return result
    return unanswered_result(record, result.observed if result.verdict is Verdict.UNANSWERED else ())


def at_resolvers(record: PlannedRecord, seen: Seen) -> tuple[Reply, ...]:
    """Return the replies of the resolvers that were asked for a record, CNAMEs followed: of all, else of the one."""
    asked = (Question(name=record.host, rdtype=record.rdtype, view=view) for view in RESOLVERS)
    return next((follow_aliases(seen, question) for question in asked if question in seen), ())


def end_of_aliases(seen: Seen, record: PlannedRecord) -> str | None:
    """Return the name at the end of the CNAMEs before a planned record; None where it stands at its own name."""
    if record.rdtype == "CNAME":
        return None
    asked = (Question(name=record.host, rdtype=record.rdtype, view=view) for view in (*AUTHORITATIVE, *RESOLVERS))
    return next((end for question in asked if (end := alias_end(seen, question)) is not None), None)


def rejecting_replies(record: PlannedRecord, seen: Seen) -> tuple[Reply, ...]:
    """Return the resolvers' replies that reject the record's signatures; none where more resolvers accept them."""
    replies = seen.get(Question(name=record.host, rdtype=record.rdtype, view=View.RECURSIVE), ())
    bogus = tuple(each for each in replies if isinstance(each.answer, Unanswered) and each.answer.why is Why.BOGUS)
    # One resolver with a stale trust anchor of its own proves nothing against several that validate.
    return bogus if len(bogus) >= len(answering(replies)) else ()


def authenticated_replies(record: PlannedRecord, seen: Seen) -> tuple[Reply, ...]:
    """Return the resolvers' replies that they have validated, with records or with the proof that there are none."""
    return tuple(
        reply
        for reply in at_resolvers(record, seen)
        if isinstance(reply.answer, Found | Aliased | NoData | NxDomain) and reply.answer.authentic
    )


def _is_disproved(result: RecordResult, seen: Seen, accepts: AcceptsSeen) -> bool:
    """Return whether all validated answers speak against a verdict: a stale one does not where a fresh one agrees."""
    if result.verdict is Verdict.UNANSWERED or not result.agreed:
        return False
    proven = {
        isinstance(reply.answer, Found) and accepts(result.record, reply.answer.rrset.rdatas, seen)
        for reply in authenticated_replies(result.record, seen)
    }
    return bool(proven) and not proven & {result.verdict is Verdict.PRESENT, None}


def _disproved_result(record: PlannedRecord) -> RecordResult:
    return RecordResult(record=record, verdict=Verdict.UNANSWERED, disproved=True)


def unanswered_result(record: PlannedRecord, observed: tuple[str, ...] = ()) -> RecordResult:
    """Return the result of a record of which nothing was learnt, or not enough."""
    return RecordResult(record=record, verdict=Verdict.UNANSWERED, observed=observed)


_VERDICTS = {True: Verdict.PRESENT, False: Verdict.WRONG, None: Verdict.UNANSWERED}


def _judge_replies(record: PlannedRecord, replies: Sequence[Reply], seen: Seen, accepts: AcceptsSeen) -> RecordResult:
    """Judge one record by its replies: all servers must agree; of resolvers, a majority of all that were asked."""
    answered = answering(replies)
    verdicts: list[Verdict] = []
    observed: list[str] = []
    for reply in answered:
        if isinstance(reply.answer, Found):
            verdicts.append(_VERDICTS[accepts(record, reply.answer.rrset.rdatas, seen)])
            observed += display_texts(reply.answer.rrset.rdatas)
        else:
            verdicts.append(Verdict.ABSENT)
    each_value = tuple(dict.fromkeys(observed))
    by_majority = bool(answered) and answered[0].perspective.view is View.RECURSIVE
    needed = len(replies) // 2 + 1 if by_majority else max(1, len(answered))
    for verdict in (Verdict.PRESENT, Verdict.WRONG, Verdict.ABSENT):
        if verdicts.count(verdict) >= needed:
            return RecordResult(record=record, verdict=verdict, observed=each_value)
    if by_majority or not answered or Verdict.UNANSWERED in verdicts:
        return unanswered_result(record, each_value if Verdict.UNANSWERED in verdicts else ())
    lacking = [reply for reply, verdict in zip(answered, verdicts, strict=True) if verdict is not Verdict.PRESENT]
    return RecordResult(
        record=record,
        verdict=Verdict.WRONG if Verdict.WRONG in verdicts else Verdict.ABSENT,
        agreed=Verdict.PRESENT not in verdicts,
        observed=each_value,
        dissenting=tuple(dict.fromkeys(reply.perspective.server for reply in lacking)),
    )
