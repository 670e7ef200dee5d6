"""Knows what is wrong with the SPF of one name, whichever it is: its records, the tree below them, and what is unwise.

spf.py knows which names these are and how much it matters there.
"""

import ipaddress
import itertools
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

import msgspec

from letterhead.core.dns.answers import Question, Seen, View
from letterhead.core.dns.lookup import NoRecords, seen_records
from letterhead.core.dns.records import display_texts as rdata_shown
from letterhead.core.findings.diagnosis import Diagnosis, Match, Severity
from letterhead.core.spf import diagnoses as told
from letterhead.core.spf.lookups import (
    MAX_LOOKUPS,
    MAX_SHOWN,
    MAX_VOIDS,
    LookupTerm,
    LookupTree,
    SpfError,
    SpfErrorKind,
    count_lookups,
    display_term,
    flatten,
)
from letterhead.core.spf.record import MarkedPart, SpfRecord, SyntaxProblem, Term, is_spf, merge_records, parse

MAX_LENGTH: Final = 450  # RFC 7208 3.4
MAX_TOLD: Final = 3  # findings of one code about one record: more would only bury the others
MAX_COMPARED: Final = 200  # branches of a tree that are compared with each other
PRIVATE: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918 3
        *("127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),  # RFC 1122 3.2.1.3, RFC 3927, RFC 6598
        *("::1/128", "fc00::/7", "fe80::/10"),  # RFC 4291 2.5.3, RFC 4193, RFC 4291 2.5.6
    )
)
Matches = Iterator[tuple[Diagnosis, Match]]


class SpfText(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Holds one name's TXT texts.

    `own` are the provider's terms and `value` the text to publish, where it is planned; `needless` are records that
    can go.
    """

    host: str
    texts: tuple[str, ...]
    seen: Seen
    own: tuple[str, ...] = ()
    value: str | None = None
    needless: tuple[str, ...] = ()

    @cached_property
    def spf(self) -> tuple[str, ...]:
        """Keeps the texts that are SPF records."""
        return tuple(text for text in self.texts if is_spf(text))

    @cached_property
    def record(self) -> SpfRecord | None:
        """Reads the one SPF record."""
        return parse(self.spf[0]) if len(self.spf) == 1 else None

    @cached_property
    def walk(self) -> LookupTree | None:
        """Walks the one SPF record."""
        return count_lookups(self.host, self.record, self.seen) if self.record else None

    @property
    def wanted(self) -> tuple[Question, ...]:
        """Says what the walk still has to ask."""
        return self.walk.wanted if self.walk else ()

    def sees(self, span: tuple[int, int] | None = None, evidence: Iterable[str] = (), **places: str) -> Match:
        """Makes a sighting at the one SPF record, or at all of them."""
        mend = f": its value should be {self.value}" if self.value else ""
        return Match(
            places={"mend": mend, "whose": "", **places}, observed=self.spf, span=span, evidence=tuple(evidence)
        )

    def marks(self, term: Term, **places: str) -> Match:
        """Makes a sighting that points at one term."""
        return self.sees(span=term.span, part=display_term(term), **places)


def faults(subject: SpfText) -> Matches:
    """Tells what makes receivers give up, and what they take for no record at all."""
    if len(subject.spf) > 1:
        needed = [text for text in subject.spf if text not in subject.needless]
        expected = subject.value or merge_records(needed or subject.spf)
        yield told.SEVERAL_RECORDS, subject.sees(count=str(len(subject.spf)), expected=expected)
    if not subject.spf:
        yield from _lookalikes(subject)
    if subject.record is not None and subject.walk is not None:
        yield from _marked(subject, subject.record)
        yield from _broken(subject, subject.walk)


def advice(subject: SpfText) -> Matches:
    """Tells all that is wrong or unwise, each diagnosis a few times at most; of an unreadable record only why."""
    times: dict[str, int] = {}
    for diagnosis, match in _all(subject):
        times[diagnosis.code] = times.get(diagnosis.code, 0) + 1
        if times[diagnosis.code] <= MAX_TOLD:
            yield diagnosis, match


def _all(subject: SpfText) -> Matches:
    yield from faults(subject)
    old = seen_records(subject.seen, old_type_question(subject.host))
    if not isinstance(old, NoRecords) and subject.spf:
        yield told.TYPE_99, msgspec.structs.replace(subject.sees(), observed=rdata_shown(old))
    if subject.spf:
        yield from _beside(subject)
    if subject.record is not None and subject.walk is not None and subject.record.permanent_error is None:
        yield from _costs(subject, subject.walk)
        yield from _unwise(subject, subject.record)


def old_type_question(host: str) -> Question:
    """Asks one resolver for a record of the type that was given up."""
    return Question(name=host, rdtype="SPF", view=View.ONE_RESOLVER)


# --- texts that are no record ----------------------------------------------------------------------------------

_SENDER_ID: Final = re.compile(r"spf2\.0/", re.IGNORECASE)
_VERSION_LIKE: Final = re.compile(r"\W{0,3}v?\W{0,3}(?:spf|sfp|psf)|.{0,300}\bv=spf1\b", re.IGNORECASE | re.DOTALL)
_POLICY: Final = re.compile(r"(?:include|ip4|ip6|redirect|exists|mx|a)[:=]|[-~?+]all\b", re.IGNORECASE)
_BARE: Final = re.compile(r"\W{0,3}v\W{0,3}spf\W?[0-9]?\W{0,3}", re.IGNORECASE)


def _lookalikes(subject: SpfText) -> Matches:
    """Tells of texts that were meant as the SPF record, where there is no real one."""
    for text in subject.texts:
        if _SENDER_ID.match(text):
            yield told.SENDER_ID, _of_text(subject, text)
        elif _looks_like_spf(text):
            yield told.BAD_VERSION, _of_text(subject, text)


def _beside(subject: SpfText) -> Matches:
    """Tells of texts beside a real record, which receivers skip."""
    for text in subject.texts:
        if _SENDER_ID.match(text):
            yield told.SENDER_ID, _of_text(subject, text)
        elif not is_spf(text) and _looks_like_spf(text):
            yield told.BAD_VERSION, msgspec.structs.replace(_of_text(subject, text), severity=Severity.WARNING)


def _looks_like_spf(text: str) -> bool:
    return _BARE.fullmatch(text) is not None or bool(_VERSION_LIKE.match(text) and _POLICY.search(text))


def _of_text(subject: SpfText, text: str) -> Match:
    first = re.match(r"\s*\S*", text)
    return msgspec.structs.replace(subject.sees(), observed=(text,), span=first.span() if first else None)


# --- what receivers can't read ---------------------------------------------------------------------------------

_BY_MARK: Final = {
    SyntaxProblem.SYNTAX: told.SYNTAX,
    SyntaxProblem.UNKNOWN_MECHANISM: told.UNKNOWN_MECHANISM,
    SyntaxProblem.BAD_ADDRESS: told.BAD_ADDRESS,
    SyntaxProblem.DOUBTFUL: told.SYNTAX,
}
_BY_BREAK: Final = {
    SpfErrorKind.INCLUDE_LOOP: told.INCLUDE_LOOP,
    SpfErrorKind.REDIRECT_LOOP: told.REDIRECT_LOOP,
    SpfErrorKind.NO_RECORD: told.TARGET_MISSING,
    SpfErrorKind.SEVERAL_RECORDS: told.BROKEN,
    SpfErrorKind.FAULTY_RECORD: told.BROKEN,
}


def _marked(subject: SpfText, record: SpfRecord) -> Matches:
    """Tells of the fault that ends the reading, else of what the grammar allows and nobody means."""
    for mark in (record.permanent_error,) if record.permanent_error else record.marks:
        match = subject.sees(span=mark.span, part=_part(record, mark), why=mark.why)
        softer = Severity.WARNING if mark.fault is SyntaxProblem.DOUBTFUL else None
        yield _BY_MARK[mark.fault], msgspec.structs.replace(match, severity=softer)


def _part(record: SpfRecord, mark: MarkedPart) -> str:
    """Cuts out the offending part; octets that are UTF-8 are shown as who typed them saw them."""
    part = record.text[slice(*mark.span)][:MAX_SHOWN]
    return part.encode("latin-1", "replace").decode("utf-8", "replace")


def _broken(subject: SpfText, seen: LookupTree) -> Matches:
    for trouble in seen.troubles:
        if trouble.kind is SpfErrorKind.MANY_EXCHANGES:
            continue
        first = _first_term(seen, trouble)
        several = trouble.kind is SpfErrorKind.SEVERAL_RECORDS
        match = subject.sees(
            span=first.span,
            evidence=[" → ".join(trouble.path)],
            part=display_term(first),
            chain=" → ".join(trouble.path),
            target=trouble.path[-1],
            why="there is more than one SPF record" if several else f"the SPF record is faulty: {trouble.why}",
            whose=_whose(subject, first) or _deeper(trouble),
        )
        yield _BY_BREAK[trouble.kind], match


def _first_term(seen: LookupTree, trouble: SpfError) -> Term:
    """Finds the term of the record itself that leads to a trouble further down."""
    if len(trouble.path) <= 2:
        return trouble.term
    followed = (branch for branch in seen.branches if branch.branches and branch.name == trouble.path[1])
    return next((branch.term for branch in followed), trouble.term)


def _whose(subject: SpfText, term: Term) -> str:
    ours = term.canonical in subject.own
    return f" {display_term(term)} is the mail provider's own record: tell its support." if ours else ""


def _deeper(trouble: SpfError) -> str:
    return f" The record of {trouble.path[-2]} names it, not yours." if len(trouble.path) > 2 else ""


# --- what it costs ---------------------------------------------------------------------------------------------


def _costs(subject: SpfText, seen: LookupTree) -> Matches:
    if seen.lookups > MAX_LOOKUPS:
        yield told.TOO_MANY_LOOKUPS, _too_many(subject, seen)
    for trouble in seen.troubles:
        if trouble.kind is SpfErrorKind.MANY_EXCHANGES:
            yield told.TOO_MANY_LOOKUPS, _many_exchanges(subject, trouble)
    if len(seen.voids) > MAX_VOIDS:
        yield told.VOID_LOOKUPS, subject.sees(count=str(len(seen.voids)), part=", ".join(seen.voids))
    twice = _named_twice(seen.branches)
    if twice is not None:
        yield told.DUPLICATE_INCLUDE, subject.marks(twice)


def _too_many(subject: SpfText, seen: LookupTree) -> Match:
    dearest = max(seen.branches, key=lambda branch: (branch.cost, branch.term.canonical not in subject.own))
    ours = sum(branch.cost for branch in seen.branches if branch.term.canonical in subject.own)
    match = subject.sees(
        span=dearest.term.span,
        evidence=seen.lines,
        count=f"{'' if seen.complete else 'at least '}{min(seen.lookups, 999)}",
        part=display_term(dearest.term),
        dearest=str(min(dearest.cost, 999)),
        whose=_whose(subject, dearest.term),
        first="" if subject.value else f", beginning with {display_term(dearest.term)}",
    )
    if ours <= MAX_LOOKUPS:
        return match
    first = f"; {display_term(dearest.term)} alone needs too many: tell the mail provider's support"
    return msgspec.structs.replace(match, places={**match.places, "first": first, "mend": ""})


def _many_exchanges(subject: SpfText, trouble: SpfError) -> Match:
    return subject.sees(
        evidence=[f"{trouble.path[0]} has {trouble.why} MX"],
        count=trouble.why,
        part=display_term(trouble.term),
        dearest=trouble.why,
        first=f", or fewer MX at {trouble.path[0]}",
    )


def _named_twice(branches: tuple[LookupTerm, ...]) -> Term | None:
    """Finds an include of the record itself that the tree reaches before or elsewhere, too."""
    includes = [branch for branch in branches if branch.term.name == "include" and not branch.term.has_macros]
    names: dict[str, LookupTerm] = {}
    for branch in includes:
        if branch.name in names:
            return branch.term
        names[branch.name] = branch
    for inner in itertools.islice(flatten(below for branch in includes for below in branch.branches), MAX_COMPARED):
        if inner.term.name == "include" and inner.name in names:
            return names[inner.name].term
    return None


# --- what is unwise --------------------------------------------------------------------------------------------


def _unwise(subject: SpfText, record: SpfRecord) -> Matches:
    for term in record.evaluated_terms:
        if term.name == "ptr":
            yield told.PTR, subject.marks(term)
        elif term.matches_all and term.qualifier == "+":
            yield told.PLUS_ALL, subject.marks(term)
        elif term.network is not None and _is_private(term.network):
            yield told.PRIVATE_ADDRESS, subject.marks(term)
    if record.all is None and record.redirect is None:
        yield told.NO_ALL, subject.sees(span=(len(record.text), len(record.text)))
    after = text_after_all(subject, record)
    if after is not None:
        yield told.TEXT_AFTER_ALL, after
    if record.all is not None and record.redirect is not None:
        yield told.REDIRECT_IGNORED, subject.marks(record.redirect, all=record.all.text)
    if len(record.text) > MAX_LENGTH:
        yield told.TOO_LONG, subject.sees(count=str(len(record.text)))


def text_after_all(subject: SpfText, record: SpfRecord) -> Match | None:
    """Sees the mechanisms that stand after `all`."""
    if not record.unread or record.all is None:
        return None
    start, end = record.unread[0].span[0], record.unread[-1].span[1]
    part = record.text[start:end]
    return subject.sees(span=(start, end), part=part[:MAX_SHOWN], all=record.all.text)


def _is_private(network: str) -> bool:
    read = ipaddress.ip_network(network, strict=False)
    return any(read.version == each.version and read.subnet_of(each) for each in PRIVATE)  # type: ignore[arg-type]


FAULTS: Final = (
    told.SEVERAL_RECORDS,
    told.SENDER_ID,
    told.BAD_VERSION,
    told.SYNTAX,
    told.UNKNOWN_MECHANISM,
    told.BAD_ADDRESS,
    told.INCLUDE_LOOP,
    told.REDIRECT_LOOP,
    told.TARGET_MISSING,
    told.BROKEN,
)
DIAGNOSES: Final = (
    *FAULTS,
    *(told.TOO_MANY_LOOKUPS, told.VOID_LOOKUPS, told.DUPLICATE_INCLUDE, told.PTR, told.PLUS_ALL, told.NO_ALL),
    *(told.TEXT_AFTER_ALL, told.REDIRECT_IGNORED, told.TOO_LONG, told.TYPE_99, told.PRIVATE_ADDRESS),
)
