"""Find which zone a text is of, where no $ORIGIN says so: DNS hosts name it in a record or in a comment."""

import re
from collections.abc import Iterator, Sequence

import dns.name
from dns.name import Name

from letterhead.adapters.dns.zone_lines import Entry
from letterhead.adapters.dns.zone_records import UNREADABLE, read_head

_NAME = r"[\"'`]?((?:[a-z0-9_-]{1,63}\.){1,10}[a-z][a-z0-9-]{1,62})\.?(?![a-z0-9._-])"
_COMMENTS = (
    re.compile(rf";[;\s]*(?:domain|zone(?: name| file for)?)\b\s*[:=]?\s*{_NAME}", re.IGNORECASE),
    re.compile(rf";.*\bfor {_NAME} zone\b", re.IGNORECASE),  # Windows: "Database file … for acme.dev zone."
    re.compile(rf";.*\baxfr {_NAME}", re.IGNORECASE),  # dig
)


def find_origin(entries: Sequence[Entry], asked: str | None) -> tuple[Name | None, bool]:
    """Return the origin with which a text begins, and whether nothing but the domain asked for says so.

    In this order: $ORIGIN before the first record, a full owner of the SOA or of an NS, a comment, an SOA owner that
    lacks its final dot, the domain asked for.
    """
    first = next((entry for entry in entries if entry.tokens and entry.tokens[0].upper() != "$TTL"), None)
    if first is not None and first.tokens[0].upper() == "$ORIGIN" and len(first.tokens) > 1:
        name = full_name(first.tokens[1])
        if name is not None and name != dns.name.root:
            return name, False
    starts = list(owners_of(entries, "SOA"))
    for owner in (*starts, *owners_of(entries, "NS")):
        if owner.endswith(".") and (name := full_name(owner)) is not None:
            return name, False
    named = (match[1] for entry in entries for each in _COMMENTS if (match := each.match(entry.comment[:300])))
    dotless = (
        owner
        for owner in starts
        if "." in owner and (asked is None or asked == owner.lower() or asked.endswith(f".{owner.lower()}"))
    )
    for text in (*named, *dotless):
        if (name := full_name(text)) is not None:
            return name, False
    return (full_name(asked), True) if asked is not None else (None, False)


def full_name(text: str) -> Name | None:
    """Return a name that is meant in full, with or without its final dot; None where it is no name."""
    try:
        return dns.name.from_text(text, dns.name.root)
    except UNREADABLE:
        return None


def owners_of(entries: Sequence[Entry], rdtype: str) -> Iterator[str]:
    """Return the owners of a type's records, as they are written."""
    for entry in entries:
        if len(entry.tokens) > 1 and not entry.tokens[0].startswith("$"):
            head = read_head(entry.tokens[1:])
            if head.rdtype is not None and head.rdtype.name == rdtype:
                yield entry.tokens[0].strip('"')
