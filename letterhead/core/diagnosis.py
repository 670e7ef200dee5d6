"""Knows what a finding is; the topics know which there are."""

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec

from letterhead.core.answers import Seen
from letterhead.core.plan import Accepts, Plan, RecordId


class Severity(StrEnum):
    """Says what a finding means for mail: "blocking" stops a status, "inconclusive" says that we could not look."""

    BLOCKING = "blocking"
    WARNING = "warning"
    TIP = "tip"
    INCONCLUSIVE = "inconclusive"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Describes one fault that people make, once, for the API, the pages, the command and the docs.

    `code` is `topic.fault`, for ever. `title`, `detail` and `fix` are templates with {named} places; `meaning` explains
    it to a newcomer; `reference` cites the rule.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    detail: str
    fix: str
    reference: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Says that a diagnosis holds: where, what was expected, what was observed, what to do."""

    code: str
    severity: Severity
    record: str | None = None
    host: str
    record_type: str | None = None
    title: str
    detail: str
    expected: str | None = None
    observed: tuple[str, ...] = ()
    perspectives: tuple[str, ...] = ()
    fix: str
    evidence: tuple[str, ...] = ()


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """Gathers what one topic gives to the checkup.

    `accepts` says for its planned records whether an RRset is the right one; `examine` finds its faults in what was
    seen.
    """

    name: str
    records: tuple[RecordId, ...]
    accepts: Accepts
    diagnoses: tuple[Diagnosis, ...]
    examine: Callable[[Plan, Seen], Iterable[Finding]]
