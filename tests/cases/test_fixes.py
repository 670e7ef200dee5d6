"""Every fix, followed to the letter in the zone of its case, removes its finding and breaks nothing that worked."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from letterhead.core.check.check import CheckJudgement
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.plan.plan import Plan, Verdict
from letterhead.core.spf.record import parse_spf_record
from tests.cases import case
from tests.cases.case import Case
from tests.cases.instructions import Task, follow
from tests.cases.zone_text import Line, ZoneText

FOLLOWED = (Severity.BLOCKING, Severity.WARNING)
_STRENGTH = {"none": 0, "quarantine": 1, "reject": 2}


@pytest.mark.parametrize("each", [each for each in case.cases() if each.finds], ids=lambda each: each.name)
def test_each_fix_removes_its_finding_and_breaks_nothing(each: Case) -> None:
    """Whoever does exactly what a finding says is rid of it, and loses no record and no sender that was good."""
    before, _ = case.examine(each)
    for finding in before.findings:
        if finding.severity not in FOLLOWED:
            continue
        zone = ZoneText.read(each.text, each.plan.zone)
        if not follow(finding.fix, Task(zone, each.plan, finding)):
            continue
        after, _ = case.examine(replace(each, text=str(zone)))
        what = f"{each.name}: {finding.code}: {finding.fix}\n{zone}"
        assert not _holds_still(finding, after), f"the finding is still there\n{what}"
        old = ZoneText.read(each.text, each.plan.zone)
        assert [*_lost_records(before, after), *_lost_senders(old, zone, finding, each.plan)] == [], what


def _holds_still(finding: Finding, after: CheckJudgement) -> bool:
    return any((other.code, other.host, other.record) == (finding.code, finding.host, finding.record)
               and other.observed == finding.observed for other in after.findings)  # fmt: skip


def _lost_records(before: CheckJudgement, after: CheckJudgement) -> Iterator[str]:
    """Yield the planned records that were right and are not any more, and what blocks mail anew."""
    good = {result.record.id for result in after.results if result.verdict is Verdict.PRESENT}
    for result in before.results:
        if result.verdict is Verdict.PRESENT and result.record.id not in good:
            yield f"{result.record.id} was right"
    blocked = {finding.record for finding in before.findings if finding.severity is Severity.BLOCKING}
    for finding in after.findings:
        theirs = finding.fix.startswith("Nothing to change")  # what the service itself has to do
        if finding.severity is Severity.BLOCKING and blocked and finding.record not in blocked and not theirs:
            yield f"{finding.code} at {finding.host} is new"


def _lost_senders(old: ZoneText, new: ZoneText, finding: Finding, plan: Plan) -> Iterator[str]:
    """Yield what the zone said for others than the plan, and no longer says, though the finding does not name it."""
    left = [line for line in new.lines if line.owner]
    for line in old.lines:
        if not line.owner or any(line is each for each in left):
            continue
        named = _named(finding, line.value if line.rdtype == "TXT" else "")
        for text in _said(line):
            kept = _all_said(left, line, plan)
            is_glued = any(text.lower().startswith(each) for each in kept)  # to the term behind it
            if text.lower() not in named and not is_glued:
                yield f"{line.owner} {line.rdtype} {text}"
    for line in old.lines:
        policy = _policy(line)
        if policy is not None and policy > max(
            (_policy(each) or 0 for each in left if each.owner == line.owner), default=policy
        ):
            yield f"the policy of {line.owner} is weaker"


def _named(finding: Finding, whole: str) -> str:
    """Return what the finding says of single parts; a record that it only shows as a whole is not named by that."""
    shown = [] if whole else finding.observed
    part = [finding.observed[0][slice(*finding.span)]] if finding.span else []
    return " ".join([finding.fix, finding.detail.replace(whole, ""), *shown, *part]).lower()


def _said(line: Line) -> list[str]:
    """Return what a record says, in parts that mean something alone."""
    if line.rdtype == "TXT" and line.value.lower().startswith("v=spf1 ") and "._domainkey." not in line.owner:
        terms = parse_spf_record(line.value).terms  # what receivers can't read lets nobody through
        return [term.text.lstrip("~?-") for term in terms if term.name != "all"]
    return [line.data.split()[-1].rstrip(".")] if line.rdtype in ("MX", "CNAME") else []


def _all_said(lines: list[Line], like: Line, plan: Plan) -> set[str]:
    planned = {each.value.lower().rstrip(".") for each in plan.records}
    return planned | {text.lower() for line in lines if line.rdtype == like.rdtype for text in _said(line)}


def _policy(line: Line) -> int | None:
    if line.rdtype != "TXT" or not line.owner.startswith("_dmarc."):
        return None
    found = re.match(r"v=DMARC1\s*;\s*p\s*=\s*(\w+)", line.value)
    return _STRENGTH.get(found[1].lower()) if found else None
