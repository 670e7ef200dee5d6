"""What the last full check of a domain asked and concluded, kept in the process.

A domain that waits for its records is checked every few seconds, and mostly shows what it showed before. What the last
check asked is then asked at once, and where the answers have the same fingerprint, its judgement holds: rules are pure.
"""

from collections import OrderedDict

import msgspec

from letterhead.core.check.check import CheckJudgement
from letterhead.core.dns.answers import Question

DOMAINS = 2048  # remembered at a time
MOST_OBSERVED = 8192  # characters of values in one judgement that is remembered; a stranger may write more


class RememberedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What one check asked, in its order; all questions that it knew the answers to; and what followed."""

    asked: tuple[Question, ...]
    questions: tuple[Question, ...]
    fingerprint: str
    judgement: CheckJudgement


class CheckMemory:
    """The domains that were checked in full most recently, by id."""

    def __init__(self) -> None:
        self._checks: OrderedDict[str, RememberedCheck] = OrderedDict()

    def find(self, domain_id: str) -> RememberedCheck | None:
        """Return the last check of a domain."""
        if domain_id in self._checks:
            self._checks.move_to_end(domain_id)
        return self._checks.get(domain_id)

    def note(self, domain_id: str, check: RememberedCheck) -> None:
        """Remember a check, unless what it observed is long."""
        self._checks.pop(domain_id, None)
        observed = (text for each in check.judgement.results for text in each.observed)
        if sum(map(len, observed)) <= MOST_OBSERVED:
            self._checks[domain_id] = check
            if len(self._checks) > DOMAINS:
                self._checks.popitem(last=False)
