"""Findings about a zone text that is looked at in place of the network: lines left out, strings that are too long."""

from collections.abc import Iterable
from typing import Final

from letterhead.core.dns.answers import Unanswered
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Match, RuleInput, Severity, finding
from letterhead.core.plan.plan import Verdict

MOST_LINES: Final = 10  # that are named one by one

LINES_LEFT_OUT = Diagnosis(
    code="zone.lines-left-out",
    severity=Severity.TIP,
    title="Lines of the zone text were left out",
    meaning="You gave the text of a zone. These lines are no records that a name server reads; they stand at no name "
    "that was looked at, so nothing else here depends on them.",
    detail="Left out: {lines}.",
    fix="Nothing to change for your mail. Before a name server loads this text, write these lines as records",
    reference="RFC 1035 5.1",
)
STRING_TOO_LONG = Diagnosis(
    code="zone.string-too-long",
    severity=Severity.BLOCKING,
    title="A text in the zone file is longer than one string may be",
    meaning="A TXT record is made of strings of at most 255 octets each. A longer one between two quotes stops name "
    "servers from loading the file, with all of its records; it was read here as if it were split.",
    detail="Line {line} of the zone text, at {host}, has a string of {octets} octets; 255 are allowed.",
    fix="Write the text on line {line} as several strings, with nothing else changed: {split}",
    reference="RFC 1035 3.3",
)
ZONE_ASSUMED = Diagnosis(
    code="zone.text-names-no-zone",
    severity=Severity.TIP,
    title="The zone text does not say which zone it is of",
    meaning="Names in a zone file are short for names in its zone. This text has nothing that names the zone, so it "
    "was read as that of the domain that was asked for. If it is of another one, all findings are about wrong names.",
    detail="The text was read as the zone {taken}.",
    fix="If the text is of another zone, put $ORIGIN and its name, with a final dot, on a line before it",
    reference="RFC 1035 5.1",
)
DIAGNOSES = (STRING_TOO_LONG, LINES_LEFT_OUT, ZONE_ASSUMED)


def survey(rule_input: RuleInput) -> Iterable[Finding]:
    """Find what the reader of the text could not take as it stands."""
    notes = rule_input.history.zone_text
    for long in notes.long_strings:
        places = {"line": str(long.number), "octets": str(long.octets), "split": long.split}
        yield finding(STRING_TOO_LONG, rule_input, None, Match(places=places, host=long.owner))
    reasons = _reasons(rule_input)  # of records without an answer, which have a finding of their own
    lines = [str(each) for each in notes.unread if str(each) not in reasons]
    if lines:
        more = f"; and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
        match = Match(places={"lines": "; ".join(lines[:MOST_LINES]) + more}, host=rule_input.plan.zone)
        yield finding(LINES_LEFT_OUT, rule_input, None, match)
    if notes.assumed_zone is not None:
        match = Match(places={"taken": notes.assumed_zone}, host=notes.assumed_zone)
        yield finding(ZONE_ASSUMED, rule_input, None, match)


def _reasons(rule_input: RuleInput) -> set[str]:
    """Return why planned records are unanswered."""
    hosts = {each.record.host for each in rule_input.results if each.verdict is Verdict.UNANSWERED}
    replies = (reply for asked, replies in rule_input.seen.items() if asked.name in hosts for reply in replies)
    return {reply.answer.detail for reply in replies if isinstance(reply.answer, Unanswered)}
