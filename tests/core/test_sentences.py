"""The texts of all findings are whole sentences, whatever stands in their places."""

import re
from collections.abc import Iterator
from string import Formatter

import pytest
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Match, RuleInput, finding, readable
from letterhead.core.plan.plan import PlannedRecord, RecordResult, Verdict
from tests.cases import case
from tests.core import samples

PLAN = samples.plan()
BROKEN = re.compile(
    r", ,|,,| [.,](?=\s|$)|\bfor ,|\bfor$|the whole that|with as above|the value the|with that your|\(\)|  |: \.|: ,"
    r"|\b(?!that\b|nothing\b)([A-Za-z]{2,}) \1\b|(?<!%)\{\w+\}"
)
# A letter of Latin-1 beside a sign that nobody sees: octets of UTF-8 that were shown one by one.
OCTETS = re.compile(r"[\x80-\xff][\x80-\xa0\xad]|[\x80-\xa0\xad][\x80-\xff]|[\x80-\xa0\xad]")
FILLED = {"sender", "zone", "host", "name", "observed", "servers", "where", "rdtype", "value", "priority", "expected"}


def places(diagnosis: Diagnosis) -> set[str]:
    """Return the places of a diagnosis that its rule fills."""
    parsed = (each for text in (diagnosis.detail, diagnosis.fix) for each in Formatter().parse(text))
    return {name for _, name, _, _ in parsed if name} - FILLED


def records(diagnosis: Diagnosis) -> list[PlannedRecord]:
    """Return the records of the diagnosis's topic, with a known value and with an unknown one."""
    ids = next((topic.records for topic in check.TOPICS if topic.name == diagnosis.code.partition(".")[0]), ())
    named = [each for each in PLAN.records if each.id in ids] or list(PLAN.records)
    return [*named, *(replace(each, exact=False) for each in named)]


def renderings(diagnosis: Diagnosis) -> Iterator[Finding]:
    """Render a diagnosis with each place empty, with one word, and with a word twice."""
    for record in records(diagnosis):
        result = RecordResult(record=record, verdict=Verdict.WRONG)
        given = RuleInput(plan=PLAN, seen={}, results=(result,))
        for value in ("", "x7", "x7, x7"):
            filled = dict.fromkeys(places(diagnosis), value)
            observed = (value,) if value else ()
            match = Match(places=filled, observed=observed, perspectives=observed)
            yield finding(diagnosis, given, result, match)


def faults(found: Finding) -> list[str]:
    """Return what breaks the sentences of a finding, what it quotes from DNS left out."""
    quoted = [each for each in (*found.observed, found.expected) if each]
    broken = []
    for text in (found.detail, found.fix):
        for each in quoted:
            text = text.replace(each, "…")
        text = re.sub(r"“[^”]*”", "“…”", text)
        broken += [hit[0] for hit in BROKEN.finditer(text)] + [hit[0] for hit in OCTETS.finditer(text)]
    return broken


@pytest.mark.parametrize("diagnosis", DIAGNOSES.values(), ids=DIAGNOSES)
def test_sentences_stand_whatever_is_in_their_places(diagnosis: Diagnosis) -> None:
    """No place that is empty, unknown or doubled leaves a broken sentence."""
    broken = {fault: found.detail + " / " + found.fix for found in renderings(diagnosis) for fault in faults(found)}
    assert broken == {}


@pytest.mark.parametrize("each", case.cases(), ids=lambda each: each.name)
def test_sentences_of_every_case_are_whole(each: case.Case) -> None:
    """The findings of every zone case are whole sentences."""
    examination, _ = case.examine(each)
    assert [fault for found in examination.findings for fault in faults(found)] == []


def test_octets_are_shown_as_a_person_reads_them() -> None:
    """UTF-8 is decoded, other octets are written as numbers, and nothing that can't be seen is shown as it is."""
    assert readable("p=\xc3\xa9; \xe2\x80\x9cq\xe2\x80\x9d; \xff\xc2\xa0") == "p=é; “q”; \\xff\\u00a0"
    assert readable("v=DKIM1; p=AA") == "v=DKIM1; p=AA"
