"""Text on a terminal: aligned columns, in colour, within its width; plain and whole in a pipe.

Much of what is printed was written by others (DNS records, names): their control characters are escaped.
"""

import shutil
import sys
import textwrap
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

GAP = "  "
NARROWEST = 20  # cells of a column that a terminal still shows, and of a wrapped line
PATIENCE = 1.0  # seconds until a terminal shows that somebody is waited for
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
    "optional": "dim",
    "awaited": "yellow",
}

Cell = str | Text | datetime | None  # a date-time is relative to now at a terminal, and ISO 8601 in CSV


def visible(text: str) -> str:
    """Return a text with each character that could control a terminal as its escape."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def styled(text: str, style: str) -> Text:
    """Return a text in a style that ends with it: what is appended has a style of its own."""
    return Text().append(visible(text), style=style)


def colour_text(text: str) -> Text:
    """Return a status, verdict or severity in its colour."""
    return styled(text, STYLES.get(text, ""))


def timestamp(text: str | None) -> datetime | None:
    """Return a date-time of the API as a cell."""
    return datetime.fromisoformat(text) if text else None


def ago(text: str | None, now: datetime | None = None) -> str:
    """Return a date-time of the API relative to now: `3 min ago`, `in 2 h`."""
    return _relative(datetime.fromisoformat(text), now) if text else "-"


def _relative(at: datetime, now: datetime | None = None) -> str:
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
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


def terminal_width() -> int | None:
    """Return how many cells a line of the standard output has; None where it is no terminal, and nothing is cut."""
    return max(NARROWEST * 2, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def cut(text: str, width: int | None) -> str:
    """Return a text in at most so many cells, with … where it was cut."""
    if width is None or cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, max(1, width) - 1).rstrip()}…"


def wrap(text: str, width: int | None) -> list[str]:
    """Return the lines of a text within a width; a word that is longer is broken."""
    if width is None or cell_len(text) <= width:
        return [text]
    return textwrap.wrap(text, max(NARROWEST, width), break_on_hyphens=False) or [""]


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on stderr, at a terminal alone, that something is waited for, once it has taken a second."""
    if not (sys.stderr.isatty() and sys.stdout.isatty()):
        yield
        return
    status = console(stderr=True).status(visible(what), spinner="dots")
    timer = threading.Timer(PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()


def columns(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, width: int | None = None) -> Text:
    """Lay out rows in columns as wide as their widest cell; the last column is not padded, and cut to the width."""
    lines = [[styled(cell, "bold") for cell in header]]
    lines += [[_cell_text(cell) for cell in row] for row in rows]
    widths = [max(cell_len(line[at].plain) for line in lines) for at in range(len(header))]
    left = None if width is None else max(NARROWEST, width - sum(widths[:-1]) - len(GAP) * (len(widths) - 1))
    padded = []
    for line in lines:
        whole = Text()
        for cell, size in zip(line[:-1], widths, strict=False):
            whole.append_text(cell).append(" " * (size - cell_len(cell.plain)) + GAP)
        last = line[-1].copy()
        if left is not None:
            last.truncate(left, overflow="ellipsis")
        whole.append_text(last)
        whole.rstrip()
        padded.append(whole)
    return Text("\n").join(padded)


def _cell_text(cell: Cell) -> Text:
    match cell:
        case Text():
            return cell
        case datetime():
            return Text(_relative(cell))
        case None:
            return Text("-")
        case str():
            return Text(visible(cell))
