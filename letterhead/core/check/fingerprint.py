"""The fingerprint of a check: two checks with the same one have the same findings, so the second need not be judged.

Rules are pure, so verdicts and findings follow from the plan, the answers and the history. TTLs and times are left out
of the fingerprint, so only checks whose findings depend on neither have one: only resolvers were asked, all of them
answered, and everything required is there.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from letterhead.core.dns.answers import Seen, fingerprint
from letterhead.core.findings.diagnosis import History
from letterhead.core.plan.plan import RESOLVERS, Plan, RecordResult, Verdict


def is_cacheable(results: Iterable[RecordResult]) -> bool:
    """Tell whether everything required is there: only then may the fingerprint of a check be stored."""
    return all(each.verdict is Verdict.PRESENT and each.agreed for each in results if each.record.required)


def fingerprint_check(rules: str, plan: Plan, seen: Seen, history: History) -> str | None:
    """Return a digest of all that the findings of a check follow from; None where some follow from the time as well.

    `rules` is the version of the rules.
    """
    questions = []
    for question in sorted(seen):
        answers = [(reply.perspective.server, fingerprint(reply.answer)) for reply in seen[question]]
        if question.view not in RESOLVERS or any(answer is None for _, answer in answers):
            return None
        questions.append((question, answers))
    timeless = replace(history, present_until=None, taken_at=None)
    return blake2b(msgspec.json.encode((rules, plan, questions, timeless)), digest_size=16).hexdigest()
