"""Knows how answers look on a terminal: aligned columns, colour where there is a person, plain text in a pipe.

Much of what is shown was written by strangers (DNS records, names): no control character of theirs reaches a terminal.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

GAP = "  "
STYLES = {
    "SUCCESS": "bold green",
    "PENDING": "yellow",
    "TEMPORARY_FAILURE": "bold yellow",
    "FAILED": "bold red",
    "NOT_STARTED": "dim",
    "present": "green",
    "wrong": "bold red",
    "absent": "bold red",
    "unanswered": "yellow",
    "blocking": "bold red",
    "warning": "yellow",
    "tip": "cyan",
    "inconclusive": "yellow",
    "ok": "green",
    "no": "bold red",
}

Cell = str | Text


def visible(text: str) -> str:
    """Writes each character that could move or colour a terminal as its escape."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def word(text: str) -> Text:
    """Colours one of our own words: a status, a verdict, a severity."""
    return Text(visible(text), style=STYLES.get(text, ""))


def ago(text: str | None, now: datetime | None = None) -> str:
    """Says an API's date-time as a person would: `3 min ago`, `in 2 h`."""
    if not text:
        return "-"
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
    if abs(seconds) < 1:
        return "now"
    size, unit = next(
        (size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")) if abs(seconds) >= size
    )
    amount = f"{int(abs(seconds) // size)} {unit}"
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def console(*, stderr: bool = False) -> Console:
    """Makes a console that neither wraps nor marks up: a value stays one piece that can be copied."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


def columns(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Text:
    """Lays rows out in columns as wide as they need; the last one runs on."""
    lines = [[Text(cell, style="bold") for cell in header], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(line[at].plain) for line in lines) for at in range(len(header))]
    return Text("\n").join(_line(line, widths) for line in lines)


def _cell(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(visible(cell))


def _line(line: Sequence[Text], widths: Sequence[int]) -> Text:
    *first, last = line
    whole = Text()
    for cell, width in zip(first, widths, strict=False):
        whole.append_text(cell).append(" " * (width - cell_len(cell.plain)) + GAP)
    whole.append_text(last)
    whole.rstrip()
    return whole
