"""Findings about the SPF record of any one name: its syntax, the tree below it, its costs, and what is unwise.

`topic` chooses the names, and how severe a finding is there.
"""

import ipaddress
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from letterhead.core.dns.answers import Question, View
from letterhead.core.dns.lookup import NoRecords, seen_records
from letterhead.core.dns.records import display_texts
from letterhead.core.findings.diagnosis import Diagnosis, Match, Severity
from letterhead.core.plan.dns_hosts import text_for
from letterhead.core.spf import diagnoses
from letterhead.core.spf.corrections import (
    correct_spelling,
    correct_version,
    merge_records,
    move_before_all,
    remove_terms,
)
from letterhead.core.spf.lookups import (
    MAX_LOOKUPS,
    MAX_SHOWN,
    MAX_VOIDS,
    LookupTerm,
    LookupTree,
    SpfErrorKind,
    display_term,
    flatten,
    looked_up_name,
)
from letterhead.core.spf.passing_terms import covering_terms, find_passing_terms
from letterhead.core.spf.record import MAX_TEXT, SpfRecord, SyntaxProblem, Term, is_spf, parse_spf_record
from letterhead.core.spf.spf_text import SpfText

MAX_LENGTH: Final = 450  # RFC 7208 3.4
MAX_OF_CODE: Final = 3  # findings of one code about one record: more would only bury the others
MAX_COMPARED: Final = 200  # terms of a tree that are compared with each other
PRIVATE: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918 3
        *("127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),  # RFC 1122 3.2.1.3, RFC 3927, RFC 6598
        *("::1/128", "fc00::/7", "fe80::/10"),  # RFC 4291 2.5.3, RFC 4193, RFC 4291 2.5.6
    )
)
Matches = Iterator[tuple[Diagnosis, Match]]


def find_faults(subject: SpfText) -> Matches:
    """Yield what is a permanent error, and what receivers take for no record at all."""
    if len(subject.spf) > 1:
        needed = [text for text in subject.spf if text not in subject.needless]
        merged = merge_records(needed or subject.spf)
        mended = subject.complete(correct_spelling(merged) or merged)
        yield diagnoses.SEVERAL_RECORDS, subject.match(mended=mended, count=str(len(subject.spf)))
    if not subject.spf:
        yield from find_lookalikes(subject)
    if subject.record is not None and subject.tree is not None:
        yield from find_syntax_problems(subject, subject.record)
        yield from find_tree_errors(subject, subject.tree)


def find_advice(subject: SpfText) -> Matches:
    """Yield all that is wrong or unwise, at most `MAX_OF_CODE` of each code; of an unreadable record only its fault."""
    found = list(find_faults(subject))
    old = seen_records(subject.seen, old_type_question(subject.host))
    if not isinstance(old, NoRecords) and subject.spf:
        found.append((diagnoses.TYPE_99, msgspec.structs.replace(subject.match(), observed=display_texts(old))))
    if subject.spf:
        found += find_lookalikes(subject)
    if subject.record is not None and subject.tree is not None and subject.record.permanent_error is None:
        found += find_costs(subject, subject.tree)
        found += find_unwise_terms(subject, subject.record)
    times: Counter[str] = Counter()
    for diagnosis, match in found:
        times[diagnosis.code] += 1
        if times[diagnosis.code] <= MAX_OF_CODE:
            yield diagnosis, match


def old_type_question(host: str) -> Question:
    """Ask one resolver for a record of the obsolete type SPF (RFC 7208 3.1)."""
    return Question(name=host, rdtype="SPF", view=View.ONE_RESOLVER)


# --- texts that are no record ----------------------------------------------------------------------------------

_SENDER_ID: Final = re.compile(r"spf2\.0/", re.IGNORECASE)
_VERSION_LIKE: Final = re.compile(r"\W{0,3}v?\W{0,3}(?:spf|sfp|psf)|.{0,300}\bv=spf1\b", re.IGNORECASE | re.DOTALL)
_POLICY: Final = re.compile(r"(?:include|ip4|ip6|redirect|exists|mx|a)[:=]|[-~?+]all\b", re.IGNORECASE)
_BARE: Final = re.compile(r"\W{0,3}v\W{0,3}spf\W?[0-9]?\W{0,3}", re.IGNORECASE)


def find_lookalikes(subject: SpfText) -> Matches:
    """Yield the texts that were meant as SPF records and are none; besides a real record, receivers skip them."""
    for text in subject.texts:
        first = re.match(r"\s*\S*", text[:MAX_TEXT])
        match = msgspec.structs.replace(subject.match(), observed=(text,), span=first.span() if first else None)
        if len(text) > MAX_TEXT:
            continue
        if _SENDER_ID.match(text):
            yield diagnoses.SENDER_ID, match_sender_id(subject, match)
        elif not is_spf(text) and (_BARE.fullmatch(text) or (_VERSION_LIKE.match(text) and _POLICY.search(text))):
            yield diagnoses.BAD_VERSION, match_version(subject, text, match)


def match_sender_id(subject: SpfText, match: Match) -> Match:
    """Match a record for Sender ID, with the SPF record to add where there is none beside it."""
    value = text_for(match.expected, subject.dns_host) if match.expected and not subject.spf else ""
    instead = f", then add a TXT record there with the value {value}" if value else ""
    return msgspec.structs.replace(match, places={**match.places, "instead": instead})


def match_version(subject: SpfText, text: str, match: Match) -> Match:
    """Match a text that does not begin as a record; beside a record it is merged into that: two would count as none."""
    severity = Severity.WARNING if subject.spf else None
    corrected = correct_version(text)
    mended = None
    if corrected is not None:
        mended = subject.complete(merge_records([*subject.spf, corrected]) if subject.spf else corrected)
    found = subject.match(mended=mended) if mended else match
    alone = ", in one TXT record, and the other one deleted" if subject.spf and found.places["mend"] else ""
    places = {**found.places, "mend": f"{found.places['mend']}{alone}"}
    return msgspec.structs.replace(match, severity=severity, places=places, expected=found.expected)


# --- what receivers can't read ---------------------------------------------------------------------------------

_BY_PROBLEM: Final = {
    SyntaxProblem.SYNTAX: diagnoses.SYNTAX,
    SyntaxProblem.UNKNOWN_MECHANISM: diagnoses.UNKNOWN_MECHANISM,
    SyntaxProblem.BAD_ADDRESS: diagnoses.BAD_ADDRESS,
    SyntaxProblem.NOT_READ: diagnoses.NOT_READ,
    SyntaxProblem.DOUBTFUL: diagnoses.SYNTAX,
}
_BY_ERROR: Final = {
    SpfErrorKind.INCLUDE_LOOP: diagnoses.INCLUDE_LOOP,
    SpfErrorKind.REDIRECT_LOOP: diagnoses.REDIRECT_LOOP,
    SpfErrorKind.NO_RECORD: diagnoses.TARGET_MISSING,
    SpfErrorKind.SEVERAL_RECORDS: diagnoses.BROKEN,
    SpfErrorKind.FAULTY_RECORD: diagnoses.BROKEN,
}
_WHY: Final = {
    SpfErrorKind.INCLUDE_LOOP: "the includes go round in a circle",
    SpfErrorKind.REDIRECT_LOOP: "the redirects go round in a circle",
    SpfErrorKind.NO_RECORD: "there is no SPF record",
    SpfErrorKind.SEVERAL_RECORDS: "there is more than one SPF record",
}


def find_syntax_problems(subject: SpfText, record: SpfRecord) -> Matches:
    """Yield the permanent error of a record, else what the grammar allows and nobody means."""
    for mark in (record.permanent_error,) if record.permanent_error else record.marks:
        # Octets that are UTF-8 are shown as they were typed.
        part = record.text[slice(*mark.span)][:MAX_SHOWN].encode("latin-1", "replace").decode("utf-8", "replace")
        mended = subject.complete(correct_spelling(record.text))
        match = subject.match(span=mark.span, mended=mended, part=part, why=mark.why)
        severity = Severity.WARNING if mark.problem is SyntaxProblem.DOUBTFUL else None
        yield _BY_PROBLEM[mark.problem], msgspec.structs.replace(match, severity=severity)


def find_tree_errors(subject: SpfText, tree: LookupTree) -> Matches:
    """Yield the errors below a record, each at the term of the record itself that leads to it."""
    for error in tree.errors:
        if error.kind is SpfErrorKind.MANY_EXCHANGES:
            continue
        first = error.term
        below = len(error.path) > 2
        if below:
            followed = (each for each in tree.branches if each.branches and each.name == error.path[1])
            first = next((each.term for each in followed), error.term)
        ours = looked_up_name(first, (subject.host,)) in _targets(subject.planned)
        match = subject.match(
            span=first.span,
            evidence=[" → ".join(error.path)],
            # Without its own term the provider's mail would not pass even after its support has corrected the fault.
            mended=None if ours else without_terms(subject, tree.record, [first]),
            part=display_term(first),
            chain=" → ".join(error.path),
            target=error.path[-1],
            why=_WHY.get(error.kind) or f"the SPF record is faulty: {error.why}",
            whose=_below_text(error.path) if below else "",
        )
        yield diagnoses.PROVIDER_BROKEN if ours else _BY_ERROR[error.kind], match


def without_terms(subject: SpfText, record: SpfRecord, terms: Iterable[Term]) -> str | None:
    """Return a record without these terms; None where nobody would pass then, which nobody wants of a sender."""
    mended = subject.complete(remove_terms(record, terms)) or ""
    passing = find_passing_terms(subject.host, parse_spf_record(mended), subject.seen, follow=False)
    return mended if passing.found else None


def _targets(terms: Iterable[Term]) -> set[str | None]:
    return {term.domain for term in terms}


def _below_text(path: Sequence[str]) -> str:
    if path[-1].startswith("*."):
        return " A wildcard gives the record there, whatever name the message leads to, and that includes itself."
    return f" The record of {path[-2]} names it, not yours."


def _provider_text(subject: SpfText, term: Term) -> str:
    ours = term.canonical in subject.own
    return f" {display_term(term)} is the mail provider's own record: tell its support." if ours else ""


# --- what it costs ---------------------------------------------------------------------------------------------


def find_costs(subject: SpfText, tree: LookupTree) -> Matches:
    """Yield what exceeds the limits of RFC 7208 4.6.4, and an include that is counted twice."""
    if tree.lookups > MAX_LOOKUPS:
        yield diagnoses.TOO_MANY_LOOKUPS, too_many_lookups(subject, tree)
    for error in tree.errors:
        if error.kind is SpfErrorKind.MANY_EXCHANGES:
            match = subject.match(
                evidence=[f"{error.path[0]} has {error.why} MX"],
                count=error.why,
                part=display_term(error.term),
                dearest=error.why,
                first=f", or fewer MX at {error.path[0]}",
            )
            yield diagnoses.TOO_MANY_LOOKUPS, match
    if len(tree.voids) > MAX_VOIDS:
        void = [term for term in tree.record.evaluated_terms if display_term(term) in tree.voids]
        own = len(void) == len(tree.voids) and not any(term.canonical in subject.own for term in void)
        mended = without_terms(subject, tree.record, void) if own else None
        yield (
            diagnoses.VOID_LOOKUPS,
            subject.match(mended=mended, count=str(len(tree.voids)), part=", ".join(tree.voids)),
        )
    duplicate = duplicate_include(tree)
    if duplicate is not None:
        mended = without_terms(subject, tree.record, [duplicate])
        match = subject.match(span=duplicate.span, mended=mended, part=display_term(duplicate))
        yield diagnoses.DUPLICATE_INCLUDE, match


def too_many_lookups(subject: SpfText, tree: LookupTree) -> Match:
    """Return the match of a tree that exceeds the limit of lookups, at its dearest term."""
    others = [branch for branch in tree.branches if branch.term.canonical not in subject.own]
    ours = tree.lookups - sum(branch.cost for branch in others)
    # What the provider needs is never advised to be taken out, unless it alone exceeds the limit.
    dearest = max(others if ours <= MAX_LOOKUPS else tree.branches, key=lambda branch: branch.cost)
    match = subject.match(
        span=dearest.term.span,
        evidence=tree.lines,
        count=f"{'' if tree.complete else 'at least '}{min(tree.lookups, 999)}",
        part=display_term(dearest.term),
        dearest=str(min(dearest.cost, 999)),
        whose=_provider_text(subject, dearest.term),
        first=f", beginning with {display_term(dearest.term)}",
    )
    if ours <= MAX_LOOKUPS:
        return match
    first = f"; {display_term(dearest.term)} alone needs too many: tell the mail provider's support"
    return msgspec.structs.replace(match, places={**match.places, "first": first, "mend": ""})


def duplicate_include(tree: LookupTree) -> Term | None:
    """Return an include of the record itself that is there twice, or that an include leads to as well."""
    includes = [branch for branch in tree.branches if branch.term.name == "include" and branch.name is not None]
    names: dict[str | None, LookupTerm] = {}
    for branch in includes:
        if branch.name in names:
            return branch.term
        names[branch.name] = branch
    # What an include reaches below itself is its owner's to change: without it here, nothing of it would be left.
    reached = ((branch, inner) for branch in includes for inner in flatten(branch.branches))
    for branch, inner in itertools.islice(reached, MAX_COMPARED):
        if inner.term.name == "include" and inner.name in names and inner.name != branch.name:
            return names[inner.name].term
    return None


# --- what is unwise --------------------------------------------------------------------------------------------


def find_unwise_terms(subject: SpfText, record: SpfRecord) -> Matches:
    """Yield what the grammar allows and no record should have."""
    for term in record.evaluated_terms:
        if term.name == "ptr":
            yield diagnoses.PTR, subject.match_term(term)
        elif term.network is not None and is_private(term.network):
            yield diagnoses.PRIVATE_ADDRESS, subject.match_term(term)
    yield from find_open_terms(subject)
    if record.all is None and record.redirect is None:
        yield diagnoses.NO_ALL, subject.match(span=(len(record.text), len(record.text)))
    after = text_after_all(subject, record)
    if after is not None:
        yield diagnoses.TEXT_AFTER_ALL, after
    if record.all is not None and record.redirect is not None:
        yield diagnoses.REDIRECT_IGNORED, subject.match_term(record.redirect, all=record.all.text)
    if len(record.text) > MAX_LENGTH:
        yield diagnoses.TOO_LONG, subject.match(count=str(len(record.text)))


def find_open_terms(subject: SpfText) -> Matches:
    """Yield what lets everybody send: here or in an included record, by one term or by networks together."""
    passing = subject.passing.found if subject.passing else []
    reported = False
    for each in passing:
        if each.term.matches_all:
            reported = True
            part, first = display_term(each.term), display_term(each.first)
            here = each.term is each.first
            why = "every server matches" if here else f"every server matches, by way of {first}"
            change = (
                f"put “~all” at its end in place of “{part}”" if each.first.name == "all" else f"take “{first}” out"
            )
            yield diagnoses.PLUS_ALL, subject.match(span=each.first.span, part=part, why=why, change=change)
    together = [] if reported else covering_terms(passing)
    if together:
        part = " ".join(display_term(each.term) for each in together[:MAX_OF_CODE])
        part += " …" if len(together) > MAX_OF_CODE else ""
        change = "narrow its networks to the addresses that send"
        why = "most addresses of the Internet match"
        yield diagnoses.PLUS_ALL, subject.match(span=together[0].first.span, part=part, why=why, change=change)


def text_after_all(subject: SpfText, record: SpfRecord) -> Match | None:
    """Match the mechanisms after `all`, which are never evaluated."""
    if not record.terms_after_all or record.all is None:
        return None
    start, end = record.terms_after_all[0].span[0], record.terms_after_all[-1].span[1]
    part = record.text[start:end]
    mended = subject.complete(move_before_all(record))
    return subject.match(span=(start, end), mended=mended, part=part[:MAX_SHOWN], all=record.all.text)


def is_private(network: str) -> bool:
    """Return whether a network is never the source of mail on the Internet."""
    parsed = ipaddress.ip_network(network, strict=False)
    return any(parsed.version == each.version and parsed.subnet_of(each) for each in PRIVATE)  # type: ignore[arg-type]


FAULTS: Final = (
    diagnoses.SEVERAL_RECORDS,
    diagnoses.SENDER_ID,
    diagnoses.BAD_VERSION,
    diagnoses.SYNTAX,
    diagnoses.UNKNOWN_MECHANISM,
    diagnoses.BAD_ADDRESS,
    diagnoses.INCLUDE_LOOP,
    diagnoses.REDIRECT_LOOP,
    diagnoses.TARGET_MISSING,
    diagnoses.BROKEN,
    diagnoses.PROVIDER_BROKEN,
)
DIAGNOSES: Final = (
    *FAULTS,
    *(diagnoses.TOO_MANY_LOOKUPS, diagnoses.VOID_LOOKUPS, diagnoses.DUPLICATE_INCLUDE, diagnoses.PTR),
    *(diagnoses.PLUS_ALL, diagnoses.NO_ALL, diagnoses.TEXT_AFTER_ALL, diagnoses.REDIRECT_IGNORED),
    *(diagnoses.TOO_LONG, diagnoses.NOT_READ, diagnoses.TYPE_99, diagnoses.PRIVATE_ADDRESS),
)
