"""Text on a terminal: aligned columns, in colour; plain in a pipe.

Much of what is printed was written by others (DNS records, names): their control characters are escaped.
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
    """Return a text with each character that could control a terminal as its escape."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def colour_text(text: str) -> Text:
    """Return a status, verdict or severity in its colour."""
    return Text(visible(text), style=STYLES.get(text, ""))


def ago(text: str | None, now: datetime | None = None) -> str:
    """Return a date-time of the API relative to now: `3 min ago`, `in 2 h`."""
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
    """Return a console that neither wraps lines nor reads markup, so that a long value can be copied."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


def columns(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Text:
    """Lay out rows in columns as wide as their widest cell; the last column is not padded."""
    lines = [[Text(cell, style="bold") for cell in header]]
    lines += [[cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row] for row in rows]
    widths = [max(cell_len(line[at].plain) for line in lines) for at in range(len(header))]
    padded = []
    for line in lines:
        whole = Text()
        for cell, width in zip(line[:-1], widths, strict=False):
            whole.append_text(cell).append(" " * (width - cell_len(cell.plain)) + GAP)
        whole.append_text(line[-1])
        whole.rstrip()
        padded.append(whole)
    return Text("\n").join(padded)
