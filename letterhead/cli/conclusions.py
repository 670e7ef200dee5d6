"""The result of `letterhead check`: as JSON for scripts, and as text for a terminal."""

from datetime import UTC
from typing import Any

import msgspec
from rich.text import Text

from letterhead.cli.report import finding, verdicts
from letterhead.cli.tables import console, visible
from letterhead.core.findings.diagnosis import readable
from letterhead.core.plan.plan import RecordResult
from letterhead.operations.one_off_checks import OneOffResult

_SUMMARIES = {
    "pass": ("Nothing blocks.", "bold green"),
    "fail": ("This does not work yet: mend what is blocking first.", "bold red"),
    "inconclusive": ("Not everything could be seen, so this says neither yes nor no.", "bold yellow"),
}


def print_result(result: OneOffResult, *, as_json: bool) -> None:
    """Print a result, as JSON or as text."""
    if as_json:
        print(json_text(result))
    else:
        console().print(terminal_text(result))


def json_text(result: OneOffResult) -> str:
    """Return a result as JSON; every key is always there, null where it has no value."""
    fields = ("code", "severity", "record", "host", "title", "detail", "expected", "observed", "fix", "evidence")
    shape = {
        "domain": result.sender,
        "checkedAt": result.checked_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dnsHost": result.dns_host,
        "verdict": result.verdict,
        "records": [_record(each) for each in result.examination.results],
        "findings": [{name: getattr(each, name) for name in fields} for each in result.examination.findings],
    }
    return msgspec.json.format(msgspec.json.encode(shape), indent=2).decode()


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


def terminal_text(result: OneOffResult) -> Text:
    """Lay out a result for a terminal: the records, each finding, what was guessed, the summary."""
    where = f"DNS at {result.dns_host}" if result.dns_host else ""
    records, findings = result.examination.results, result.examination.findings
    parts = [
        Text(result.sender, style="bold").append(f"  {where}", style=""),
        verdicts({"records": [_record(each) for each in records]}),
        *(finding(msgspec.to_builtins(each)) for each in findings),
    ]
    if result.guessed:
        selectors = [each.record.host.partition("._domainkey")[0] for each in records]
        names = ", ".join(name for name in selectors if name in result.guessed)
        text = f"There are keys at {names}." if names else "None of them has a key, which says nothing about others."
        guess = Text(f"DKIM: {len(result.guessed)} common selectors were tried, which is a guess. {text} ")
        fix = "Name yours with --selector: it is the s= in the DKIM-Signature of a message that you sent."
        parts.append(guess.append(fix))
    numbers = []
    for severity, plural in (("blocking", "blocking"), ("warning", "warnings"), ("tip", "tips")):
        if number := sum(each.severity == severity for each in findings):
            numbers.append(f"{number} {severity if number == 1 else plural}")
    text, style = _SUMMARIES[result.verdict]
    counts = f" {', '.join(numbers)}." if numbers else ""
    more = f" More on each: letterhead explain {visible(findings[0].code)}" if findings else ""
    parts.append(Text(f"{result.verdict}: ", style=style).append(f"{text}{counts}{more}", style=""))
    return Text("\n\n").join(parts)
