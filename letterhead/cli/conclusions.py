"""The results of `letterhead check`: as JSON and CSV for scripts, and as text for a terminal."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import msgspec
from rich.text import Text

from letterhead.cli.report import finding, verdicts
from letterhead.cli.tables import Cell, styled, visible, wrap
from letterhead.core.findings.diagnosis import readable
from letterhead.core.plan.plan import RecordId, RecordResult, Verdict
from letterhead.operations.one_off_checks import OneOffResult

_SUMMARIES = {
    "pass": ("Nothing blocks.", "bold green"),
    "fail": ("This does not work yet: correct what is blocking first.", "bold red"),
    "none": ("There is no SPF record, no DMARC record and no DKIM key that could be found.", "bold red"),
    "inconclusive": ("Not everything could be seen, so this says neither yes nor no.", "bold yellow"),
}
_ONLY_WARNINGS = "Nothing that was seen blocks, and with --strict a warning counts like what does."
CSV_HEADER = ("DOMAIN", "VERDICT", "SEVERITY", "CODE", "RECORD", "HOST", "TITLE", "DETAIL", "FIX")


def csv_rows(result: OneOffResult) -> list[Sequence[Cell]]:
    """Return a row for each finding, and one where there is none."""
    head, findings = (result.sender, result.verdict), result.examination.findings
    fields = ("severity", "code", "record", "host", "title", "detail", "fix")
    rows: list[Sequence[Cell]] = [(*head, *(getattr(each, name) for name in fields)) for each in findings]
    return rows or [(*head, *[None] * len(fields))]


def json_value(result: OneOffResult) -> dict[str, Any]:
    """Return a result for JSON; every key is always there, null where it has no value."""
    fields = ("code", "severity", "record", "host", "title", "detail", "expected", "observed", "fix", "evidence")
    return {
        "domain": result.sender,
        "checkedAt": result.checked_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dnsHost": result.dns_host,
        "verdict": result.verdict,
        "records": _records(result),
        "findings": [{name: getattr(each, name) for name in fields} for each in result.examination.findings],
    }


def json_text(results: Sequence[dict[str, Any]], *, one: bool) -> str:
    """Return results as JSON: an object where one domain was named, else an array."""
    return msgspec.json.format(msgspec.json.encode(results[0] if one else results), indent=2).decode()


def _records(result: OneOffResult) -> list[dict[str, Any]]:
    """Return the records with their verdicts; SPF of the domain itself where there is some, or no MAIL FROM has it."""
    records = [_record(each) for each in result.examination.results]
    has_mail_from = any(each["id"] == RecordId.MAIL_FROM_SPF for each in records)
    if result.spf or (result.spf == () and not has_mail_from):
        spf = {
            "id": "spf",
            "host": result.sender,
            "recordType": "TXT",
            "expected": None,
            "observed": [readable(each) for each in result.spf],
            "verdict": result.spf_verdict,
        }
        at = next((at for at, each in enumerate(records) if each["id"] == RecordId.DMARC), len(records))
        records.insert(at, spf)
    return records


def _record(result: RecordResult) -> dict[str, Any]:
    record = result.record
    value = record.value if record.priority is None else f"{record.priority} {record.value}"
    return {
        "id": record.id,
        "host": record.host,
        "recordType": record.rdtype,
        "expected": value if record.exact else None,
        "observed": [readable(each) for each in result.observed],
        "verdict": result.verdict,
    }


def terminal_text(result: OneOffResult, width: int | None = None) -> Text:
    """Lay out a result for a terminal: the records, each finding, what was guessed, the summary."""
    records, findings = result.examination.results, result.examination.findings
    required = {(each.record.id, each.record.host) for each in records if each.record.required}
    alarm = result.verdict == "none"
    shown = [each | {"required": alarm or (each["id"], each["host"]) in required} for each in _records(result)]
    parts = [
        styled(result.sender, "bold").append(f"  DNS at {visible(result.dns_host)}" if result.dns_host else ""),
        verdicts({"records": shown}, width),
        *(finding(msgspec.to_builtins(each), width) for each in findings),
    ]
    if result.guessed:
        keys = [each.record.host.partition("._domainkey")[0] for each in records if each.verdict is not Verdict.ABSENT]
        names = ", ".join(name for name in keys if name in result.guessed)
        text = f"There are keys at {names}." if names else "None of them has a key, which says nothing about others."
        guess = f"DKIM: {len(result.guessed)} common selectors were tried, which is a guess. {text} "
        fix = "Name yours with --selector: it is the s= in the DKIM-Signature of a message that you sent."
        parts.append(Text("\n".join(wrap(visible(guess + fix), width))))
    parts.append(_summary(result, width))
    return Text("\n\n").join(parts)


def _summary(result: OneOffResult, width: int | None) -> Text:
    findings = result.examination.findings
    numbers = []
    for severity, plural in (("blocking", "blocking"), ("warning", "warnings"), ("tip", "tips")):
        if number := sum(each.severity == severity for each in findings):
            numbers.append(f"{number} {severity if number == 1 else plural}")
    text, style = _SUMMARIES[result.verdict]
    if result.verdict == "fail" and result.strict and "blocking" not in {each.severity for each in findings}:
        text = _ONLY_WARNINGS
    counts = f" {', '.join(numbers)}." if numbers else ""
    more = f" More on each: letterhead explain {visible(findings[0].code)}" if findings else ""
    first, *others = wrap(f"{result.verdict}: {text}{counts}{more}", width)
    shown = styled(result.verdict, style).append(first.removeprefix(result.verdict))
    return shown.append("".join(f"\n{line}" for line in others))
