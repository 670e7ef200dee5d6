"""Run the benchmarks and write what they gave: `./dev bench [--quick] [--only NAME] [--json FILE] [--docs]`.

NAME is a subject, such as `check`, or one row, such as `check-full`, which brings along those measured with it.
"""

import argparse
import os
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType

from benchmarks import checking, growth, listing, posting, report, serving, time_to_success
from benchmarks.figures import Row

SUBJECTS: dict[str, ModuleType] = {
    "list": listing,
    "post": posting,
    "serve": serving,
    "check": checking,
    "success": time_to_success,
    "growth": growth,
}
ROWS = sorted(name for subject in SUBJECTS.values() for names in subject.PARTS.values() for name in names)


def main() -> int:
    """Return 0 where every target is met."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: shows that it runs, not how fast")
    parser.add_argument(
        "--only", choices=[*SUBJECTS, *ROWS], metavar="NAME", action="append", default=[],
        help=f"may be given again; one of {', '.join(SUBJECTS)}, or a row: {', '.join(ROWS)}",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="writes FILE, and beside it the table (.md) and the plot (.svg)")
    parser.add_argument("--docs", action="store_true", help="writes table and plot into docs/performance.md")
    asked = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a warm start finds its bytecode
    rows: list[Row] = []
    told = report.Report(report.machine(), rows)
    for name, subject in SUBJECTS.items():
        parts = _parts(name, asked.only or SUBJECTS)
        for row in subject.rows(asked.quick, parts) if parts else ():
            print(report.line(row), flush=True)
            rows.append(row)
            if asked.json:  # each time: a long run may be cut off
                report.write(asked.json, told)
    if asked.docs:
        report.into_docs(told)
    return 0 if all(row.holds for row in rows) else 1


def _parts(name: str, wanted: Collection[str]) -> list[str]:
    """Return the parts of a subject that measure what is wanted."""
    parts: dict[str, tuple[str, ...]] = SUBJECTS[name].PARTS
    return [part for part, rows in parts.items() if name in wanted or not set(rows).isdisjoint(wanted)]


if __name__ == "__main__":
    sys.exit(main())
