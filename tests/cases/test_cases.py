"""Every code of the catalogue fires on its case, and on no other one."""

import re

import pytest

from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.operations.one_off_checks import OneOffResult
from tests.cases import case
from tests.cases.case import Case
from tests.core import beyond_zones, samples

ALL = case.cases()


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_a_case_gives_its_findings_and_no_other(each: Case) -> None:
    """One cause, one finding: the codes that the case names, to the letter."""
    examination, _ = case.examine(each)
    found = [finding.code for finding in examination.findings]
    assert set(found) == each.finds
    # Each place is filled; "%{" begins a macro of SPF (RFC 7208 7).
    assert not [each for each in examination.findings if re.search(r"(?<!%)\{", each.detail + each.fix)]
    result = OneOffResult(sender=each.plan.sender, checked_at=samples.BORN, dns_host=None, examination=examination)
    assert each.verdict in (None, result.verdict)
    told = "\n".join(finding.detail + "\n" + finding.fix for finding in examination.findings)
    assert [words for words in each.says if words not in told] == []
    assert [words for words in each.never if words in told] == []
    assert all(finding.fix and finding.detail and finding.title for finding in examination.findings)


def test_every_code_has_a_case() -> None:
    """No code is only a promise: each fires on a zone, or on what no zone can show; none is left."""
    by_zone = {code for each in ALL for code in each.finds}
    beyond = beyond_zones.fired() - by_zone
    without = sorted(set(DIAGNOSES) - by_zone - beyond)
    clean = sum(not each.finds for each in ALL)
    print(f"{len(DIAGNOSES)} codes; {len(ALL)} zone cases, {clean} of them clean; {len(by_zone)} codes fired by zones,")
    print(
        f"{len(beyond)} beyond zones ({', '.join(sorted(beyond))}); codes that nothing fires: {len(without)} {without}"
    )
    assert without == []
    assert by_zone <= set(DIAGNOSES)
