"""The records that were seen of a name, with CNAMEs followed to their end."""

from enum import StrEnum
from typing import assert_never

from msgspec.structs import replace

from letterhead.core.dns.answers import (
    Aliased,
    Answer,
    Delegated,
    Found,
    NoData,
    NxDomain,
    Question,
    Reply,
    Seen,
    Unanswered,
    View,
    Why,
)
from letterhead.core.dns.records import Rdata

MAX_ALIASES = 8


def follow_aliases(seen: Seen, question: Question, depth: int = MAX_ALIASES) -> tuple[Reply, ...]:
    """Return the replies to a question, with each CNAME replaced by the replies at its target in the same view."""
    replies: list[Reply] = []
    for reply in seen.get(question, ()):
        target = alias_target(reply.answer)
        if target is None:
            replies.append(reply)
        elif depth == 0:
            replies.append(replace(reply, answer=Unanswered(why=Why.CNAME_LOOP)))
        else:
            at_target = follow_aliases(seen, question_at(question, target), depth - 1)
            replies.extend(at_target or [replace(reply, answer=Unanswered(why=Why.NOT_ASKED))])
    return tuple(replies)


def leaves_zone_text(seen: Seen, question: Question) -> bool:
    """Tell whether a CNAME leads out of the zone text that is read: the record itself is not in it."""
    aliased = any(alias_target(reply.answer) for reply in seen.get(question, ()))
    ends = [reply.answer for reply in follow_aliases(seen, question)] if aliased else []
    return bool(ends) and all(isinstance(each, Unanswered) and each.why is Why.NOT_HELD for each in ends)


def alias_target(answer: Answer) -> str | None:
    """Return the target of a CNAME that must be asked next, or None."""
    return answer.target if isinstance(answer, Aliased) and not answer.dangling else None


def question_at(question: Question, name: str) -> Question:
    """Return the same question at another name; at the target of a CNAME, two servers of its zone are enough."""
    view = View.TWO_SERVERS if question.view is View.EVERY_SERVER else question.view
    return Question(name=name, rdtype=question.rdtype, view=view)


def resolver_question(name: str, rdtype: str) -> Question:
    """Return a question to one resolver."""
    return Question(name=name, rdtype=rdtype, view=View.ONE_RESOLVER)


def txt_question(domain: str) -> Question:
    """Return a question to one resolver for a domain's TXT."""
    return resolver_question(domain, "TXT")


class NoRecords(StrEnum):
    """Why there are no records: there are none (a void lookup, RFC 7208 4.6.4), or no answer was seen."""

    VOID = "void"
    UNKNOWN = "unknown"


SeenRecords = tuple[Rdata, ...] | NoRecords


def seen_records(seen: Seen, question: Question) -> SeenRecords:
    """Return the records of the first reply that says something, CNAMEs followed, or why there are none."""
    for reply in follow_aliases(seen, question):
        match reply.answer:
            case Found():
                return reply.answer.rrset.rdatas
            case NoData() | NxDomain() | Aliased():
                return NoRecords.VOID
            case Unanswered() | Delegated():
                continue
            case _:
                assert_never(reply.answer)
    return NoRecords.UNKNOWN
