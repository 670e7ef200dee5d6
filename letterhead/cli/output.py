"""The forms of a command's output: a table for people, the API's JSON or CSV for programs."""

import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from letterhead.cli.tables import Cell, columns, console, terminal_width, timestamp, visible
from letterhead.errors import Fault, Kind

Form = Literal["table", "json", "csv"]
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would compute in a text that others wrote


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The options that choose the form of a list, or of what is shown of one thing."""

    output: Annotated[
        Form,
        Parameter(name=["--output", "-o"], help="table for people; json as the API answers; csv, a line for each row."),
    ] = "table"
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="Short for --output json.")] = False

    @property
    def form(self) -> Form:
        """The form that was chosen; Fault `config-invalid` for two of them."""
        if self.as_json and self.output == "csv":
            detail = "--json and --output csv were given, and one output has one form."
            raise Fault(Kind.CONFIG_INVALID, detail, "Leave one of them away.")
        return "json" if self.as_json else self.output


TABLE = Output()


def print_rows(
    output: Output, answer: str, header: Sequence[str], rows: Sequence[Sequence[Cell]], none: str = ""
) -> None:
    """Print a list as a table or as CSV, or the answer of the API as it is; `none` is for a table without rows."""
    match output.form:
        case "json":
            print(answer)
        case "csv":
            print_csv(header, rows)
        case "table":
            console().print(columns(header, rows, width=terminal_width()) if rows or not none else none)


def time_of_day(text: str, output: Output) -> Cell:
    """Return a date-time of the API as the cell of a timeline: to the second in a table, ISO 8601 in CSV."""
    return timestamp(text) if output.form == "csv" else text[:19].replace("T", " ")


def print_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows as CSV (RFC 4180) with a header; times are ISO 8601, and what there is not is empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([each.lower().replace(" ", "_") for each in header])
    writer.writerows([_csv_field(cell) for cell in row] for row in rows)


def _csv_field(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case datetime():
            return cell.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case Text():
            return cell.plain
        case str():
            shown = visible(cell)
            return f"'{shown}" if shown.startswith(_FORMULA) else shown
