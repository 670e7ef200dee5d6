"""The findings of a check in another language.

A stored check has all replies of DNS, so its findings are found again, written in that language. Those that do not
follow from DNS alone are read back by the template of their diagnosis.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from letterhead.core.check import catalogue
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.languages.language import Language
from letterhead.core.languages.templates import fill_places, read_places


def translate_findings(
    findings: Sequence[Finding], found_again: Sequence[Finding], language: Language
) -> tuple[Finding, ...]:
    """Return the findings with the texts of those that were found again in a language."""
    again = {_identity(each): each for each in found_again}
    return tuple(_translate(each, again.get(_identity(each)), language) for each in findings)


def _identity(finding: Finding) -> tuple[object, ...]:
    """Return what two findings of one check never share, and no language changes."""
    return (finding.code, finding.record, finding.host, finding.observed, finding.perspectives, finding.span)


def _translate(finding: Finding, again: Finding | None, language: Language) -> Finding:
    if again is not None:
        return replace(finding, title=again.title, detail=again.detail, fix=again.fix)
    diagnosis = catalogue.DIAGNOSES.get(finding.code)
    if diagnosis is None:  # of a newer version, which runs beside this one
        return finding
    return replace(
        finding,
        title=language.text(finding.title),
        detail=translate_text(finding.detail, diagnosis.detail, language),
        fix=translate_text(finding.fix, diagnosis.fix, language),
    )


def translate_text(text: str, template: str, language: Language) -> str:
    """Return a text that was made of a template in a language; as it is where it was made of another one."""
    places = read_places(template, text)
    if places is None:
        return text
    return fill_places(language.template(template), {name: language.place(name, each) for name, each in places.items()})
