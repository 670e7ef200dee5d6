"""The terms whose clients an SPF record lets pass, with its includes and redirects followed (RFC 7208 5.2 and 6.1)."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from letterhead.core.dns.answers import Question, Seen, Unanswered, Why
from letterhead.core.dns.lookup import NoRecords, follow_aliases, seen_records, txt_question
from letterhead.core.names.host_names import question_name
from letterhead.core.spf.lookups import MAX_LOOKUPS, looked_up_name
from letterhead.core.spf.record import SpfRecord, SyntaxProblem, Term, parse_spf_record, spf_texts

# The addresses that clients on the Internet have: all of IPv4, and 2000::/3 of IPv6 (RFC 4291 2.4).
PUBLIC: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("2000::/3"))


class PassingTerm(msgspec.Struct, frozen=True, kw_only=True):
    """One term that lets its clients pass; `first` is the term of the record itself that leads to it."""

    term: Term
    first: Term
    identity: str


class PassingTerms(msgspec.Struct, kw_only=True):
    """The terms that pass, in the order of evaluation; the questions still open; the targets without an answer."""

    found: list[PassingTerm] = []
    wanted: list[Question] = []
    unanswered: list[str] = []

    def meets(self, planned: Iterable[Term]) -> bool | None:
        """Return whether all planned terms pass; None where that follows from records that were not answered."""
        if {each.identity for each in self.found}.issuperset(term.canonical for term in planned):
            return True
        return None if self.wanted or self.unanswered else False


def find_passing_terms(domain: str, record: SpfRecord, seen: Seen, *, follow: bool = True) -> PassingTerms:
    """Walk a domain's record as receivers evaluate it; `follow` says whether the walk goes into other records."""
    walk = _Walk(seen, follow=follow)
    walk.visit(record, (domain,), None)
    return walk.passing


def covering_terms(terms: Iterable[PassingTerm]) -> list[PassingTerm]:
    """Return the terms whose networks together cover most of the addresses that clients have; none where none do."""
    named = [(each, ipaddress.ip_network(each.term.network, strict=False)) for each in terms if each.term.network]
    for public in PUBLIC:
        version = [(each, network) for each, network in named if network.version == public.version]
        # One that is wider than the public space covers all of it.
        within = [public if network.supernet_of(public) else network for _, network in version]  # type: ignore[arg-type]
        joined = ipaddress.collapse_addresses([each for each in within if each.subnet_of(public)])  # type: ignore[type-var, arg-type]
        if sum(each.num_addresses for each in joined) * 2 >= public.num_addresses:
            return [each for each, network in version if network.supernet_of(public) or network.subnet_of(public)]  # type: ignore[arg-type]
    return []


class _Walk:
    """Evaluates records for a client that nothing matches, and notes each term that would let one pass."""

    def __init__(self, seen: Seen, *, follow: bool) -> None:
        self._seen, self._follow = seen, follow
        self._lookups = 0
        self.passing = PassingTerms(found=[], wanted=[], unanswered=[])

    def visit(self, record: SpfRecord, path: tuple[str, ...], first: Term | None) -> None:
        """Note what passes in the record of the path's last domain, to which `first` leads."""
        if record.permanent_error is not None:
            if record.permanent_error.problem is SyntaxProblem.NOT_READ:  # receivers may read it
                self.passing.unanswered.append(path[-1])
            return
        for each in _passing_terms(record.text, path):
            leading = first or each.term
            self.passing.found.append(each if first is None else msgspec.structs.replace(each, first=leading))
            if each.term.name in ("include", "redirect") and self._follow and self._lookups < MAX_LOOKUPS:
                self._lookups += 1  # RFC 7208 4.6.4: receivers follow no more than these
                self._visit_target(each.term, path, leading)

    def _visit_target(self, term: Term, path: tuple[str, ...], first: Term) -> None:
        target = looked_up_name(term, path)
        asked = question_name(target) if target else None
        if target is None or asked is None or target in path:
            return  # the message decides where it leads, or it leads nowhere
        question = txt_question(asked)
        if question not in self._seen:
            self.passing.wanted.append(question)
            return
        rdatas = seen_records(self._seen, question)
        if rdatas is NoRecords.UNKNOWN:
            if not is_outside_zone_text(self._seen, question):
                self.passing.unanswered.append(target)
            return
        texts = spf_texts(rdatas) if isinstance(rdatas, tuple) else []
        if len(texts) == 1:
            self.visit(parse_spf_record(texts[0]), (*path, target), first)


@lru_cache(maxsize=32)  # the rules of one check all ask for the same few
def _passing_terms(text: str, path: tuple[str, ...]) -> tuple[PassingTerm, ...]:
    """Return the terms of one record that let their clients pass, in the order of evaluation, each once."""
    found: list[PassingTerm] = []
    met: set[str] = set()
    for term in parse_spf_record(text).evaluated_terms:
        identity = _identity(term, path)
        if term.qualifier == "+" and identity not in met:
            found.append(PassingTerm(term=term, first=term, identity=identity))
        met.add(identity)  # the first of them decides
        if term.matches_all:
            break
    return tuple(found)


def _identity(term: Term, path: tuple[str, ...]) -> str:
    """Return what makes two terms the same, wherever they are: RFC 7208 6.1 lets a redirect pass as an include does."""
    if term.name in ("include", "redirect"):
        return f"include:{looked_up_name(term, path) or term.domain}"
    relative = term.domain is None and term.network is None and len(path) > 1
    return f"{term.canonical.lstrip('-~?')}{' at ' + path[-1] if relative else ''}"


def is_outside_zone_text(seen: Seen, question: Question) -> bool:
    """Return whether the name lies outside the zone text that is read: somebody else's record, which none can ask."""
    answers = [reply.answer for reply in follow_aliases(seen, question)]
    return bool(answers) and all(isinstance(each, Unanswered) and each.why is Why.NOT_HELD for each in answers)
