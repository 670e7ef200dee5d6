"""Split zone text into entries of tokens (RFC 1035 5.1): one record, directive or comment each.

An entry that can't be split costs itself alone: a quote ends with its line, and where a parenthesis is never closed,
reading goes on with the line after it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST_ENTRY: Final = 500  # lines between parentheses
MOST_GENERATED: Final = 65_536  # records of one $GENERATE: the last two octets of an IPv4 address
SHOWN: Final = 80

_TOKEN = re.compile(
    r"""(?P<blank>[^\S\n]+) | (?P<comment>;.*) | (?P<bracket>[()]) | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<open>".*) | (?P<word>(?:\\.|[^\s;()"\\]|\\\Z)+)""",
    re.VERBOSE,
)
_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?")
_COUNTER = re.compile(r"\\.|\$\$|\$(?:\{([+-]?\d{1,10})(?:,(\d{1,2})(?:,([doxX]))?)?\})?")
_YAML = re.compile(r"(?:---|- \S|[\w\"'.*@-]+:(?:\s|\Z))")
_CSV = re.compile(r"[^,\s]+(?: [^,\s]+)*(?:,[^,]*){2,}")

QUOTE_OPEN: Final = "a quote is opened and not closed"
BRACKET_OPEN: Final = "a parenthesis is opened and not closed"
BRACKET_EXTRA: Final = "a parenthesis is closed that none opened"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: the number of its first line, the blanks before it, its tokens (quotes kept), and what is wrong."""

    number: int
    text: str
    indent: int
    tokens: tuple[str, ...]
    comment: str = ""
    fault: str | None = None


def split_entries(text: str) -> Iterator[Entry]:
    """Split a text into its entries; what stands between parentheses is one entry."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        entry, at = _read_entry(lines, at)
        if entry.tokens or entry.comment or entry.fault:
            yield entry


def _read_entry(lines: list[str], start: int) -> tuple[Entry, int]:
    """Return the entry that begins at a line, and the line after it."""
    tokens: list[str] = []
    depth, comment, fault, on_first_line = 0, "", None, 0
    for at in range(start, min(start + LONGEST_ENTRY, len(lines))):
        for match in _TOKEN.finditer(lines[at]):
            match match.lastgroup, match[0]:
                case "quoted" | "word", token:
                    tokens.append(token)
                case "open", token:
                    tokens.append(token)
                    fault = QUOTE_OPEN
                case "comment", token if not depth:
                    comment = token
                case "bracket", "(":
                    depth += 1
                case "bracket", ")" if depth:
                    depth -= 1
                case "bracket", ")":
                    fault = fault or BRACKET_EXTRA
                case _:  # blanks, and comments between parentheses
                    pass
        on_first_line = on_first_line if at > start else len(tokens)
        if not depth:
            return _new_entry(lines[start], start, tokens, comment, fault), at + 1
    return _new_entry(lines[start], start, tokens[:on_first_line], "", BRACKET_OPEN), start + 1


def _new_entry(line: str, at: int, tokens: list[str], comment: str, fault: str | None) -> Entry:
    indent = len(line) - len(line.lstrip())
    return Entry(at + 1, line.strip()[:SHOWN], indent, tuple(tokens), comment, fault)


def expand_generate(tokens: tuple[str, ...]) -> list[tuple[str, ...]] | None:
    """Return the records of BIND's $GENERATE, as tokens, given the range and what follows; None where it is none."""
    span = _RANGE.fullmatch(tokens[0]) if len(tokens) > 3 else None  # range, owner, type, value
    if span is None:
        return None
    numbers = range(int(span[1]), int(span[2]) + 1, int(span[3] or 1) or 1)
    if len(numbers) > MOST_GENERATED:
        return None

    def put(number: int, token: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[0].startswith("\\") or match[0] == "$$":
                return match[0].removeprefix("$")
            return format(number + int(match[1] or 0), match[3] or "d").zfill(int(match[2] or 0))

        return _COUNTER.sub(value, token)

    return [tuple(put(number, token) for token in tokens[1:]) for number in numbers]


def foreign_format(text: str) -> str | None:
    """Return the name of the format that a text without any record is in: JSON, XML or HTML, YAML, CSV."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", ";"))]
    first = lines[0].strip() if lines else ""
    if first.startswith(("{", "[")):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return None
        return "JSON of Route 53" if '"ResourceRecordSets"' in text else "JSON"
    if first.startswith("<"):
        return "XML or HTML"
    if _YAML.match(first):
        return "YAML"
    return "CSV" if len(lines) > 1 and all(_CSV.match(line) for line in lines[:2]) else None
