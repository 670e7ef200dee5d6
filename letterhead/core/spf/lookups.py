"""The tree of includes and redirects below an SPF record, and the lookups that it costs (RFC 7208 4.6.4).

It is built from what was seen, with the questions that are still open. Every term is counted as for a client that
nothing matches before `all`: the dearest case, which each record must allow. Macros of the domain are expanded; a term
with another macro depends on the message and is counted, not followed.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import NoRecords, SeenRecords, resolver_question, seen_records, txt_question
from letterhead.core.names.host_names import UNUSED_LABEL, question_name
from letterhead.core.spf.macros import expand_for_domain, expand_tail
from letterhead.core.spf.record import LOOKUPS, SpfRecord, SyntaxProblem, Term, parse_spf_record, spf_texts

MAX_LOOKUPS: Final = 10  # RFC 7208 4.6.4
MAX_VOIDS: Final = 2  # RFC 7208 4.6.4
MAX_EXCHANGES: Final = 10  # RFC 7208 4.6.4: more MX than that are a permanent error
MAX_NAMES: Final = 16  # our own: a tree past this is too large however it goes on
MAX_BRANCHES: Final = 128  # our own: of one record
MAX_LINES: Final = 40
MAX_SHOWN: Final = 80
ADDRESSED: Final = ("a", "mx", "exists")


class SpfErrorKind(StrEnum):
    """The errors in a tree that end its evaluation; each is a permanent error."""

    INCLUDE_LOOP = "include-loop"
    REDIRECT_LOOP = "redirect-loop"
    NO_RECORD = "no-record"  # RFC 7208 5.2 and 6.1: the target has no SPF record
    SEVERAL_RECORDS = "several-records"  # RFC 7208 4.5
    FAULTY_RECORD = "faulty-record"  # RFC 7208 4.6
    MANY_EXCHANGES = "many-exchanges"


class SpfError(msgspec.Struct, frozen=True, kw_only=True):
    """One error: `path` are the domains that lead to it, the last is where it is; `term` is what leads there."""

    kind: SpfErrorKind
    path: tuple[str, ...]
    term: Term
    why: str = ""


class LookupTerm(msgspec.Struct, frozen=True, kw_only=True):
    """One term that costs lookups, with the terms of its target.

    `name` is what it looks up: None where that depends on the message.
    """

    term: Term
    name: str | None
    cost: int
    branches: tuple["LookupTerm", ...] = ()


class LookupTree(msgspec.Struct, frozen=True, kw_only=True):
    """What a record costs and its errors; while questions are `wanted`, all counts are lower bounds."""

    record: SpfRecord
    branches: tuple[LookupTerm, ...]
    voids: tuple[str, ...]
    errors: tuple[SpfError, ...]
    wanted: tuple[Question, ...]
    complete: bool

    @property
    def lookups(self) -> int:
        """Return the number of lookups of the whole tree."""
        return sum(branch.cost for branch in self.branches)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the tree as text, one line for a term that costs lookups, with the number of them."""
        lines = list(_lines(self.branches, "", MAX_LINES + 1))
        return (*lines[:MAX_LINES], *(["…"] if len(lines) > MAX_LINES else []))

    @property
    def permanent_error(self) -> bool:
        """Return whether the record is a permanent error somewhere, as far as was seen."""
        faulty = self.record.permanent_error is not None or bool(self.errors)
        return faulty or self.lookups > MAX_LOOKUPS or len(self.voids) > MAX_VOIDS


def count_lookups(domain: str, record: SpfRecord, seen: Seen) -> LookupTree:
    """Build the tree below a domain's record, as far as it was seen."""
    walker = _TreeWalker(seen)
    branches = walker.branches_of(record, (domain,))
    counted = not walker.wanted and sum(branch.cost for branch in branches) <= MAX_LOOKUPS
    voids = _count_voids(branches, seen) if counted else _Voids()
    return LookupTree(
        record=record,
        branches=branches,
        voids=tuple(voids.found),
        errors=tuple(dict.fromkeys([*walker.errors, *voids.errors])),
        wanted=tuple(dict.fromkeys([*walker.wanted, *voids.wanted])),
        complete=not (walker.wanted or walker.unknown or voids.wanted),
    )


def _lines(branches: Sequence[LookupTerm], indent: str, room: int) -> Iterator[str]:
    """Yield at most `room` lines: a tree that names itself again and again has no end."""
    for branch in branches:
        if room <= 0:
            return
        yield f"{indent}{display_term(branch.term)} {branch.cost}"
        room -= 1
        for line in _lines(branch.branches, indent + "  ", room):
            yield line
            room -= 1


def display_term(term: Term) -> str:
    """Return a term as text, cut where it is very long."""
    return term.text if len(term.text) <= MAX_SHOWN else term.text[: MAX_SHOWN - 1] + "…"


# --- includes and redirects ------------------------------------------------------------------------------------


def looked_up_name(term: Term, path: Sequence[str]) -> str | None:
    """Return the name that a term looks up, in the record of the path's last domain; None where the message decides.

    RFC 7208 7.2: `%{d}` is the domain of the record, `%{o}` that of the sender, with whose record the path begins.
    """
    if not term.has_macros:
        return term.domain or path[-1]
    return expand_for_domain(term.spec, path[-1], path[0])


class _TreeWalker:
    """Follows includes and redirects, each domain's record once, however often the tree names it."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._known: dict[str, tuple[LookupTerm, ...]] = {}
        self._names: set[str] = set()
        self.wanted: list[Question] = []
        self.errors: list[SpfError] = []
        self.unknown = False

    def branches_of(self, record: SpfRecord, path: tuple[str, ...]) -> tuple[LookupTerm, ...]:
        """Return the terms of one record that cost lookups; `path` ends in its domain."""
        if record.permanent_error is not None:  # RFC 7208 4.6: nothing of it is evaluated
            return ()
        branches: list[LookupTerm] = []
        for term in record.evaluated_terms:
            if len(branches) == MAX_BRANCHES:
                self.unknown = True
                break
            if term.name in LOOKUPS:
                name = looked_up_name(term, path)
                follows = term.name in ("include", "redirect") and name is not None
                below = self._follow(term, (*path, name or "")) if follows else ()
                if name is None and term.name in ("include", "redirect"):
                    self._find_wildcard_loop(term, path)
                cost = 1 + sum(each.cost for each in below)
                branches.append(LookupTerm(term=term, name=name, cost=cost, branches=below))
        return tuple(branches)

    def _follow(self, term: Term, path: tuple[str, ...]) -> tuple[LookupTerm, ...]:
        """Follow an include or a redirect to the record of the path's last domain."""
        target = path[-1]
        if target in path[:-1]:
            loop = SpfErrorKind.INCLUDE_LOOP if term.name == "include" else SpfErrorKind.REDIRECT_LOOP
            self._add_error(loop, term, path)
            return ()
        if target not in self._known:
            record = self._record(term, path)
            self._known[target] = self.branches_of(record, path) if record else ()
        return self._known[target]

    def _find_wildcard_loop(self, term: Term, path: tuple[str, ...]) -> None:
        """Note a loop where a wildcard gives the same include for whatever name the message makes of it."""
        tail = expand_tail(term.spec, path[-1], path[0])
        asked = question_name(f"{UNUSED_LABEL}{tail}") if tail else None
        if asked is None:
            return
        question = txt_question(asked)
        if question not in self._seen:
            self.wanted.append(question)
            return
        rdatas = seen_records(self._seen, question)
        texts = spf_texts(rdatas) if isinstance(rdatas, tuple) else []
        below = parse_spf_record(texts[0]).evaluated_terms if len(texts) == 1 else ()
        if any(each.name == term.name and each.spec == term.spec for each in below):
            loop = SpfErrorKind.INCLUDE_LOOP if term.name == "include" else SpfErrorKind.REDIRECT_LOOP
            self._add_error(loop, term, (*path, f"*{tail}", f"*{tail}"))

    def _record(self, term: Term, path: tuple[str, ...]) -> SpfRecord | None:
        rdatas = self._txt_records(path[-1])
        if rdatas is NoRecords.UNKNOWN:
            return None
        records = spf_texts(rdatas) if isinstance(rdatas, tuple) else []
        if len(records) != 1:
            self._add_error(SpfErrorKind.SEVERAL_RECORDS if records else SpfErrorKind.NO_RECORD, term, path)
            return None
        record = parse_spf_record(records[0])
        mark = record.permanent_error
        if mark is not None and mark.problem is SyntaxProblem.NOT_READ:
            self.unknown = True  # a limit of ours is no fault of the record: receivers may read it
        elif mark is not None:
            offending = record.text[slice(*mark.span)][:MAX_SHOWN]
            self._add_error(SpfErrorKind.FAULTY_RECORD, term, path, f"“{offending}” {mark.why}")
        return record

    def _add_error(self, kind: SpfErrorKind, term: Term, path: tuple[str, ...], why: str = "") -> None:
        self.errors.append(SpfError(kind=kind, path=path, term=term, why=why))

    def _txt_records(self, name: str) -> SeenRecords:
        """Return the TXT records that were seen, or note the question as open."""
        asked = question_name(name)
        if asked is None:
            return NoRecords.VOID  # RFC 7208 4.3: malformed gives "none"
        self._names.add(name)
        question = txt_question(asked)
        if question not in self._seen:
            if len(self._names) > MAX_NAMES:
                return self._give_up()
            self.wanted.append(question)
            return NoRecords.UNKNOWN
        rdatas = seen_records(self._seen, question)
        return self._give_up() if rdatas is NoRecords.UNKNOWN else rdatas

    def _give_up(self) -> NoRecords:
        self.unknown = True
        return NoRecords.UNKNOWN


def flatten(branches: Iterable[LookupTerm]) -> Iterator[LookupTerm]:
    """Yield the terms of a tree from the top; practically without end where it names itself often."""
    for branch in branches:
        yield branch
        yield from flatten(branch.branches)


# --- void lookups ----------------------------------------------------------------------------------------------


class _Voids(msgspec.Struct):
    """The void lookups of a, mx and exists: terms, open questions and errors."""

    found: list[str] = []
    wanted: list[Question] = []
    errors: list[SpfError] = []


def _count_voids(branches: Iterable[LookupTerm], seen: Seen) -> _Voids:
    """Look up the terms that may be void, where so many may be that it matters, and each mx.

    What ptr and the message's macros ask for is not known here. A void include is a permanent error anyway.
    """
    voids = _Voids()
    at_risk = [each for each in flatten(branches) if each.term.name in ADDRESSED and each.name is not None]
    if len(at_risk) <= MAX_VOIDS:
        at_risk = [each for each in at_risk if each.term.name == "mx"]
    for branch in at_risk:
        name = question_name(branch.name or "")
        if name is None:
            continue  # RFC 7208 4.6.4 counts answers: nothing is asked for a malformed name
        rdatas = _records_of(branch.term, name, seen, voids.wanted)
        if rdatas is NoRecords.VOID:
            voids.found.append(display_term(branch.term))
        if branch.term.name == "mx" and isinstance(rdatas, tuple) and len(rdatas) > MAX_EXCHANGES:
            kind, count = SpfErrorKind.MANY_EXCHANGES, str(len(rdatas))
            voids.errors.append(SpfError(kind=kind, path=(branch.name or "",), term=branch.term, why=count))
    return voids


def _records_of(term: Term, name: str, seen: Seen, wanted: list[Question]) -> SeenRecords:
    """Return the records that a term looks up; a question that is still open is added to `wanted`.

    RFC 7208 4.6.4 counts terms: where a host has an address of either family, the term is not void.
    """
    # RFC 7208 5.7: exists asks for A, whatever the client's family
    rdtypes = {"mx": ("MX",), "exists": ("A",)}.get(term.name, ("A", "AAAA"))
    rdatas: SeenRecords = NoRecords.UNKNOWN
    for rdtype in rdtypes:
        question = resolver_question(name, rdtype)
        if question not in seen:
            wanted.append(question)
            return NoRecords.UNKNOWN
        rdatas = seen_records(seen, question)
        if rdatas is not NoRecords.VOID:
            break
    return rdatas
