"""Runs the benchmarks and writes what they gave: `./dev bench [--quick] [--only NAME] [--json FILE] [--docs]`."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import checking, growth, listing, posting, report, serving, time_to_success
from benchmarks.figures import Row

SUBJECTS = {
    "list": listing.rows,
    "post": posting.rows,
    "serve": serving.rows,
    "check": checking.rows,
    "success": time_to_success.rows,
    "growth": growth.rows,
}


def main() -> int:
    """Gives 0 where every target is met."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: shows that it runs, not how fast")
    parser.add_argument("--only", choices=sorted(SUBJECTS), action="append", help="one subject; may be given again")
    parser.add_argument("--json", type=Path, help="writes FILE, and beside it the table (.md) and the plot (.svg)")
    parser.add_argument("--docs", action="store_true", help="writes table and plot into docs/performance.md")
    asked = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a warm start finds its bytecode
    rows: list[Row] = []
    told = report.Report(report.machine(), rows)
    for name in asked.only or SUBJECTS:
        for row in SUBJECTS[name](asked.quick):
            print(report.line(row), flush=True)
            rows.append(row)
            if asked.json:  # each time: a long run may be cut off
                report.write(asked.json, told)
    if asked.docs:
        report.into_docs(told)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
