"""Split an answer that followed a CNAME into what it says of the CNAME and of the target.

A resolver that is asked for a key says in one answer whether its name is a CNAME, where that leads, and what is there;
so neither is asked for by itself.
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
    """Return each question that answers two others: that for a CNAME, and that for the key at its target."""
    found = {}
    for key in plan.served:
        alias = plan.record(key.id)
        if alias is not None:
            both = _recursive(alias.host, "CNAME"), _recursive(key.host, key.rdtype)
            found[_recursive(alias.host, key.rdtype)] = both
    return found


def _recursive(name: str, rdtype: str) -> Question:
    return Question(name=name, rdtype=rdtype, view=View.RECURSIVE)


def implied_answers(plan: Plan, seen: Seen) -> dict[Question, tuple[Reply, ...]]:
    """Return the replies to the two questions of each pair, wherever the one that answers both has replies."""
    found: dict[Question, tuple[Reply, ...]] = {}
    for asked, (alias, target) in questions(plan).items():
        for each in seen.get(asked, ()):
            found[alias] = (*found.get(alias, ()), replace(each, answer=_at_alias(each.answer, alias.name)))
            found[target] = (*found.get(target, ()), replace(each, answer=_at_target(each.answer, target.name)))
    return found


def _at_alias(answer: Answer, name: str) -> Answer:
    """Return the answer to a question for the CNAME at a name."""
    match answer:
        case Found(aliases=()):
            # The record itself is where the CNAME should be.
            return NoData(negative_ttl=answer.rrset.ttl, authentic=answer.authentic)
        case Found():
            return _cname(name, answer, answer.rrset.ttl)
        case Aliased():
            return _cname(name, answer, answer.ttl)
        case _:
            return answer


def _cname(name: str, answer: Found | Aliased, ttl: int) -> Found:
    target = Target(name=answer.aliases[0])
    rrset = RRset(owner=name, rdtype="CNAME", ttl=ttl, rdatas=(target,))
    return Found(rrset=rrset, authentic=answer.authentic)


def _at_target(answer: Answer, name: str) -> Answer:
    """Return the answer to a question at a target; only an answer that followed the CNAMEs through it has one."""
    match answer:
        case Found() if name in answer.aliases:
            return replace(answer, aliases=answer.aliases[answer.aliases.index(name) + 1 :])
        case Aliased() if name in answer.aliases:
            return NoData(negative_ttl=answer.ttl, authentic=answer.authentic) if name == answer.target else answer
        case Found() | Aliased() | NoData() | NxDomain():
            return Unanswered(why=Why.NOT_ASKED)
        case _:
            return answer
