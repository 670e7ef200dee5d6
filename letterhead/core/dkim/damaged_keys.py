"""Rules that recognise the planned key in a damaged value: cut, repeated, in another order, in other capitals."""

import itertools
import re
from collections.abc import Iterator
from functools import lru_cache

from letterhead.core.dkim.key_record import (
    MAX_TEXT,
    is_cut,
    is_legal,
    is_usable,
    key_octets,
    parse_key_record,
    without_whitespace,
)
from letterhead.core.dns.records import STRING_LIMIT, Txt, quote, split_text
from letterhead.core.findings.candidate_names import rdatas_of
from letterhead.core.findings.diagnosis import Match, RuleInput
from letterhead.core.plan.plan import PlannedRecord, RecordResult, Verdict

MAX_PIECES = 4  # strings of one record that are tried in every order
LEAST_SHARED = 8  # characters of a key that two others hardly share at their beginning, beyond what all keys share
MAX_STARTS = 8  # beginnings of a value within a value that are tried
# A tag that begins in the middle of another one.
_BEGINS_AGAIN = re.compile(r"(?<=[^;])(?:v=DKIM1|k=rsa|p=)")


def is_planned_key(text: str, record: PlannedRecord) -> bool:
    """Return whether a text is the planned key record, or where no key is known a legal one."""
    return len(text) <= MAX_TEXT and is_key_of(text, record.value, record.exact)


@lru_cache(maxsize=64)  # the rules of one check ask again and again for the same text and for what it may have been
def is_key_of(text: str, planned: str, exact: bool) -> bool:
    """Return whether a text has the key of a planned value, or where that is not `exact` any legal one."""
    theirs, ours = parse_key_record(text), parse_key_record(planned)
    if theirs is None or ours is None:
        return False
    if not exact:  # nobody has planned a key here: what is legal is right
        return is_legal(theirs)
    if not is_usable(theirs, ours.get("k", "rsa")):
        return False
    octets = key_octets(theirs)
    return octets is not None and octets == key_octets(ours)


def planned_base64(record: PlannedRecord) -> str:
    """Return the planned key in base64; nothing where it is not known."""
    ours = parse_key_record(record.value)
    return without_whitespace(ours.get("p")) if ours else ""


def compact(text: str) -> str:
    """Remove what does not count: white space, quotes, a final `;`."""
    return without_whitespace(text).replace('"', "").rstrip(";")


def chunks_misordered(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match one record whose strings make the planned value in another order, or each once."""
    rdatas, record = rdatas_of(rule_input, result.record), result.record
    if result.verdict is not Verdict.WRONG or len(rdatas) != 1 or not isinstance(rdatas[0], Txt):
        return None
    strings = rdatas[0].strings
    reordered = any(is_planned_key(text, record) for text in arrangements(list(dict.fromkeys(strings)), record))
    # Also the end first, wherever the form has split the text since.
    bare, whole = compact(rdatas[0].text), compact(record.value)
    rotated = len(bare) == len(whole) and bare != whole and bare in whole + whole
    return Match(observed=tuple(quote(string) for string in strings)) if reordered or rotated else None


def arrangements(pieces: list[str], record: PlannedRecord) -> Iterator[str]:
    """Join pieces in every order, many of them in reverse alone; yield nothing for far more text than planned."""
    if sum(map(len, pieces)) <= 2 * len(record.value) + STRING_LIMIT:
        orders = itertools.permutations(pieces) if len(pieces) <= MAX_PIECES else iter([tuple(reversed(pieces))])
        yield from ("".join(order) for order in orders)


def prefix_repeated(text: str, record: PlannedRecord) -> Match | None:
    """Match a value that begins twice: `p=p=…`, or all of it after the `p=` that the form has put there."""
    bare = compact(text)
    hits = itertools.islice(_BEGINS_AGAIN.finditer(bare), MAX_STARTS)
    again = [hit.start() for hit in hits if bare[hit.start() - 1] == "=" or bare.count(hit[0]) > 1]
    tries = [re.sub(r"([a-z])=(?:\1=)+", r"\1=", bare), *(bare[at:] for at in again)]
    return Match() if any(each != bare and is_planned_key(each, record) for each in tries) else None


def truncated(text: str, record: PlannedRecord) -> Match | None:
    """Match a part of the planned key: its beginning, its end, or both without the middle."""
    theirs, ours = parse_key_record(text.rstrip('"')), planned_base64(record)
    key = without_whitespace(theirs.get("p")) if theirs else ""
    if not record.exact:
        each = ", each of at most 255 characters"
        return Match(places={"whose": "a key", "cut": _cut_text(len(text), 0), "pieces": each}) if is_cut(key) else None
    cut = _missing_part(text, key, ours, record)
    pieces = f": {' '.join(quote(piece) for piece in split_text(record.value))}"
    return Match(places={"whose": "your key", "cut": cut, "pieces": pieces}) if cut else None


def _missing_part(text: str, key: str, ours: str, record: PlannedRecord) -> str | None:
    """Return the clause that says which part of the planned key is missing; None where what is there is no part."""
    whole = len(record.value)
    if 4 <= len(key) < len(ours.rstrip("=")) and ours.startswith(key):
        return _cut_text(len(text), whole)
    end = compact(text)
    if len(end) >= 16 and ours.endswith(end) and end != ours:
        return f"its first {whole - len(end)} of {whole} characters are missing"
    missing, before, after = len(ours) - len(key), _shared_length(key, ours), _shared_length(key[::-1], ours[::-1])
    if missing < 1 or before < LEAST_SHARED or before + after < len(key):
        return None
    number = "1 character is" if missing == 1 else f"{missing} characters are"
    place = text.find(key) + before if key in text else 0
    split = f", where the value was split after {place} characters" if abs(place - STRING_LIMIT) <= 1 else ""
    return f"{number} missing after the first {before} of the key{split}"


def _shared_length(one: str, other: str) -> int:
    """Return the length of the beginning that two texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (here, there) in pairs if here != there), min(len(one), len(other)))


def _cut_text(size: int, whole: int) -> str:
    text = f"it ends after {size} {f'of about {whole} ' if whole else ''}characters"
    if STRING_LIMIT - 5 <= size <= STRING_LIMIT + 1:
        return f"{text}: the panel cuts at {STRING_LIMIT}, the most that one string of a TXT record holds"
    return text


def case_changed(text: str, record: PlannedRecord) -> Match | None:
    """Match the planned key in other capitals, or under a tag name in capitals."""
    bare, ours = compact(text), planned_base64(record)
    lower = parse_key_record(bare.lower())
    if not ours or lower is None or without_whitespace(lower.get("p")) != ours.lower():
        return None
    theirs = parse_key_record(bare)
    capital_names = theirs is not None and any(name != name.lower() for name in theirs.names)
    return Match() if ours not in bare or capital_names else None
