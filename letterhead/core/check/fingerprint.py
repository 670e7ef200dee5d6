"""The fingerprint of a check: two checks with the same one have the same findings, so the second need not be judged.

Rules are pure, so verdicts and findings follow from the plan, the answers and the history. TTLs that run down and the
time of the check are left out of the fingerprint, so only checks whose findings depend on neither may keep theirs.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.check.check import CheckJudgement
from letterhead.core.dns.answers import NoData, NxDomain, Reply, Seen, View, fingerprint
from letterhead.core.findings.diagnosis import History
from letterhead.core.plan.plan import AUTHORITATIVE, RESOLVERS, Plan, RecordResult, Verdict
from letterhead.core.zone import caching

# What these say follows from what is left of a TTL, and from the time of the check.
OF_THE_TIME: Final = frozenset({caching.NEGATIVE.code, caching.STALE.code, caching.CONTRADICTED.code})


def asked_resolvers_alone(seen: Seen) -> bool:
    """Tell whether a check asked nobody but the resolvers."""
    return all(question.view in RESOLVERS for question in seen)


def is_cacheable(judgement: CheckJudgement, seen: Seen) -> bool:
    """Tell whether the fingerprint of a check may be stored: no finding follows from the time.

    Where the resolvers alone were asked, all that is required must be there: the same answers are then not judged.
    """
    if asked_resolvers_alone(seen):
        return is_complete((*judgement.results, *judgement.served))
    return not any(each.code in OF_THE_TIME for each in judgement.findings)


def is_complete(results: Iterable[RecordResult]) -> bool:
    """Tell whether everything required is there."""
    return all(each.verdict is Verdict.PRESENT and each.agreed for each in results if each.record.required)


def fingerprint_check(rules: str, plan: Plan, seen: Seen, history: History) -> str | None:
    """Return a digest of all that the findings of a check follow from; None where some answer is missing.

    `rules` is the version of the rules.
    """
    questions = []
    for question in sorted(seen):
        answers = [fingerprint_reply(reply, question.view) for reply in seen[question]]
        if None in answers:
            return None
        questions.append((question, answers))
    timeless = replace(history, taken_at=None)
    if asked_resolvers_alone(seen):  # what was there before counts only for what is missing now
        timeless = replace(timeless, present_until=None)
    return blake2b(msgspec.json.encode((rules, plan, questions, timeless)), digest_size=16).hexdigest()


def fingerprint_reply(reply: Reply, view: View) -> tuple[str, str, str | None, bytes] | None:
    """Return what counts of one reply; None where it is no answer, or is a resolver's in place of a server's.

    The negative TTL of a zone's own server does not run down, and is a finding where it is long. Which zone a hint's
    server was asked for depends on what is in our cache.
    """
    seen_from, answer, at_servers = reply.perspective, reply.answer, view in AUTHORITATIVE
    if at_servers and seen_from.view is View.RECURSIVE:
        return None
    said = fingerprint(answer)
    if at_servers and isinstance(answer, NoData | NxDomain):
        said = msgspec.json.encode(answer)
    zone = None if view is View.ONE_SERVER else seen_from.zone
    return None if said is None else (seen_from.server, seen_from.address, zone, said)
