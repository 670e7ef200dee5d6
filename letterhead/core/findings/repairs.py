"""Knows how hands and panels spoil a value on its way into DNS, and undoes it; knows not where the value stands.

Each mend gives texts that the value may have been meant as, none of which need be right; all take linear time.
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


def is_repaired_by(record: PlannedRecord, rdata: Rdata, accepts: Accepts, mend: Repair) -> bool:
    """Says whether the RDATA is not the right one, but is when mended in this one way."""
    text = value_text(rdata)
    if text is None or accepts(record, (rdata,)):
        return False
    tries = (each for each in mend(text, record) if each != text)
    return any(accepts(record, as_rdata(record, name)) for each in tries for name in _relative(each, record))


def value_text(rdata: Rdata) -> str | None:
    """Gives what somebody typed as the value; nothing for a type that we never plan."""
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
    """Reads a text as RDATA of the planned record's type."""
    match record.rdtype:
        case "TXT":
            return (Txt(strings=split_text(text)),)
        case "MX":
            return (Mx(preference=record.priority or 0, exchange=_name(text)),)
        case _:
            return (Target(name=_name(text)),)


def remove_name_escapes(name: str) -> str:
    r"""Writes a name with its octets as they are, not as a zone file escapes them (`\032`, `\"`; RFC 1035 5.1)."""
    return _ESCAPE.sub(lambda hit: chr(int(hit[1]) % 256) if hit[1] else hit[2], name)


def _name(text: str) -> str:
    return text.strip().rstrip(".").lower()


def _relative(text: str, record: PlannedRecord) -> Iterator[str]:
    """Gives a text, and a name also without the zone that the panel has appended to it."""
    yield text
    above = record.host
    while record.rdtype != "TXT" and "." in above:
        if text.endswith(f".{above}"):
            yield text.removesuffix(f".{above}")
        above = above.partition(".")[2]


# --- one mistake each, undone ---------------------------------------------------------------------------------------


def to_plain_text(text: str, _: PlannedRecord) -> Iterator[str]:
    """Undoes HTML, addresses of the web and typography."""
    try:
        bare = html.unescape(_decoded(text)).translate(_TYPOGRAPHY)
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


def _decoded(text: str) -> str:
    """Reads as UTF-8 what arrives octet by octet: a TXT holds octets, not characters."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def remove_quotes(text: str, _: PlannedRecord) -> Iterator[str]:
    """Takes quotes away: around the whole, around the strings that it was split into, around one part of it."""
    if re.search(r"[\"'`]", text):
        joined = re.sub(r'"\s*"', "", text.strip().strip("'`").strip())
        yield joined.replace('"', "").strip()
        yield text.replace("'", "").replace("`", "").strip()


def remove_escapes(text: str, record: PlannedRecord) -> Iterator[str]:
    """Takes backslashes away, or reads them as a zone file or a programming language does."""
    if "\\" in text:
        for bare in (text.replace("\\", ""), re.sub(r"\\[nrt]", " ", text), remove_name_escapes(text)):
            yield bare
            yield from remove_quotes(bare.replace("\\", ""), record)


def after_line(text: str, record: PlannedRecord) -> Iterator[str]:
    """Takes the value alone out of a line that also holds the name, the type, a TTL, brackets or a comment."""
    if record.rdtype != "TXT":
        words = [word for word in re.split(r"[\s\"'<>()=,;:/]+", text) if word]
        yield from words if len(words) > 1 else ()
        return
    before, beginning, rest = _cut_before(text, head(record))
    if not beginning or ";" in before or _ONLY_VERSION.fullmatch(before):  # tags before it are no line
        return
    value = beginning + rest
    opened = before.endswith('"')
    for each in ('"'[:opened] + value, value.partition(" ; --")[0], re.split(r'["\s]\)', value)[0].rstrip(" \t()")):
        if before.strip(" \t\r\n\"'") or each.strip() != value.strip():
            yield each.strip()
            yield "".join(re.findall(r'"([^"]*)"', each))
            yield from remove_quotes(each, record)


_ONLY_VERSION = re.compile(r"\s*(?:v=)+\s*", re.IGNORECASE)


def _cut_before(text: str, word: str) -> tuple[str, str, str]:
    """Cuts a text where a word stands in it first, whatever the case of its letters."""
    at = text.lower().find(word)
    return (text[:at], text[at : at + len(word)], text[at + len(word) :]) if at >= 0 else (text, "", "")


def head(record: PlannedRecord) -> str:
    """Gives the beginning that tells this kind of record from others: `v=dkim1`, the first label of a host."""
    return re.split(r"[;\s]" if record.rdtype == "TXT" else r"\.", record.value.strip(), maxsplit=1)[0].lower()


def remove_spaces(text: str, record: PlannedRecord) -> Iterator[str]:
    """Takes white space away: around the value, doubled, around its signs, all; or puts a key's `+` back."""
    single = " ".join(text.split())
    yield single
    yield re.sub(r" ?([:=/;]) ?", r"\1", single)
    yield re.sub(r"\s+", "", text)
    before, key, value = text.partition("p=")
    if record.id in ANY_KEYS:
        yield before + key + re.sub(r"[ \u00a0]", "+", value.strip())


MENDS: Final[dict[str, Repair]] = {
    "html-entities": to_plain_text,
    "quoted": remove_quotes,
    "escaped": remove_escapes,
    "pasted-line": after_line,
    "whitespace": remove_spaces,
}
