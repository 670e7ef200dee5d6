"""Knows all diagnoses there are, and how each is explained: in the docs, and by `letterhead explain`; makes none."""

import difflib
import html
import re
import textwrap
from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

from letterhead.core.check import check
from letterhead.core.domain import provider_findings
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Severity
from letterhead.core.zone import resolver_outage

DIAGNOSES: Final[dict[str, Diagnosis]] = check.DIAGNOSES | {
    each.code: each for each in (*provider_findings.DIAGNOSES, *resolver_outage.DIAGNOSES)
}


def like(code: str) -> list[str]:
    """Lists codes that may have been meant by one that there is not, the likeliest first."""
    inside = [each for each in DIAGNOSES if code and (code in each or each.rpartition(".")[2] == code)]
    return list(dict.fromkeys([*inside, *difflib.get_close_matches(code, DIAGNOSES, 5, 0.6)]))[:5]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Shows a diagnosis at work: a zone's text, what was found in it, and the names of further cases."""

    case: str
    zone: str
    finding: Finding
    others: tuple[str, ...] = ()


def page(diagnosis: Diagnosis, example: Example | None = None) -> str:
    """Explains one diagnosis in Markdown; words in `<…>` stand for what a finding fills in."""
    parts = [
        f"# `{diagnosis.code}`",
        f"**{plain(diagnosis.title)}** ({diagnosis.severity})",
        consequence(diagnosis.severity),
        f"## What it means\n\n{plain(diagnosis.meaning)}",
        f"## What a check reports\n\n{_template(diagnosis.detail)}",
        f"## What to do\n\n{_template(diagnosis.fix).rstrip('.')}.",
        f"## Reference\n\n{link_rfc(diagnosis.reference)}",
        *(_example(example) if example else ()),
    ]
    return "\n\n".join(parts) + "\n"


def text(diagnosis: Diagnosis) -> str:
    """Explains one diagnosis in plain text, for a terminal."""
    parts = [
        f"{diagnosis.code} ({diagnosis.severity})\n{diagnosis.title}",
        _filled(diagnosis.meaning),
        consequence(diagnosis.severity),
        f"What a check reports:\n{_filled(diagnosis.detail)}",
        f"What to do:\n{_filled(diagnosis.fix).rstrip('.')}.",
        f"Reference: {diagnosis.reference}",
    ]
    return "\n\n".join(parts)


def _filled(template: str) -> str:
    return textwrap.fill(re.sub(r"\{(\w+)\}", r"<\1>", template), 88, break_long_words=False, break_on_hyphens=False)


def listing(diagnoses: Iterable[Diagnosis]) -> str:
    """Lists all diagnoses in plain text, topic by topic."""
    topics = _by_topic(diagnoses)
    width = max(len(each.code) for topic in topics.values() for each in topic)
    lines = {
        topic: [f"  {each.code:<{width}}  {each.severity:<12}  {each.title}" for each in of]
        for topic, of in topics.items()
    }
    return "\n\n".join("\n".join([topic, *lines[topic]]) for topic in topics)


def _by_topic(diagnoses: Iterable[Diagnosis]) -> dict[str, list[Diagnosis]]:
    topics: dict[str, list[Diagnosis]] = {}
    for each in diagnoses:
        topics.setdefault(each.code.partition(".")[0], []).append(each)
    return topics


def index(diagnoses: Iterable[Diagnosis]) -> str:
    """Lists all diagnoses in Markdown, topic by topic, each with a link to its page."""
    topics = _by_topic(diagnoses)
    tables = [f"## {topic}\n\n{_table(topics[topic])}" for topic in topics]
    return "\n\n".join(["# Findings", INTRODUCTION, *tables]) + "\n"


INTRODUCTION = """Every finding of a check has a code. Each code has a page that says what the mistake does to mail and
how to fix it; `letterhead explain CODE` prints the same text. Each finding replaces the words in `<…>` with the names,
values and DNS host of the domain that was checked."""


def consequence(severity: Severity) -> str:
    """Says what a finding of this severity does to the domain."""
    match severity:
        case Severity.BLOCKING:
            return (
                "Until this is fixed, the record does not count: a DKIM record blocks verification, any other record "
                "only its own status."
            )
        case Severity.WARNING:
            return "Mail flows, but some of it may fail or be classified as spam until this is fixed."
        case Severity.TIP:
            return "Nothing is broken. Following this advice improves delivery or maintenance."
        case Severity.INCONCLUSIVE:
            return "We could not find out. This never changes a status, and we check again automatically."
        case _:
            assert_never(severity)


def link_rfc(reference: str) -> str:
    """Turns `RFC 6376 3.6.1` into a link to that section."""
    return re.sub(r"RFC (\d+)(?: ([\dA-Z]+(?:\.\d+)*))?", _link, reference)


def plain(text: str) -> str:
    """Keeps Markdown from reading marks into a text that has none."""
    return re.sub(r"([*|\\])", r"\\\1", html.escape(text, quote=False))


def _link(rfc: re.Match[str]) -> str:
    number, section = rfc.groups()
    anchor = f"#{'section' if section[0].isdigit() else 'appendix'}-{section}" if section else ""
    return f"[{rfc[0]}](https://www.rfc-editor.org/rfc/rfc{number}{anchor})"


def _template(text: str) -> str:
    return re.sub(r"\{(\w+)\}", r"`<\1>`", plain(text))


def _table(diagnoses: Iterable[Diagnosis]) -> str:
    rows = [f"| [`{each.code}`]({each.code}.md) | {each.severity} | {plain(each.title)} |" for each in diagnoses]
    return "\n".join(["| code | severity | title |", "|---|---|---|", *rows])


def _example(example: Example) -> Iterable[str]:
    found = example.finding
    said = [f"{found.severity}: {found.title}", found.detail, f"expected: {found.expected}" if found.expected else ""]
    said += [f"observed: {value}" for value in found.observed]
    lines = "\n".join([*filter(None, said), f"fix: {found.fix}"])
    yield f"## Example\n\nThe zone `{example.case}.zone`:\n\n```zone\n{shorten(example.zone)}\n```"
    yield f"A check says:\n\n```text\n{shorten(lines)}\n```"
    if example.others:
        yield "Other zones with this finding: " + ", ".join(f"`{name}.zone`" for name in example.others) + "."


def shorten(text: str) -> str:
    """Cuts the middle out of keys, which nobody reads: for pages only, never for a value to publish."""
    return re.sub(r"[A-Za-z0-9+/]{60,}=*", lambda key: f"{key[0][:16]}…{key[0][-8:]}", text)
