"""Knows when two looks show the same: then what was found the first time still holds. Knows no rule.

Rules are pure, so the findings of a look follow from what is planned, what was seen and what else is known. TTLs and
times are left out of that here, so only such looks have a basis of whose findings none depends on them: everything
required is there, resolvers alone were asked, and all of them answered.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from letterhead.core.answers import Aliased, Answer, Found, NoData, NxDomain, Seen, View
from letterhead.core.diagnosis import History
from letterhead.core.plan import Plan, Standing, Verdict


def basis(rules: str, plan: Plan, seen: Seen, standings: Iterable[Standing], history: History) -> str | None:
    """Gives a digest of all that a look's findings follow from; nothing where some follow from the time as well.

    `rules` names the version of the rules.
    """
    if not all(each.verdict is Verdict.PRESENT and each.agreed for each in standings if each.record.required):
        return None
    gists = []
    for question in sorted(seen):
        answers = [(reply.perspective.server, _gist(reply.answer)) for reply in seen[question]]
        if question.view is not View.RECURSIVE or any(gist is None for _, gist in answers):
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
