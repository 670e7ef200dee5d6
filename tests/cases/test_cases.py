"""Every code of the catalogue fires on its case, and on no other one."""

import pytest

from letterhead.core.checkup import DIAGNOSES
from tests.cases import case
from tests.cases.case import Case

ALL = case.cases()
# Seen only where real servers disagree, are silent or lie: tests/operations and tests/acceptance show these.
ON_REAL_SERVERS: frozenset[str] = frozenset()


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_a_case_gives_its_findings_and_no_other(each: Case) -> None:
    """One cause, one finding: the codes that the case names, to the letter."""
    examination, _ = case.examine(each)
    found = [finding.code for finding in examination.findings]
    assert set(found) == each.finds
    assert all("{" not in finding.detail + finding.fix for finding in examination.findings)
    assert all(finding.fix and finding.detail and finding.title for finding in examination.findings)


def test_every_code_has_a_case() -> None:
    """No code is only a promise: the run names those that no case fires."""
    fired = {code for each in ALL for code in each.finds} | ON_REAL_SERVERS
    without = sorted(set(DIAGNOSES) - fired)
    print(f"{len(DIAGNOSES)} codes, {len(ALL)} cases, {len(without)} codes without a case: {without}")
    assert not sorted({code for each in ALL for code in each.finds} - set(DIAGNOSES))
