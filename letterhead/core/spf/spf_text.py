"""The TXT records of one name as the rules of SPF see them, and the matches that the rules make of them."""

from collections.abc import Iterable
from functools import cached_property

import msgspec

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.findings.diagnosis import Match
from letterhead.core.plan.dns_hosts import DnsHost, text_for
from letterhead.core.spf.corrections import add_terms
from letterhead.core.spf.lookups import LookupTree, count_lookups, display_term
from letterhead.core.spf.passing_terms import PassingTerms, find_passing_terms
from letterhead.core.spf.record import SpfRecord, Term, is_spf, parse_spf_record


class SpfText(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The TXT records of one name, as texts.

    `planned` are the provider's terms and `value` the text to publish, where it is planned; `needless` are records that
    can go; `dns_host` says how values are typed.
    """

    host: str
    texts: tuple[str, ...]
    seen: Seen
    planned: tuple[Term, ...] = ()
    value: str | None = None
    needless: tuple[str, ...] = ()
    dns_host: DnsHost | None = None

    @cached_property
    def own(self) -> tuple[str, ...]:
        """Return the provider's terms in their canonical spelling."""
        return tuple(term.canonical for term in self.planned)

    @cached_property
    def spf(self) -> tuple[str, ...]:
        """Return the texts that are SPF records."""
        return tuple(text for text in self.texts if is_spf(text))

    @cached_property
    def record(self) -> SpfRecord | None:
        """Return the SPF record; None where there is none, or several."""
        return parse_spf_record(self.spf[0]) if len(self.spf) == 1 else None

    @cached_property
    def tree(self) -> LookupTree | None:
        """Return the tree below the SPF record."""
        return count_lookups(self.host, self.record, self.seen) if self.record else None

    @property
    def wanted(self) -> tuple[Question, ...]:
        """Return the questions that the tree still needs answered."""
        return self.tree.wanted if self.tree else ()

    @cached_property
    def passing(self) -> PassingTerms | None:
        """Return what the SPF record lets pass, its includes followed."""
        return find_passing_terms(self.host, self.record, self.seen) if self.record else None

    def complete(self, text: str | None) -> str | None:
        """Return a record with the provider's terms where it does not pass them yet, and else as it is."""
        record = parse_spf_record(text) if text else None
        if record is None or record.permanent_error is not None:
            return text
        passing = find_passing_terms(self.host, record, self.seen)
        if passing.meets(self.planned):
            return text
        found = {each.identity for each in passing.found}
        return add_terms(record, [term for term in self.planned if term.canonical not in found])

    def match(
        self,
        span: tuple[int, int] | None = None,
        evidence: Iterable[str] = (),
        mended: str | None = None,
        **places: str,
    ) -> Match:
        """Return a match at the SPF record, or at all of them; `mended` is the value to publish, where it is known."""
        # Where nothing at the name can be read, the planned value loses nothing.
        expected = mended or (None if self.spf else self.value) or ""
        mend = f": its value should be {text_for(expected, self.dns_host)}" if expected not in ("", *self.spf) else ""
        return Match(
            places={"mend": mend, "whose": "", **places},
            observed=self.spf,
            span=span,
            evidence=tuple(evidence),
            expected=expected,
        )

    def match_term(self, term: Term, **places: str) -> Match:
        """Return a match that marks one term of the SPF record."""
        return self.match(span=term.span, part=display_term(term), **places)
