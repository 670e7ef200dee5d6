"""Knows how far receivers follow an SPF record, and what that costs (RFC 7208 4.6.4), judged from what was seen.

Says which questions are still open, and asks none. Every term is counted as for a sender that nothing matches before
`all`: the dearest case, which each record must stand. Macros depend on the mail: such a term is counted, not followed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import NoRecords, SeenRecords, resolver_question, seen_records, txt_question
from letterhead.core.names.host_names import ASKABLE
from letterhead.core.spf.record import LOOKUPS, SpfRecord, Term, parse, spf_texts

MAX_LOOKUPS: Final = 10  # RFC 7208 4.6.4
MAX_VOIDS: Final = 2  # RFC 7208 4.6.4
MAX_EXCHANGES: Final = 10  # RFC 7208 4.6.4: more MX than that are a permanent error
MAX_NAMES: Final = 16  # our own: a tree past this is too large however it goes on
MAX_LINES: Final = 40
MAX_SHOWN: Final = 80
ADDRESSED: Final = ("a", "mx", "exists")


class SpfErrorKind(StrEnum):
    """Says what makes receivers give up on a tree; each is a permanent error."""

    INCLUDE_LOOP = "include-loop"
    REDIRECT_LOOP = "redirect-loop"
    NO_RECORD = "no-record"  # RFC 7208 5.2 and 6.1: the target has no SPF record
    SEVERAL_RECORDS = "several-records"  # RFC 7208 4.5
    FAULTY_RECORD = "faulty-record"  # RFC 7208 4.6
    MANY_EXCHANGES = "many-exchanges"


class SpfError(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one break: `path` are the domains walked to it, the last is where it is; `term` is what led there."""

    kind: SpfErrorKind
    path: tuple[str, ...]
    term: Term
    why: str = ""


class LookupTerm(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one term that costs lookups, with what its target costs in turn; `name` is what it looks up."""

    term: Term
    name: str
    cost: int
    branches: tuple["LookupTerm", ...] = ()


class LookupTree(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a record costs and where it breaks; `wanted` is still to be asked, until then all is "at least"."""

    record: SpfRecord
    branches: tuple[LookupTerm, ...]
    voids: tuple[str, ...]
    troubles: tuple[SpfError, ...]
    wanted: tuple[Question, ...]
    complete: bool

    @property
    def lookups(self) -> int:
        """Counts the lookups of the whole tree."""
        return sum(branch.cost for branch in self.branches)

    @property
    def lines(self) -> tuple[str, ...]:
        """Writes the tree, one term that costs a line, with the lookups of its branch."""
        lines = list(_lines(self.branches, "", MAX_LINES + 1))
        return (*lines[:MAX_LINES], *(["…"] if len(lines) > MAX_LINES else []))

    @property
    def permanent_error(self) -> bool:
        """Says whether receivers give up somewhere on this record, as far as seen."""
        broken = self.record.permanent_error is not None or bool(self.troubles)
        return broken or self.lookups > MAX_LOOKUPS or len(self.voids) > MAX_VOIDS


def count_lookups(domain: str, record: SpfRecord, seen: Seen) -> LookupTree:
    """Walks the tree below a domain's record, as far as it was seen."""
    walker = _Walker(seen)
    branches = walker.branches_of(record, (domain,))
    counted = not walker.wanted and sum(branch.cost for branch in branches) <= MAX_LOOKUPS
    voids = _voids(branches, seen) if counted else _Voids()
    return LookupTree(
        record=record,
        branches=branches,
        voids=tuple(voids.found),
        troubles=tuple(dict.fromkeys([*walker.troubles, *voids.troubles])),
        wanted=tuple(dict.fromkeys([*walker.wanted, *voids.wanted])),
        complete=not (walker.wanted or walker.unknown or voids.wanted),
    )


def _lines(branches: Sequence[LookupTerm], indent: str, room: int) -> Iterator[str]:
    """Writes at most `room` lines: a tree that names itself again and again has no end."""
    for branch in branches:
        if room <= 0:
            return
        yield f"{indent}{display_term(branch.term)} {branch.cost}"
        room -= 1
        for line in _lines(branch.branches, indent + "  ", room):
            yield line
            room -= 1


def display_term(term: Term) -> str:
    """Writes a term for a person, cut where it is very long."""
    return term.text if len(term.text) <= MAX_SHOWN else term.text[: MAX_SHOWN - 1] + "…"


# --- what was seen of a name -----------------------------------------------------------------------------------


# --- the walk --------------------------------------------------------------------------------------------------


class _Walker:
    """Walks each domain's record once, however often the tree names it: its costs are remembered."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._known: dict[str, tuple[LookupTerm, ...]] = {}
        self._names: set[str] = set()
        self.wanted: list[Question] = []
        self.troubles: list[SpfError] = []
        self.unknown = False

    def branches_of(self, record: SpfRecord, path: tuple[str, ...]) -> tuple[LookupTerm, ...]:
        """Counts the terms of one record; `path` ends in its domain."""
        if record.permanent_error is not None:  # RFC 7208 4.6: nothing of it is evaluated
            return ()
        return tuple(self._branch(term, path) for term in record.evaluated_terms if term.name in LOOKUPS)

    def _branch(self, term: Term, path: tuple[str, ...]) -> LookupTerm:
        below: tuple[LookupTerm, ...] = ()
        if term.name in ("include", "redirect") and not term.has_macros:
            below = self._target(term, (*path, term.domain or ""))
        cost = 1 + sum(each.cost for each in below)
        return LookupTerm(term=term, name=term.domain or path[-1], cost=cost, branches=below)

    def _target(self, term: Term, path: tuple[str, ...]) -> tuple[LookupTerm, ...]:
        """Follows include and redirect to the record of the path's last domain."""
        target = path[-1]
        if target in path[:-1]:
            self._break(SpfErrorKind.INCLUDE_LOOP if term.name == "include" else SpfErrorKind.REDIRECT_LOOP, term, path)
            return ()
        if target not in self._known:
            record = self._record(term, path)
            self._known[target] = self.branches_of(record, path) if record else ()
        return self._known[target]

    def _record(self, term: Term, path: tuple[str, ...]) -> SpfRecord | None:
        there = self._txt(path[-1])
        if there is NoRecords.UNKNOWN:
            return None
        records = spf_texts(there) if isinstance(there, tuple) else []
        if len(records) != 1:
            self._break(SpfErrorKind.SEVERAL_RECORDS if records else SpfErrorKind.NO_RECORD, term, path)
            return None
        record = parse(records[0])
        mark = record.permanent_error
        if mark is not None:
            offending = record.text[slice(*mark.span)][:MAX_SHOWN]
            self._break(SpfErrorKind.FAULTY_RECORD, term, path, f"“{offending}” {mark.why}")
        return record

    def _break(self, kind: SpfErrorKind, term: Term, path: tuple[str, ...], why: str = "") -> None:
        self.troubles.append(SpfError(kind=kind, path=path, term=term, why=why))

    def _txt(self, name: str) -> SeenRecords:
        """Gives what was seen, or notes the question as open; what may not be asked stays unknown."""
        if not ASKABLE.fullmatch(name):
            malformed = re.fullmatch(r"[a-z0-9._-]*", name)
            return NoRecords.VOID if malformed else self._give_up()  # RFC 7208 4.3: malformed gives "none"
        self._names.add(name)
        if txt_question(name) not in self._seen:
            if len(self._names) > MAX_NAMES:
                return self._give_up()
            self.wanted.append(txt_question(name))
            return NoRecords.UNKNOWN
        there = seen_records(self._seen, txt_question(name))
        return self._give_up() if there is NoRecords.UNKNOWN else there

    def _give_up(self) -> NoRecords:
        self.unknown = True
        return NoRecords.UNKNOWN


def flatten(branches: Iterable[LookupTerm]) -> Iterator[LookupTerm]:
    """Gives the branches of a tree from above; as good as endless where it names itself often."""
    for branch in branches:
        yield branch
        yield from flatten(branch.branches)


class _Voids(msgspec.Struct):
    """Gathers what the names behind a, mx and exists hold."""

    found: list[str] = []
    wanted: list[Question] = []
    troubles: list[SpfError] = []


def _voids(branches: Iterable[LookupTerm], seen: Seen) -> _Voids:
    """Looks behind the terms whose lookups may be void, where so many may be that it matters, and behind each mx.

    What ptr and macros ask for depends on the mail. A void include is a permanent error anyway.
    """
    told = _Voids()
    at_risk = [each for each in flatten(branches) if each.term.name in ADDRESSED and not each.term.has_macros]
    if len(at_risk) <= MAX_VOIDS:
        at_risk = [each for each in at_risk if each.term.name == "mx"]
    for branch in at_risk:
        there = _behind(branch, seen, told.wanted)
        if there is NoRecords.VOID:
            told.found.append(display_term(branch.term))
        if branch.term.name == "mx" and isinstance(there, tuple) and len(there) > MAX_EXCHANGES:
            many = SpfError(
                kind=SpfErrorKind.MANY_EXCHANGES, path=(branch.name,), term=branch.term, why=str(len(there))
            )
            told.troubles.append(many)
    return told


def _behind(branch: LookupTerm, seen: Seen, wanted: list[Question]) -> SeenRecords:
    """Sees what a term finds: RFC 7208 4.6.4 counts the term, so one address of either family is enough."""
    # RFC 7208 5.7: exists asks for A, whatever the sender's family
    rdtypes = {"mx": ("MX",), "exists": ("A",)}.get(branch.term.name, ("A", "AAAA"))
    there: SeenRecords = NoRecords.UNKNOWN
    for rdtype in rdtypes if ASKABLE.fullmatch(branch.name) else ():
        asked = resolver_question(branch.name, rdtype)
        if asked not in seen:
            wanted.append(asked)
            return NoRecords.UNKNOWN
        there = seen_records(seen, asked)
        if there is not NoRecords.VOID:
            break
    return there
