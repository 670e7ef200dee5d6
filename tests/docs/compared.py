"""Make docs/compared.md from docs/compared.toml: what the best peer says of a mistake, and what we say, by a run."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from letterhead.core.check.catalogue import plain, shorten
from letterhead.core.findings.diagnosis import Finding

TABLE = Path(__file__).parents[2] / "docs" / "compared.toml"
NOTHING = "Nothing of its own."

INTRODUCTION = """# What Letterhead says about the most reported mistakes

Twenty mistakes in the DNS records of sending domains, selected from public reports of users (issues, pull requests,
help pages of vendors; nobody measured how often each happens). For each mistake the table has the clearest message that
we found in the code or documentation of other products, read in 2025 and 2026, and what Letterhead says about a zone
with that mistake. Our column is not written by hand: `./dev docs` runs a check on the zone case. Names, values and keys
are those of the case; keys are shortened only on this page."""

HEADER = """| | mistake | the best peer says | Letterhead says |
|---|---|---|---|"""


class Mistake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row: `says` is the peer's message, empty where no peer has one; `case` is the code's own by default."""

    what: str
    reported: tuple[str, ...]
    peer: str
    says: str = ""
    note: str = ""
    code: str
    case: str = ""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mistake: tuple[Mistake, ...]


def mistakes() -> tuple[Mistake, ...]:
    """Read the rows."""
    return msgspec.toml.decode(TABLE.read_bytes(), type=_Table).mistake


def page(findings: Mapping[tuple[str, str], Finding]) -> str:
    """Make the page from the findings of all cases, by code and case."""
    rows = [_row(number, each, findings) for number, each in enumerate(mistakes(), 1)]
    return "\n\n".join([INTRODUCTION, "\n".join([HEADER, *rows])]) + "\n"


def ours(mistake: Mistake, findings: Mapping[tuple[str, str], Finding]) -> Finding | None:
    """Find what we say; nothing where no case shows it yet."""
    named = findings.get((mistake.code, mistake.case or mistake.code))
    return named or next(
        (found for (code, _), found in sorted(findings.items(), key=_key) if code == mistake.code), None
    )


def _key(item: tuple[tuple[str, str], Finding]) -> tuple[str, str]:
    return item[0]


def _row(number: int, mistake: Mistake, findings: Mapping[tuple[str, str], Finding]) -> str:
    reports = ", ".join(f"[{at}]({url})" for at, url in enumerate(mistake.reported, 1))
    peer = f"“{plain(mistake.says)}”" if mistake.says else NOTHING
    theirs = " ".join(filter(None, [peer, f"({mistake.peer})" if mistake.peer else "", mistake.note]))
    said = _said(mistake, ours(mistake, findings))
    return f"| {number} | {plain(mistake.what)}<br>reported: {reports} | {theirs} | {said} |"


def _said(mistake: Mistake, finding: Finding | None) -> str:
    if finding is None:
        return f"`{mistake.code}`: not shown by a zone case yet"
    link = f"[`{finding.code}`](findings/{finding.code}.md)"
    title, detail, fix = (plain(shorten(text)) for text in (finding.title, finding.detail, finding.fix.rstrip(".")))
    return f"{link}<br>**{title}.** {detail}<br>*What to do:* {fix}."
