"""A DMARC record parsed into tags, each with its place in the text (RFC 9989 4.7 and 4.8).

Any text can be parsed, in time linear to its length: what is wrong with it is noted in the result, never raised.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

MAX_TEXT: Final = 2048  # characters: no real record is near it, and what is longer is not read
POLICIES: Final = ("none", "quarantine", "reject")
POLICY_TAGS: Final = ("p", "sp", "np")
REMOVED: Final = ("pct", "rf", "ri")  # RFC 9989: of RFC 7489 and no longer there
KNOWN: Final = ("v", *POLICY_TAGS, "adkim", "aspf", "fo", "psd", "rua", "ruf", "t")
WORDS: Final = {"adkim": ("r", "s"), "aspf": ("r", "s"), "psd": ("y", "n", "u"), "t": ("y", "n")}
BLANK: Final = " \t"

# RFC 9989 4.8: `v` first, then ";" or the end; "DMARC1" in capitals. White space may stand around "=" alone.
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_NAME = re.compile(r"[A-Za-z]+")
_GLUED = re.compile(rf"[\s,:.|]({'|'.join((*KNOWN[1:], *REMOVED))})[ \t]*=", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\t]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(\S+)")
_SIZE = re.compile(r"!\d+[kmgt]?\Z", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)+[a-z0-9-]{2,63}", re.IGNORECASE)
_FAILURE_OPTIONS = re.compile(r"[01ds](?::[01ds])*", re.IGNORECASE)


class DmarcTag(msgspec.Struct, frozen=True, kw_only=True):
    """One `name=value`, from `start` to `end` of the text: the name in lower case, the value from `value_at`."""

    name: str
    value: str
    start: int
    end: int
    value_at: int


class DmarcProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the text from `start` to `end`; `harmless` where every receiver reads it all the same."""

    why: str
    start: int
    end: int
    harmless: bool = False


class ReportUri(msgspec.Struct, frozen=True, kw_only=True):
    """One address for reports; `host` must authorise them (RFC 9990 4), and is None where the address is not valid."""

    text: str
    host: str | None
    start: int
    end: int


class DmarcRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A text parsed as a tag list; `is_dmarc` where it begins as a DMARC record must (RFC 9989 4.7, `v`).

    Where it is `too_long` to be read, nothing is known of its tags: receivers may read it.
    """

    text: str
    is_dmarc: bool
    tags: tuple[DmarcTag, ...]
    unparsed: tuple[DmarcProblem, ...] = ()
    too_long: bool = False

    def tag(self, name: str) -> DmarcTag | None:
        """Return the first tag of a name."""
        for tag in self.tags:  # a loop: this is asked some hundred times in a check
            if tag.name == name:
                return tag
        return None

    def keyword(self, name: str, default: str = "") -> str:
        """Return the value of a tag in lower case, or the default."""
        found = self.tag(name)
        return found.value.lower() if found else default

    @property
    def duplicates(self) -> tuple[str, ...]:
        """Return the names of tags that are there more than once."""
        counts = Counter(tag.name for tag in self.tags)
        return tuple(name for name, count in counts.items() if count > 1)

    @property
    def is_valid(self) -> bool:
        """Return whether receivers take it for a DMARC record: a duplicate tag spoils the whole list (RFC 6376 3.2)."""
        return self.is_dmarc and not self.duplicates and not self.too_long

    @property
    def bad_policies(self) -> tuple[DmarcTag, ...]:
        """Return the policy tags whose value is no policy."""
        return tuple(tag for tag in self.tags if tag.name in POLICY_TAGS and tag.value.lower() not in POLICIES)

    @property
    def is_enforceable(self) -> bool:
        """Return whether receivers process it (RFC 9989 4.10.1): it has valid policies, or an address for reports."""
        has_policy = self.tag("p") is not None and not self.bad_policies
        return self.is_valid and (has_policy or any(uri.host for uri in reports(self, "rua")))

    def policy_of(self, *names: str) -> str:
        """Return the policy of the first of these tags that is there; "none" where any policy is invalid or missing."""
        if self.tag("p") is None or self.bad_policies:
            return "none"  # RFC 9989 4.10.1
        return next((self.keyword(name) for name in names if self.tag(name)), "none")


@lru_cache(maxsize=8)  # the rules of one check all ask for the same two or three
def parse_dmarc_record(text: str) -> DmarcRecord:
    """Parse a text as a tag list; one of more than `MAX_TEXT` characters is not read, since a stranger may write it."""
    if len(text) > MAX_TEXT:
        return DmarcRecord(text=text, is_dmarc=bool(_VERSION.match(text[:MAX_TEXT])), tags=(), too_long=True)
    tags, unparsed, at = [], [], 0
    for piece in text.split(";"):
        bare = piece.strip()
        start = at + len(piece) - len(piece.lstrip())
        at += len(piece) + 1
        name, equals, value = bare.partition("=")
        if equals and _NAME.fullmatch(name.rstrip(BLANK)):
            value_at = start + len(name) + 1 + len(value) - len(value.lstrip())
            name, value, end = name.rstrip(BLANK).lower(), value.strip(), start + len(bare)
            tags.append(DmarcTag(name=name, value=value, start=start, end=end, value_at=value_at))
        elif bare:
            why = "this is not a tag with = and a value"
            if bare.lower().startswith("mailto:"):
                why = "this address has no tag; a comma instead of the semicolon before it, or ruf= there, was meant"
            unparsed.append(DmarcProblem(why=why, start=start, end=start + len(bare)))
    return DmarcRecord(text=text, is_dmarc=bool(_VERSION.match(text)), tags=tuple(tags), unparsed=tuple(unparsed))


def problems(record: DmarcRecord) -> tuple[DmarcProblem, ...]:
    """Return what receivers ignore or take the default for (RFC 9989 4.8), in the order of the text.

    Invalid policies and report addresses are not among them: see `bad_policies` and `reports`.
    """
    in_values = [problem for tag in record.tags if (problem := _value_problem(tag)) is not None]
    return tuple(sorted([*record.unparsed, *in_values, *_empty_tags(record)], key=lambda each: each.start))


def _empty_tags(record: DmarcRecord) -> Iterator[DmarcProblem]:
    """Yield each semicolon after another with nothing between them (RFC 9989 4.8 has a tag there)."""
    at = 0
    pieces = record.text.split(";")
    for piece in pieces[:-1]:
        if at and not piece.strip():
            end = at + len(piece) + 1
            yield DmarcProblem(why="there is one semicolon too many", start=end - 1, end=end, harmless=True)
        at += len(piece) + 1


def _value_problem(tag: DmarcTag) -> DmarcProblem | None:
    end = tag.value_at + len(tag.value)
    glued, odd = _GLUED.search(tag.value), _UNPRINTABLE.search(tag.value)
    if glued:
        at = tag.value_at + glued.start()
        return DmarcProblem(why=f"there is no ; before “{glued[1]}=”", start=at, end=end)
    if odd:
        at = tag.value_at + odd.start()
        return DmarcProblem(why="this character is not allowed", start=at, end=at + 1)
    allowed = WORDS.get(tag.name)
    if allowed and tag.value.lower() not in allowed:
        return DmarcProblem(why=f"{tag.name} is one of {', '.join(allowed)}", start=tag.value_at, end=end)
    if tag.name == "fo" and not is_failure_options(tag.value):
        why = "fo is made of 0 or 1, d and s, with : between them; 0 and 1 exclude each other"
        return DmarcProblem(why=why, start=tag.value_at, end=end)
    return None


def is_failure_options(value: str) -> bool:
    """Tell whether a value of `fo` can be read, and means something (RFC 9989 4.7)."""
    options = value.replace(" ", "")
    return bool(_FAILURE_OPTIONS.fullmatch(options)) and not {"0", "1"} <= set(options)


def reports(record: DmarcRecord, name: str) -> tuple[ReportUri, ...]:
    """Return the addresses in `rua` or `ruf` (RFC 9989 4.6)."""
    tag = record.tag(name)
    return _report_uris(tag.value, tag.value_at) if tag is not None else ()


@lru_cache(maxsize=8)  # each rule about the reports asks for them again
def _report_uris(value: str, at: int) -> tuple[ReportUri, ...]:
    uris = []
    for piece in value.split(","):
        start = at + len(piece) - len(piece.lstrip())
        at += len(piece) + 1
        bare = piece.strip()
        uris.append(ReportUri(text=bare, host=report_host(bare), start=start, end=start + len(bare)))
    return tuple(uris)


def report_host(uri: str) -> str | None:
    """Return the host of a report address; the size after `!` is obsolete and ignored (RFC 9989 4.8)."""
    hit = _SCHEME.fullmatch(_SIZE.sub("", uri))
    if hit is None:
        return None
    if hit[1].lower() == "mailto":
        user, at, host = hit[2].partition("?")[0].rpartition("@")
        good = bool(at) and bool(user) and "@" not in user and not user.startswith("//")
    else:
        host, good = re.split(r"[/?#:]", hit[2].removeprefix("//"), maxsplit=1)[0], hit[2].startswith("//")
    return host.lower() if good and _HOST.fullmatch(host) else None
