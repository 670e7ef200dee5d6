"""Knows how an inspection is told: as JSON for scripts, and on a terminal as a compiler tells what it found."""

from datetime import UTC
from typing import Any

import msgspec
from rich.text import Text

from letterhead.cli.report import finding, verdicts
from letterhead.cli.tables import STYLES, visible
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.plan.plan import RecordResult
from letterhead.operations.one_off_checks import OneOffResult

_SAID = {
    "pass": ("Nothing blocks.", "bold green"),
    "fail": ("This does not work yet: mend what is blocking first.", "bold red"),
    "inconclusive": ("Not everything could be seen, so this says neither yes nor no.", "bold yellow"),
}


def as_json(conclusion: OneOffResult) -> str:
    """Writes a conclusion as JSON; every key is always there, null where there is nothing to say."""
    shape = {
        "domain": conclusion.sender,
        "checkedAt": conclusion.checked_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dnsHost": conclusion.dns_host,
        "verdict": conclusion.verdict,
        "records": [_record(each) for each in conclusion.examination.results],
        "findings": [_finding(each) for each in conclusion.examination.findings],
    }
    return msgspec.json.format(msgspec.json.encode(shape), indent=2).decode()


def _record(standing: RecordResult) -> dict[str, Any]:
    record = standing.record
    value = record.value if record.priority is None else f"{record.priority} {record.value}"
    return {
        "id": record.id,
        "host": record.host,
        "recordType": record.rdtype,
        "expected": value if record.exact else None,
        "observed": standing.observed,
        "verdict": standing.verdict,
    }


def _finding(each: Finding) -> dict[str, Any]:
    return {
        "code": each.code,
        "severity": each.severity,
        "record": each.record,
        "host": each.host,
        "title": each.title,
        "detail": each.detail,
        "expected": each.expected,
        "observed": each.observed,
        "fix": each.fix,
        "evidence": each.evidence,
    }


def as_text(conclusion: OneOffResult) -> Text:
    """Tells a conclusion on a terminal: the records, each finding, the sum."""
    head = Text(conclusion.sender, style="bold").append(f"  {_where(conclusion)}", style="")
    records = verdicts({"records": [_row(each) for each in conclusion.examination.results]})
    findings = [finding(msgspec.to_builtins(each)) for each in conclusion.examination.findings]
    parts = [head, records, *findings, *_guess(conclusion), _sum(conclusion)]
    return Text("\n\n").join(parts)


def _where(conclusion: OneOffResult) -> str:
    return f"DNS at {conclusion.dns_host}" if conclusion.dns_host else ""


def _row(standing: RecordResult) -> dict[str, Any]:
    return {**_record(standing), "observed": standing.observed}


def _guess(conclusion: OneOffResult) -> list[Text]:
    if not conclusion.guessed:
        return []
    found = [each.record.host.partition("._domainkey")[0] for each in conclusion.examination.results]
    names = ", ".join(name for name in found if name in conclusion.guessed)
    said = f"There are keys at {names}." if names else "None of them has a key, which says nothing about others."
    return [
        Text(f"DKIM: {len(conclusion.guessed)} common selectors were tried, which is a guess. {said} ").append(
            "Name yours with --selector: it is the s= in the DKIM-Signature of a message that you sent."
        )
    ]


def _sum(conclusion: OneOffResult) -> Text:
    findings = conclusion.examination.findings
    counted = {each: sum(found.severity == each for found in findings) for each in ("blocking", "warning", "tip")}
    numbers = ", ".join(f"{number} {_plural(each, number)}" for each, number in counted.items() if number)
    said, style = _SAID[conclusion.verdict]
    codes = dict.fromkeys(each.code for each in findings)
    more = f" More on each: letterhead explain {visible(next(iter(codes)))}" if codes else ""
    return Text(f"{conclusion.verdict}: ", style=style).append(
        f"{said}{f' {numbers}.' if numbers else ''}{more}", style=STYLES.get("", "")
    )


def _plural(word: str, number: int) -> str:
    return word if word == "blocking" or number == 1 else f"{word}s"
