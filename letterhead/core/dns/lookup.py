"""The records that were seen of a name, with CNAMEs followed to their end."""

from collections.abc import Iterable
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
from letterhead.core.dns.records import Mx, Rdata, Txt

MAX_ALIASES = 8


def follow_aliases(seen: Seen, question: Question, depth: int = MAX_ALIASES) -> tuple[Reply, ...]:
    """Return the replies to a question, with each CNAME replaced by the replies at its target in the same view."""
    found = seen.get(question, ())
    if not any(isinstance(reply.answer, Aliased) for reply in found):
        return found
    replies: list[Reply] = []
    for reply in found:
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


def alias_end(seen: Seen, question: Question, depth: int = MAX_ALIASES) -> str | None:
    """Return the name at the end of the CNAMEs that begin at a name, as far as seen; None where there is none."""
    for reply in seen.get(question, ()):
        if isinstance(reply.answer, Found | Aliased) and reply.answer.aliases:
            end = reply.answer.aliases[-1]
            asked_there = alias_target(reply.answer) is not None and depth > 0
            return (alias_end(seen, question_at(question, end), depth - 1) if asked_there else None) or end
    return None


def has_vacant_target(seen: Seen, question: Question) -> bool:
    """Tell whether a CNAME leads to a name of another zone at which there is nothing, or an empty text.

    Mail services keep such spare names for the next change of keys; only they can publish there.
    """
    replies, end = seen.get(question, ()), alias_end(seen, question)
    if end is None or is_in_zone(end, replies[0].perspective.zone or question.name.partition(".")[2]):
        return False
    answers = [reply.answer for reply in follow_aliases(seen, question) if not isinstance(reply.answer, Unanswered)]
    return bool(answers) and not any(isinstance(each, Found) and not _is_blank(each) for each in answers)


def is_in_zone(name: str, zone: str) -> bool:
    """Tell whether a name is a zone's own, or lies below it."""
    return name == zone or name.endswith(f".{zone}")


def _is_blank(answer: Found) -> bool:
    return all(isinstance(rdata, Txt) and not rdata.text.strip() for rdata in answer.rrset.rdatas)


def sends_no_mail(seen: Seen, sender: str) -> bool:
    """Tell whether a domain says that it takes and sends no mail: a null MX (RFC 7505 3) and an SPF record of -all."""
    mx, txt = (seen_records(seen, resolver_question(sender, rdtype)) for rdtype in ("MX", "TXT"))
    if isinstance(mx, NoRecords) or isinstance(txt, NoRecords):
        return False
    null = [rdata.exchange for rdata in mx if isinstance(rdata, Mx)] == [""]
    return null and denies_all(txt)


def denies_all(rdatas: Iterable[Rdata]) -> bool:
    """Tell whether the one SPF record among these lets nobody send (RFC 7208 5.1)."""
    words = [rdata.text.lower().split() for rdata in rdatas if isinstance(rdata, Txt)]
    return [each for each in words if each[:1] == ["v=spf1"]] == [["v=spf1", "-all"]]


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
