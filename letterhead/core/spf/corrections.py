"""An observed SPF record with one thing mended and everything else as it stands, so that no sender in it is lost.

What can't be mended without a guess has no corrected value.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from letterhead.core.spf.record import ADDRESS_LIKE, MAX_TEXT, SLIPS, MarkedPart, SpfRecord, Term, parse_spf_record

MOST: Final = 8  # faults of one record that are corrected

_ENDING: Final = re.compile(r"[-+?~]?all|redirect=.*", re.IGNORECASE)
_GLUED_ALL: Final = re.compile(r"([^ ]+?[^ +?~-])([-+?~]all)", re.IGNORECASE)
_GLUED: Final = re.compile(r"(?<=[^-+?~])[-+?~]?(?:include|exists|redirect|ip4|ip6|mx|a)[:=]", re.IGNORECASE)
_PARTS: Final = re.compile(r"([-+?~]?)([a-z0-9]+)([:=/]?)(.*)", re.IGNORECASE | re.DOTALL)
_LEADING_ZEROS: Final = re.compile(r"/0+(?=[0-9])")
_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
_FOREIGN: Final = re.compile(r"[^\x21-\x7e]+|[,;\"'`]+")
_VERSION: Final = re.compile(
    r"[^a-z0-9]{0,3}(?:v[^a-z0-9]{0,3})?(?:spf|sfp|psf)[^a-z0-9]?[0-9.]{0,4}(?![a-z0-9])", re.IGNORECASE
)


def correct_spelling(text: str) -> str | None:
    """Return a record without its mistakes in spelling; None where a permanent error stays."""
    for _ in range(MOST if len(text) <= MAX_TEXT else 0):
        record = parse_spf_record(text)
        mark = record.permanent_error or next(iter(record.marks), None)
        corrected = _correct_part(text, mark) if mark else None
        if corrected is None:
            return None if record.permanent_error else text
        text = corrected
    return None


def correct_version(text: str) -> str | None:
    """Return a text that was meant as a record with `v=spf1` at its beginning; None where that leaves no record."""
    if len(text) > MAX_TEXT:
        return None
    at = text.lower().find("v=spf1")
    first = _VERSION.match(text) if at < 0 else None
    if at < 0 and first is None:
        return None
    rest = text[at + len("v=spf1") :] if first is None else text[first.end() :]
    terms = rest.lstrip("0123456789.").strip(" ;,:\"'")  # v=spf10
    return correct_spelling(f"v=spf1 {terms}") if terms else None


def add_terms(record: SpfRecord, terms: Sequence[Term]) -> str:
    """Return a record without a permanent error, with these terms before what ends its evaluation."""
    ending = next((term for term in record.evaluated_terms if term.matches_all), None)
    if ending is None and record.all is None:
        ending = record.redirect  # RFC 7208 6.1: what passes must come before it
    # Elsewhere in the record a term has no effect, or with another qualifier the wrong one.
    added = {term.canonical for term in terms}
    kept = [term for term in record.terms if term is ending or term.canonical.lstrip("-~?") not in added]
    at = kept.index(ending) if ending is not None else len(kept)
    return " ".join([record.text[:6], *(term.text for term in (*kept[:at], *terms, *kept[at:]))])


def remove_terms(record: SpfRecord, terms: Iterable[Term]) -> str:
    """Return a record without a permanent error, without these of its terms."""
    removed = {term.span for term in terms}
    return " ".join([record.text[:6], *(term.text for term in record.terms if term.span not in removed)])


def move_before_all(record: SpfRecord) -> str:
    """Return a record with what stands after `all` before it."""
    after = record.terms_after_all
    return add_terms(parse_spf_record(remove_terms(record, after)), after)


def merge_records(records: Sequence[str]) -> str:
    """Merge several records into one: each term once, in order, and the mildest of their endings."""
    words = [word for text in records for word in text.split(" ")[1:] if word]
    endings = list(dict.fromkeys(word for word in words if _ENDING.fullmatch(word)))
    if len(endings) > 1:  # RFC 7208 6.1: beside `all` a redirect has no effect; an include passes the same clients
        words = [f"include:{word[9:]}" if word[:9].lower() == "redirect=" else word for word in words]
        endings = [word for word in endings if word[:9].lower() != "redirect="]
    mildest = min(endings, key=lambda ending: "?~-+".find(ending[0]) % 4, default="~all")
    return " ".join(["v=spf1", *dict.fromkeys(word for word in words if word not in endings), mildest])


# --- one part --------------------------------------------------------------------------------------------------


def _correct_part(text: str, mark: MarkedPart) -> str | None:
    """Return the text with the word of a mark corrected: the first way that leaves nothing wrong in this place."""
    start = text.rfind(" ", 0, mark.span[0]) + 1
    end = text.find(" ", mark.span[0])
    end = len(text) if end < 0 else end
    word = text[start:end]
    if word.endswith((":", "=")) or word in ("-", "+", "?", "~"):  # a space came between the word and what it needs
        following = text[end:].lstrip(" ").partition(" ")
        joined = [(word + following[0], len(text) - len(following[2]) - len(following[1]))] if following[0] else []
    else:
        joined = [(each, end) for each in _spellings(word)]
    for corrected, until in joined:
        if not parse_spf_record(f"v=spf1 {corrected}").marks:
            return " ".join(each for each in (text[:start].rstrip(" "), corrected, text[until:].lstrip(" ")) if each)
    return None


def _spellings(word: str) -> Iterator[str]:
    """Yield what a word may have been meant as."""
    plain = word.encode("latin-1", "replace").decode("utf-8", "replace").translate(_DASHES)
    variants = (plain, *(_FOREIGN.sub(other, plain).strip(" ") for other in (" ", "")), plain.rstrip(".;,:"))
    for each in dict.fromkeys(variant for variant in variants if variant):
        yield each
        glued = _GLUED_ALL.fullmatch(each)
        if glued is not None:
            yield f"{glued[1]} {glued[2]}"
            yield from (f"{spelling} {glued[2]}" for spelling in _mechanisms(glued[1]))
        inner = _GLUED.search(each, 1)
        if inner is not None:
            yield f"{each[: inner.start()]} {each[inner.start() :]}"
        parts = each.split(" ")
        if len(parts) <= MOST:
            yield " ".join(next(_mechanisms(part), part) for part in parts)


def _mechanisms(word: str) -> Iterator[str]:
    """Yield a word with the mechanism that its value needs."""
    if ADDRESS_LIKE.fullmatch(word):
        yield f"ip{6 if ':' in word else 4}:{word}"
    hit = _PARTS.fullmatch(word)
    if hit is None:
        return
    qualifier, name, separator, value = hit[1], hit[2].lower(), hit[3], hit[4]
    if ADDRESS_LIKE.fullmatch(value) and separator in ("", ":", "="):
        yield f"{qualifier}ip{6 if ':' in value else 4}:{_LEADING_ZEROS.sub('/', value)}"
    elif name in ("ip4", "ip6") and "." in value:
        yield f"{qualifier}a:{value}"
    meant = next((mechanism for mechanism, slips in SLIPS.items() if name in slips), None)
    if meant == "all" and name in ("al", "alll"):  # "fail" and the like may mean any ending
        yield f"{qualifier}all"
    elif meant is not None and meant != "all" and value:
        yield f"{qualifier}{meant}{value}"
    if separator == "=" and name not in ("redirect", "exp"):
        yield f"{qualifier}{name}:{value}"
