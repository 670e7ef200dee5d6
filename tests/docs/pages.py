"""Make the pages of docs/ that are made from code; `./dev docs` writes them."""

import re
from pathlib import Path

import msgspec

from letterhead import config
from letterhead.cli import manual
from letterhead.core.check import catalogue
from letterhead.core.check.catalogue import DIAGNOSES, Example
from letterhead.core.domain import lifecycle
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.rotation import rotation
from tests.cases import case
from tests.cases.case import Case
from tests.docs import architecture, chart, compared, dns_hosts, metrics, writing_records
from tests.docs.markdown import FINDINGS

EXAMPLES = "cli/examples.json"
DOCS = Path(__file__).parents[2] / "docs"

Shown = dict[str, list[tuple[Case, Finding]]]


def pages() -> dict[str, str]:
    """Make every page, by its path below docs/."""
    shown = shown_by_cases()
    made = {
        f"{FINDINGS}/{each.code}.md": catalogue.page(each, _example(each.code, shown)) for each in DIAGNOSES.values()
    }
    made[f"{FINDINGS}/README.md"] = catalogue.index(DIAGNOSES.values())
    return made | {
        f"../letterhead/{EXAMPLES}": examples(shown),
        "../deploy/helm/letterhead/values.schema.json": chart.schema(),
        "../deploy/helm/letterhead/rules.yml": chart.rules(),
        "architecture.svg": architecture.drawing(),
        "dns-hosts.md": dns_hosts.page(),
        "writing-records.md": writing_records.page(),
        "compared.md": compared.page(first_findings(shown)),
        "configuration.md": config.page(),
        "install/kubernetes.md": chart.page(),
        "cli.md": manual.page(),
        "metrics.md": metrics.page(),
        "lifecycle.md": lifecycle.diagram() + rotation.page(),
    }


def write() -> None:
    """Write what has changed, and remove pages of findings that are made no more."""
    made = pages()
    for name in sorted(written() - set(made)):
        (DOCS / name).unlink()
        print(f"removed docs/{name}")
    for name, text in made.items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote docs/{name}")


def shown_by_cases() -> Shown:
    """Run every zone case; return for each code the cases that show it, the one named after it first."""
    shown: Shown = {}
    for each in case.cases():
        for finding in case.examine(each)[0].findings:
            shown.setdefault(finding.code, []).append((each, finding))
    for code, found in shown.items():
        found.sort(key=lambda pair: (pair[0].name != code, len(pair[0].finds), pair[0].name))
    return shown


def first_findings(shown: Shown) -> dict[tuple[str, str], Finding]:
    """Return the finding of each code in each case."""
    return {(code, each.name): finding for code, found in reversed(shown.items()) for each, finding in reversed(found)}


def written() -> set[str]:
    """List the pages of findings that are there, by their path below docs/."""
    return {f"{FINDINGS}/{path.name}" for path in (DOCS / FINDINGS).glob("*.md")}


def _example(code: str, shown: Shown) -> Example | None:
    found = shown.get(code)
    if not found:
        return None
    first, finding = found[0]
    # What a line says to the test alone is nothing to a reader.
    zone = re.sub(r"^; (?:[\w-]+): .*\n", "", first.text.strip(), flags=re.MULTILINE)
    return Example(zone=zone, finding=finding)


def examples(shown: Shown) -> str:
    """Make the findings that `letterhead explain` shows, one of each code, with keys shortened."""
    chosen = {code: _example(code, shown) for code in sorted(DIAGNOSES)}
    written = {code: each.finding for code, each in chosen.items() if each is not None}
    return catalogue.shorten(msgspec.json.format(msgspec.json.encode(written), indent=1).decode()) + "\n"
