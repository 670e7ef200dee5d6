"""How figures are written: JSON for programs, a table and a plot for people."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import msgspec

from benchmarks import simulated
from benchmarks.figures import Row

WIDTH, LINE, LEFT = 760, 24, 250
DOCS = Path(__file__).parents[1] / "docs"
MARK = "<!-- what follows is written by ./dev bench --docs -->"
COMPUTED, END = "<!-- written by ./dev bench --docs -->", "<!-- so far -->"


class Report(msgspec.Struct, frozen=True):
    """All figures of one run."""

    machine: dict[str, str]
    rows: Sequence[Row]


def machine() -> dict[str, str]:
    """Say what it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load before": " ".join(f"{each:.1f}" for each in os.getloadavg()),
    }


def line(row: Row) -> str:
    """Write one figure for a terminal."""
    ratio = "" if row.ratio is None else f" = {row.ratio:g} × {row.floor:g} ({row.beside})"
    verdict = "" if not row.target else f"  [{row.target}: {'met' if row.holds else 'NOT MET'}]"
    note = f"  {row.note}" if row.note else ""
    return f"{row.name:28} {row.value:g} {row.unit}{ratio}{verdict}{note}"


def write(path: Path, report: Report) -> None:
    """Write the JSON, and beside it the table and the plot."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    path.with_suffix(".md").write_text(table(report), "utf-8")
    path.with_suffix(".svg").write_text(plot(report.rows), "utf-8")


def into_docs(report: Report) -> None:
    """Write the table into its page, below the mark, and the plot beside it; what follows from it into another."""
    page = DOCS / "performance.md"
    kept = page.read_text("utf-8").partition(MARK)[0]
    page.write_text(f"{kept}{MARK}\n\n{table(report)}", "utf-8")
    (DOCS / "performance.svg").write_text(plot(report.rows), "utf-8")
    unit = simulated.costs(report.rows)
    if unit is not None:
        page = DOCS / "scaling.md"
        before, _, rest = page.read_text("utf-8").partition(COMPUTED)
        after = rest.partition(END)[2]
        at = report.machine["at"]
        told = f"From {unit.checks:g} checks per second of CPU and {unit.lists:g} lists/s of one core, {at}:"
        page.write_text(f"{before}{COMPUTED}\n{told}\n\n{simulated.table(unit)}\n{END}{after}", "utf-8")


def table(report: Report) -> str:
    """Write a table in Markdown."""
    said = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    head = "| what | measured | floor or peer, same run | ratio | target | met |\n|---|---|---|---|---|---|"
    return f"Measured on: {said}.\n\n{head}\n" + "".join(f"{_cells(row)}\n" for row in report.rows)


def _cells(row: Row) -> str:
    what = row.what + (f"<br><small>{row.note}</small>" if row.note else "")
    floor = "" if row.floor is None else f"{row.floor:g} ({row.beside})"
    ratio = "" if row.ratio is None else f"{row.ratio:g} ×"
    met = "" if not row.target else ("yes" if row.holds else "**no**")
    return f"| {what} | {row.value:g} {row.unit} | {floor} | {ratio} | {row.target} | {met} |"


def plot(rows: Sequence[Row]) -> str:
    """Draw how far each figure is from its target: the line in the middle is the target, the bar what was reached."""
    judged = [row for row in rows if row.target]
    height = LINE * (len(judged) + 2)
    bars = "".join(_bar(row, LINE * (place + 1)) for place, row in enumerate(judged))
    middle = LEFT + (WIDTH - LEFT) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="each figure beside its target">'
        f"<style>text{{fill:#222}}@media(prefers-color-scheme:dark){{text{{fill:#ddd}}}}</style>{bars}"
        f'<line x1="{middle}" x2="{middle}" y1="{LINE / 2}" y2="{height - LINE}" stroke="#888"/>'
        f'<text x="{middle}" y="{height - 6}" text-anchor="middle">target; to the right is better</text></svg>\n'
    )


def _bar(row: Row, y: float) -> str:
    _, sign, number = row.target.split()
    reached = row.ratio if row.target.startswith("ratio") else row.value
    share = (reached or 0.0) / float(number)
    better = share if sign == "≥" else 1 / max(share, 1e-9)
    length = min(better, 2.0) * (WIDTH - LEFT) / 2
    colour = "#3a7" if row.holds else "#c44"
    return (
        f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(row.name)}</text>'
        f'<rect x="{LEFT}" y="{y - 8}" width="{length:.0f}" height="14" fill="{colour}"/>'
    )
