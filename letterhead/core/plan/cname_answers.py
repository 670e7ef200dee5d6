"""Knows what an answer that came by way of an alias tells: of the alias and of its target; neither is asked for then.

A resolver that is asked for a key tells with one answer whether its name is a CNAME, where that leads, and what is
there.
"""

from msgspec.structs import replace

from letterhead.core.dns.answers import (
    Aliased,
    Answer,
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
from letterhead.core.dns.records import RRset, Target
from letterhead.core.plan.plan import Plan


def questions(plan: Plan) -> dict[Question, tuple[Question, Question]]:
    """Says what to ask resolvers instead of an alias and the key behind it, and which two questions that answers."""
    found = {}
    for key in plan.served:
        alias = plan.record(key.id)
        if alias is not None:
            found[_asked(alias.host, key.rdtype)] = (_asked(alias.host, "CNAME"), _asked(key.host, key.rdtype))
    return found


def _asked(name: str, rdtype: str) -> Question:
    return Question(name=name, rdtype=rdtype, view=View.RECURSIVE)


def implied_answers(plan: Plan, seen: Seen) -> dict[Question, tuple[Reply, ...]]:
    """Answers those two, wherever the one was answered."""
    found: dict[Question, tuple[Reply, ...]] = {}
    for asked, (alias, target) in questions(plan).items():
        for each in seen.get(asked, ()):
            found[alias] = (*found.get(alias, ()), replace(each, answer=_at_alias(each.answer, alias.name)))
            found[target] = (*found.get(target, ()), replace(each, answer=_at_target(each.answer, target.name)))
    return found


def _at_alias(answer: Answer, name: str) -> Answer:
    """Says what the CNAME at a name is."""
    match answer:
        case Found(aliases=()):
            return NoData(negative_ttl=answer.rrset.ttl)  # the record itself stands where the alias should be
        case Found():
            return _cname(name, answer.aliases[0], answer.rrset.ttl)
        case Aliased():
            return _cname(name, answer.aliases[0], answer.ttl)
        case _:
            return answer


def _cname(name: str, target: str, ttl: int) -> Found:
    return Found(rrset=RRset(owner=name, rdtype="CNAME", ttl=ttl, rdatas=(Target(name=target),)))


def _at_target(answer: Answer, name: str) -> Answer:
    """Says what is at a target, where the answer came by way of it."""
    match answer:
        case Found() if name in answer.aliases:
            return replace(answer, aliases=answer.aliases[answer.aliases.index(name) + 1 :])
        case Aliased() if name in answer.aliases:
            return NoData(negative_ttl=answer.ttl) if name == answer.target else answer
        case Found() | Aliased() | NoData() | NxDomain():
            return Unanswered(why=Why.NOT_ASKED)  # nobody who asked came there
        case _:
            return answer
