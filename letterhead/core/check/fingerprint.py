"""Knows when two looks show the same: then what was found the first time still holds. Knows no rule.

Rules are pure, so verdicts and findings follow from what is planned, what was seen and what else is known. TTLs and
times are left out of that here, so only such looks have a basis of which nothing depends on them: resolvers alone were
asked, all of them answered, and everything required is there.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from letterhead.core.dns.answers import Aliased, Answer, Found, NoData, NxDomain, Seen
from letterhead.core.findings.diagnosis import History
from letterhead.core.plan.plan import RESOLVERS, Plan, RecordResult, Verdict


def is_cacheable(standings: Iterable[RecordResult]) -> bool:
    """Says whether everything required is there: only then may a look's basis be kept."""
    return all(each.verdict is Verdict.PRESENT and each.agreed for each in standings if each.record.required)


def fingerprint_check(rules: str, plan: Plan, seen: Seen, history: History) -> str | None:
    """Gives a digest of all that a sound look's findings follow from; nothing where some follow from the time as well.

    `rules` names the version of the rules.
    """
    gists = []
    for question in sorted(seen):
        answers = [(reply.perspective.server, _gist(reply.answer)) for reply in seen[question]]
        if question.view not in RESOLVERS or any(gist is None for _, gist in answers):
            return None
        gists.append((question, answers))
    known = replace(history, present_until=None, taken_at=None)
    return blake2b(msgspec.json.encode((rules, plan, gists, known)), digest_size=16).hexdigest()


def _gist(answer: Answer) -> object:
    """Gives an answer without its TTL; nothing where nothing was learnt."""
    match answer:
        case Found():
            return answer.rrset.owner, answer.rrset.rdatas, answer.aliases, answer.authentic
        case Aliased():
            return answer.target, answer.aliases, answer.dangling, answer.hides
        case NoData():
            return ()
        case NxDomain():
            return (answer.zone,)
        case _:
            return None
