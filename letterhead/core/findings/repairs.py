"""Repairs of a value that a person or a DNS host's form has spoilt on its way into DNS.

Each repair yields texts that may be the value as it was meant, none of which need be right; all take linear time.
"""

import html
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from letterhead.core.dns.records import Mx, Rdata, Target, Txt, split_text
from letterhead.core.plan.plan import ANY_KEYS, Accepts, PlannedRecord

Repair = Callable[[str, PlannedRecord], Iterable[str]]

_TYPOGRAPHY: Final = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "\u00a0": " ", "\u202f": " "}
    | dict.fromkeys("‐‑‒–—−", "-")
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", "")
)
_ESCAPE = re.compile(r"\\(?:([0-9]{3})|(.))", re.DOTALL)


def is_repaired_by(record: PlannedRecord, rdata: Rdata, accepts: Accepts, repair: Repair) -> bool:
    """Tell whether the RDATA is not the right one, but is when repaired in this one way."""
    return repaired_value(record, rdata, accepts, repair) is not None


def repaired_value(record: PlannedRecord, rdata: Rdata, accepts: Accepts, repair: Repair) -> str | None:
    """Return the right value that the RDATA is when repaired in this one way; None where it is right or stays wrong."""
    text = value_text(rdata)
    if text is None or accepts(record, (rdata,)):
        return None
    labels = record.host.split(".") if record.rdtype != "TXT" else []
    ends = [f".{'.'.join(labels[at:])}" for at in range(len(labels) - 1)]
    for repaired in repair(text, record):
        if repaired == text:
            continue
        # A name also without the zone that the form has appended to it.
        values = [repaired, *(repaired.removesuffix(end) for end in ends if repaired.endswith(end))]
        right = next((value for value in values if accepts(record, as_rdata(record, value))), None)
        if right is not None:
            return right
    return None


def value_text(rdata: Rdata) -> str | None:
    """Return the value as somebody typed it; None for a type that is never planned."""
    match rdata:
        case Txt():
            return rdata.text
        case Mx():
            return remove_name_escapes(rdata.exchange)
        case Target():
            return remove_name_escapes(rdata.name)
        case _:
            return None


def as_rdata(record: PlannedRecord, text: str) -> Sequence[Rdata]:
    """Parse a text as RDATA of the planned record's type."""
    match record.rdtype:
        case "TXT":
            return (Txt(strings=split_text(text)),)
        case "MX":
            return (Mx(preference=record.priority or 0, exchange=_name(text)),)
        case _:
            return (Target(name=_name(text)),)


def remove_name_escapes(name: str) -> str:
    r"""Return a name with its octets as they are, not as a zone file escapes them (`\032`, `\"`; RFC 1035 5.1)."""
    return _ESCAPE.sub(lambda hit: chr(int(hit[1]) % 256) if hit[1] else hit[2], name)


def _name(text: str) -> str:
    return text.strip().rstrip(".").lower()


# --- one mistake each, undone ---------------------------------------------------------------------------------------


def to_plain_text(text: str, _: PlannedRecord) -> Iterator[str]:
    """Undo HTML, percent-encoding and typography."""
    try:
        decoded = text.encode("latin-1").decode("utf-8")  # a TXT holds octets, not characters
    except UnicodeError:
        decoded = text
    try:
        bare = html.unescape(decoded).translate(_TYPOGRAPHY)
    except ValueError:  # a number of thousands of digits after &#
        return
    if "%" in bare:
        bare = urllib.parse.unquote(bare, errors="replace")
    if bare != text or "<" in text:
        yield bare
        untagged = re.sub(r"<[^<>]*>", "", bare)
        yield untagged
        yield from remove_quotes(untagged, _)
        yield from remove_spaces(untagged, _)


def remove_quotes(text: str, _: PlannedRecord) -> Iterator[str]:
    """Remove quotes: around the whole, around the strings that it was split into, around one part of it."""
    if re.search(r"[\"'`]", text):
        joined = re.sub(r'"\s*"', "", text.strip().strip("'`").strip())
        yield joined.replace('"', "").strip()
        yield text.replace("'", "").replace("`", "").strip()


def remove_escapes(text: str, record: PlannedRecord) -> Iterator[str]:
    """Remove backslashes, or read them as a zone file or a programming language does."""
    if "\\" in text:
        for bare in (text.replace("\\", ""), re.sub(r"\\[nrt]", " ", text), remove_name_escapes(text)):
            yield bare
            yield from remove_quotes(bare.replace("\\", ""), record)


def extract_value(text: str, record: PlannedRecord) -> Iterator[str]:
    """Extract the value from a line that also has the name, the type, a TTL, brackets or a comment."""
    if record.rdtype != "TXT":
        words = [word for word in re.split(r"[\s\"'<>()=,;:/]+", text) if word]
        yield from words if len(words) > 1 else ()
        return
    beginning = head(record)
    at = text.lower().find(beginning)
    before, value = text[:at], text[at:]
    if not beginning or at < 0 or not value:
        return
    if ";" in before or _ONLY_VERSION.fullmatch(before):  # tags before it are no line
        return
    opened = before.endswith('"')
    for each in ('"'[:opened] + value, value.partition(" ; --")[0], re.split(r'["\s]\)', value)[0].rstrip(" \t()")):
        if before.strip(" \t\r\n\"'") or each.strip() != value.strip():
            yield each.strip()
            yield "".join(re.findall(r'"([^"]*)"', each))
            yield from remove_quotes(each, record)


_ONLY_VERSION = re.compile(r"\s*(?:v=)+\s*", re.IGNORECASE)


def head(record: PlannedRecord) -> str:
    """Return the beginning that sets this kind of record apart from others: `v=dkim1`, the first label of a host."""
    return re.split(r"[;\s]" if record.rdtype == "TXT" else r"\.", record.value.strip(), maxsplit=1)[0].lower()


def remove_spaces(text: str, record: PlannedRecord) -> Iterator[str]:
    """Remove white space: around the value, doubled, around its signs, all; or put a key's `+` back."""
    single = " ".join(text.split())
    yield single
    yield re.sub(r" (?=[:=/;])|(?<=[:=/;]) ", "", single)
    yield re.sub(r"\s+", "", text)
    before, key, value = text.partition("p=")
    if record.id in ANY_KEYS:
        yield before + key + re.sub(r"[ \u00a0]", "+", value.strip())


REPAIRS: Final[dict[str, Repair]] = {
    "html-entities": to_plain_text,
    "quoted": remove_quotes,
    "escaped": remove_escapes,
    "pasted-line": extract_value,
    "whitespace": remove_spaces,
}
