"""The catalogue of all diagnoses, and its pages for the docs and for `letterhead explain`."""

import difflib
import html
import re
import textwrap
from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

from letterhead.core.check import check
from letterhead.core.domain import provider_findings
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Severity, fill
from letterhead.core.zone import resolver_outage

DIAGNOSES: Final[dict[str, Diagnosis]] = check.DIAGNOSES | {
    each.code: each for each in (*provider_findings.DIAGNOSES, *resolver_outage.DIAGNOSES)
}


def similar_codes(code: str) -> list[str]:
    """Return codes that may have been meant by one that does not exist, the likeliest first."""
    inside = [each for each in DIAGNOSES if code and (code in each or each.rpartition(".")[2] == code)]
    return list(dict.fromkeys([*inside, *difflib.get_close_matches(code, DIAGNOSES, 5, 0.6)]))[:5]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """An example of a diagnosis: a zone's text, and the finding in it."""

    zone: str
    finding: Finding


def page(diagnosis: Diagnosis, example: Example | None = None) -> str:
    """Return the page of one diagnosis in Markdown, with its texts as they are for the domain acme.dev."""
    report, fix = _texts(diagnosis, example.finding if example else None)
    parts = [
        f"# `{diagnosis.code}`",
        f"**{plain(diagnosis.title)}** ({diagnosis.severity})",
        consequence(diagnosis.severity),
        f"## What it means\n\n{plain(diagnosis.meaning)}",
        f"## What a check reports\n\n{plain(report)}",
        f"## What to do\n\n{plain(fix)}",
        f"## Reference\n\n{link_rfc(diagnosis.reference)}",
        *(_example(example) if example else ()),
    ]
    return "\n\n".join(parts) + "\n"


def text(diagnosis: Diagnosis, example: Finding | None = None) -> str:
    """Return the explanation of one diagnosis in plain text, for a terminal, with the texts of an example."""
    report, fix = _texts(diagnosis, example)
    parts = [
        f"{diagnosis.code} ({diagnosis.severity})\n{diagnosis.title}",
        _wrap(diagnosis.meaning),
        consequence(diagnosis.severity),
        f"What a check reports, for example:\n{_wrap(report)}",
        f"What to do:\n{_wrap(fix)}",
        f"Reference: {diagnosis.reference}",
    ]
    return "\n\n".join(parts)


def _texts(diagnosis: Diagnosis, example: Finding | None) -> tuple[str, str]:
    """Return what a check reports and what to do about it: of an example, or else of the domain acme.dev."""
    if example is not None:
        return shorten(example.detail), shorten(example.fix).rstrip(".") + "."
    return _filled(diagnosis, diagnosis.detail), _filled(diagnosis, diagnosis.fix).rstrip(".") + "."


def _wrap(paragraph: str) -> str:
    return textwrap.fill(paragraph, 88, break_long_words=False, break_on_hyphens=False)


_OF_ALL: Final = {
    "sender": "acme.dev",
    "zone": "acme.dev",
    "servers": "ns1.acme.dev",
    "where": "at your DNS host (ns1.acme.dev)",
    "priority": "10",
    "count": "2",
}
# Host, name, type and value of the record that an example is about, by topic.
_RECORDS: Final = {
    "dkim": ("lh1._domainkey.acme.dev", "lh1._domainkey", "TXT", "v=DKIM1; k=rsa; p=…"),
    "dmarc": ("_dmarc.acme.dev", "_dmarc", "TXT", "v=DMARC1; p=none;"),
    "mail-from": ("lh.acme.dev", "lh", "MX", "feedback.mail.example"),
    "spf": ("lh.acme.dev", "lh", "TXT", "v=spf1 include:spf.mail.example ~all"),
}
_OF_NO_TOPIC: Final = ("acme.dev", "@", "TXT", "…")


def _filled(diagnosis: Diagnosis, template: str) -> str:
    """Return a template as it is for the domain acme.dev; `…` stands for what depends on what a check sees."""
    host, name, rdtype, value = _RECORDS.get(diagnosis.code.partition(".")[0], _OF_NO_TOPIC)
    of_record = {"host": host, "asked": host, "name": name, "rdtype": rdtype, "value": value, "expected": value}
    return fill(template, _OF_ALL | of_record, empty="…")


def listing(diagnoses: Iterable[Diagnosis]) -> str:
    """Return the list of diagnoses in plain text, by topic."""
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
    """Return the list of diagnoses in Markdown, by topic, each with a link to its page."""
    tables = []
    for topic, listed in _by_topic(diagnoses).items():
        rows = [f"| [`{each.code}`]({each.code}.md) | {each.severity} | {plain(each.title)} |" for each in listed]
        tables.append("\n".join([f"## {topic}\n", "| code | severity | title |", "|---|---|---|", *rows]))
    return "\n\n".join(["# Findings", INTRODUCTION, *tables]) + "\n"


INTRODUCTION = """Every finding of a check has a code. Each code has a page that says what the mistake does to mail and
how to fix it; `letterhead explain CODE` prints the same text. The pages show each text for the domain acme.dev, most
with a zone that has the mistake; long keys are shortened. A finding has the names, values and DNS host of the domain
that was checked."""


def consequence(severity: Severity) -> str:
    """Return what a finding of this severity does to the domain, as a sentence."""
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
    """Turn `RFC 6376 3.6.1` into a link to that section."""

    def link(rfc: re.Match[str]) -> str:
        number, section = rfc.groups()
        anchor = f"#{'section' if section[0].isdigit() else 'appendix'}-{section}" if section else ""
        return f"[{rfc[0]}](https://www.rfc-editor.org/rfc/rfc{number}{anchor})"

    return re.sub(r"RFC (\d+)(?: ([\dA-Z]+(?:\.\d+)*))?", link, reference)


def plain(text: str) -> str:
    """Escape what Markdown would take for markup in a text that has none."""
    return re.sub(r"([*|\\])", r"\\\1", html.escape(text, quote=False))


def _example(example: Example) -> Iterable[str]:
    found = example.finding
    seen = [f"expected: {found.expected}"] if found.expected else []
    seen += [f"observed: {value}" for value in found.observed]
    yield f"## Example\n\nThe texts above are those for this zone:\n\n```zone\n{shorten(example.zone)}\n```"
    if seen:
        lines = "\n".join(seen)
        yield f"The check compares:\n\n```text\n{shorten(lines)}\n```"


def shorten(text: str) -> str:
    """Cut the middle out of keys, which nobody reads: for pages only, never for a value to publish."""
    return re.sub(r"[A-Za-z0-9+/]{60,}=*", lambda key: f"{key[0][:16]}…{key[0][-8:]}", text)
