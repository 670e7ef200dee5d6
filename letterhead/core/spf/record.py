"""An SPF record parsed into terms, and what is wrong with it, each with its place in the text (RFC 7208 12).

Macros are checked and never expanded: what they become depends on each message.
"""

import ipaddress
import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Final

import msgspec

from letterhead.core.dns.records import Rdata, Txt

ALL: Final = "all"
LOOKUPS: Final = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})  # RFC 7208 4.6.4
NAMED: Final = frozenset({"include", "exists", "redirect", "exp"})  # these need a domain
MAX_TEXT: Final = 2048  # characters: no real record is near it (RFC 7208 3.4 wants 450), and what is longer is not read
MECHANISMS: Final = frozenset({ALL, "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
TextSpan = tuple[int, int]


class SyntaxProblem(StrEnum):
    """What is wrong with a part of a record; all but "doubtful" are a permanent error (RFC 7208 4.6)."""

    SYNTAX = "syntax"
    UNKNOWN_MECHANISM = "unknown-mechanism"
    BAD_ADDRESS = "bad-address"
    NOT_READ = "not-read"  # a limit of ours: receivers may read on
    DOUBTFUL = "doubtful"  # the grammar allows it, and nobody can have meant it


class MarkedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a record that is wrong: `span` is its start and end, `why` continues a sentence that begins with it."""

    problem: SyntaxProblem
    span: TextSpan
    why: str


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One term: a mechanism with its qualifier, or a modifier.

    `name` is in lower case. `domain` is the domain-spec in lower case without a final dot, None where the record's
    own domain is meant; `network` is that of ip4 and ip6. `text` is the term as written.
    """

    name: str
    text: str
    span: TextSpan
    qualifier: str = "+"
    modifier: bool = False
    domain: str | None = None
    network: str | None = None

    @property
    def spec(self) -> str:
        """Return the domain-spec as written, which may be empty: the case of a macro matters."""
        written = self.text.partition("=" if self.modifier else ":")[2]
        return _CIDR.sub("", written) if self.name in ("a", "mx") else written

    @property
    def prefixes(self) -> tuple[int, int]:
        """Return how many bits of an IPv4 and of an IPv6 address must agree, for a and mx (RFC 7208 5.6)."""
        lengths = _CIDR.search(self.text)
        four, six = (lengths[1], lengths[2]) if lengths else (None, None)
        return int(four or 32), int(six or 128)

    @property
    def has_macros(self) -> bool:
        """Return whether the domain-spec has macros (RFC 7208 7)."""
        return self.domain is not None and "%" in self.domain

    @property
    def matches_all(self) -> bool:
        """Return whether every client matches, so that nothing after it is ever evaluated."""
        if self.network:
            return self.network.endswith("/0")
        if self.name in ("a", "mx") and not self.modifier:
            # Whatever address the host has, all others agree in no bit.
            return "/" in self.text and 0 in self.prefixes
        return self.name == ALL and not self.modifier

    @property
    def canonical(self) -> str:
        """Return the term in lower case without what changes nothing: a `+`, a final dot."""
        return self.text.lower().removeprefix("+").removesuffix(".")


class SpfRecord(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One parsed record; where a mark is a permanent error, the terms end before it."""

    text: str
    terms: tuple[Term, ...]
    marks: tuple[MarkedPart, ...] = ()

    @property
    def permanent_error(self) -> MarkedPart | None:
        """Return the mark that is a permanent error, if any (RFC 7208 4.6)."""
        return next((mark for mark in self.marks if mark.problem is not SyntaxProblem.DOUBTFUL), None)

    @cached_property
    def all(self) -> Term | None:
        """Return the first `all`: it always matches, so no mechanism after it is evaluated (RFC 7208 5.1)."""
        return next((term for term in self.terms if term.name == ALL and not term.modifier), None)

    @cached_property
    def redirect(self) -> Term | None:
        """Return the redirect, which counts only where there is no `all` (RFC 7208 6.1)."""
        return next((term for term in self.terms if term.name == "redirect"), None)

    @cached_property
    def evaluated_terms(self) -> tuple[Term, ...]:
        """Return the terms that receivers evaluate, in their order: mechanisms up to `all`, else the redirect last."""
        directives = [term for term in self.terms if not term.modifier]
        if self.all is not None:
            return tuple(directives[: directives.index(self.all) + 1])
        return (*directives, self.redirect) if self.redirect else tuple(directives)  # RFC 7208 6.1: it comes last

    @cached_property
    def terms_after_all(self) -> tuple[Term, ...]:
        """Return the mechanisms after `all`."""
        end = self.all
        return () if end is None else tuple(term for term in self.terms if not term.modifier and term.span > end.span)


def is_spf(text: str) -> bool:
    """Return whether a text is an SPF record: `v=spf1`, then a space or the end (RFC 7208 4.5)."""
    return text[:7].lower() in ("v=spf1", "v=spf1 ")


def texts(rdatas: Iterable[Rdata]) -> list[str]:
    """Return the text of each TXT record."""
    return [rdata.text for rdata in rdatas if isinstance(rdata, Txt)]


def spf_texts(rdatas: Iterable[Rdata]) -> list[str]:
    """Return the texts that are SPF records."""
    return [text for text in texts(rdatas) if is_spf(text)]


@lru_cache(maxsize=32)  # the rules of one check all ask for the same few
def parse_spf_record(text: str) -> SpfRecord:
    """Parse a record up to its first permanent error, in linear time; no text raises.

    A text of more than `MAX_TEXT` characters is not read at all: it comes from whoever serves the name.
    """
    if len(text) > MAX_TEXT:
        why = f"ends a text longer than {MAX_TEXT} characters"
        mark = MarkedPart(problem=SyntaxProblem.NOT_READ, span=(MAX_TEXT, len(text)), why=why)
        return SpfRecord(text=text, terms=(), marks=(mark,))
    terms: list[Term] = []
    marks: list[MarkedPart] = []
    once: set[str] = set()
    for word in _WORDS.finditer(text, len("v=spf1")):
        term = _parse_term(word[0], word.start())
        if isinstance(term, Term) and term.modifier and term.name in ("redirect", "exp"):
            if term.name in once:  # RFC 7208 6
                why = f"is a second {term.name}=, and one is allowed"
                term = _mark(SyntaxProblem.SYNTAX, word[0], word.start(), why)
            else:
                once.add(term.name)
        if isinstance(term, MarkedPart):
            marks.append(_explain(term, text))
            break
        terms.append(term)
        doubt = _doubt(term)
        if doubt is not None:
            marks.append(doubt)
    return SpfRecord(text=text, terms=tuple(terms), marks=tuple(marks))


# --- one term --------------------------------------------------------------------------------------------------

_WORDS: Final = re.compile(r"[^ ]+")  # RFC 7208 12: spaces alone separate terms
_TERM: Final = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9._-]*)(?:([:=/])(.*))?", re.DOTALL)
_CIDR: Final = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?$")
_MACRO_STRING: Final = re.compile(
    r"(?:[\x21-\x24\x26-\x7e]|%[%_-]|%\{[slodiphcrtv](?:0*[1-9][0-9]*)?r?[-.+,/_=]*\})*", re.IGNORECASE
)
_EXP_ONLY: Final = re.compile(r"%\{[crt]", re.IGNORECASE)  # RFC 7208 7.2: only where an explanation is written
ADDRESS_LIKE: Final = re.compile(r"(?:[0-9.]+|(?=[^:]*:[^:]*:)[0-9a-f:.]+)(?:/[0-9]*)?", re.IGNORECASE)
_GLUED: Final = re.compile(r"(?:include|exists|redirect|ip4|ip6|mx|a)[:=]", re.IGNORECASE)
_ODD: Final = re.compile(r"[^a-z0-9._-]")
_BAD_MACRO: Final = "holds a “%” that begins no macro, or a character that may not be there"
_NO_SEPARATOR: Final = "may not stand here: only spaces separate the parts"


SLIPS: Final = {
    "include:": ("includes", "inlcude", "incude", "inclue", "includ", "included", "inculde", "spf", "domain"),
    "ip4:": ("ip", "ipv4", "ip4v", "ipv", "ip4s", "ipaddress"),
    "ip6:": ("ipv6", "ip6v"),
    "a:": ("host", "server", "hostname", "aaaa", "cname"),
    "all": ("al", "alll", "any", "fail", "softfail", "none"),
    "exists:": ("exist",),
    "redirect=": ("redirect",),
    "exp=": ("exp",),
}


def _mark(problem: SyntaxProblem, word: str, start: int, why: str) -> MarkedPart:
    return MarkedPart(problem=problem, span=(start, start + len(word)), why=why)


def _parse_term(word: str, start: int) -> Term | MarkedPart:
    hit = _TERM.fullmatch(word)
    if hit is None:
        why = "is no mechanism and no modifier"
        if word in ("-", "~", "+", "?"):
            why = "must stand directly before its mechanism, without a space"
        return _mark(SyntaxProblem.SYNTAX, word, start, why)
    qualifier, name, separator, value = hit[1], hit[2].lower(), hit[3], hit[4]
    if separator == "=":
        return _parse_modifier(word, start, name, value, qualifier)
    if name not in MECHANISMS:
        meant = next((f"; {mechanism} is meant" for mechanism, slips in SLIPS.items() if name in slips), "")
        return _mark(SyntaxProblem.UNKNOWN_MECHANISM, word, start, f"is not known to SPF{meant}")
    return _parse_mechanism(word, start, name, qualifier or "+", (separator or "") + (value or ""))


def _parse_modifier(word: str, start: int, name: str, value: str, qualifier: str) -> Term | MarkedPart:
    if qualifier:
        return _mark(SyntaxProblem.SYNTAX, word, start, f"may not have the “{qualifier}” before it")
    if name in NAMED and name not in MECHANISMS:
        problem = _domain_problem(value)
        if problem is not None:
            return _mark(problem[0], word, start, problem[1])
    elif _MACRO_STRING.fullmatch(value) is None:
        # RFC 7208 12: unknown-modifier = name "=" macro-string; ignored, but not whatever it holds
        return _mark(SyntaxProblem.SYNTAX, word, start, _BAD_MACRO)
    return Term(name=name, text=word, span=(start, start + len(word)), modifier=True, domain=_normalize(value))


def _parse_mechanism(word: str, start: int, name: str, qualifier: str, rest: str) -> Term | MarkedPart:
    """Parse what follows a mechanism's name, `rest`, with its `:` or `/`."""
    span = (start, start + len(word))
    if name == ALL:
        if rest:
            return _mark(SyntaxProblem.SYNTAX, word, start, "must be “all” and nothing more")
        return Term(name=name, text=word, span=span, qualifier=qualifier)
    if name in ("ip4", "ip6"):
        network = _parse_network(name, rest[1:]) if rest.startswith(":") else None
        if network is None:
            return _mark(SyntaxProblem.BAD_ADDRESS, word, start, _address_problem(name, rest[1:]))
        return Term(name=name, text=word, span=span, qualifier=qualifier, network=network)
    domain, problem = _parse_domain(name, rest)
    if problem is not None:
        return _mark(problem[0], word, start, problem[1])
    return Term(name=name, text=word, span=span, qualifier=qualifier, domain=domain)


def _parse_domain(name: str, rest: str) -> tuple[str | None, tuple[SyntaxProblem, str] | None]:
    """Parse `:domain-spec` and, for a and mx, the prefix lengths after it."""
    if not rest and name not in NAMED:
        return None, None
    if name in ("a", "mx"):
        lengths = _CIDR.search(rest)
        if lengths is not None and lengths[0]:
            if int(lengths[1] or 0) > 32 or int(lengths[2] or 0) > 128:
                return None, (SyntaxProblem.BAD_ADDRESS, "has a prefix length over /32, or over //128 for IPv6")
            rest = rest[: lengths.start()]
        elif "/" in rest[len(rest.rstrip("0123456789/")) :]:
            return None, (SyntaxProblem.BAD_ADDRESS, "ends in something that is no prefix length, such as /24")
    if not rest and name not in NAMED:
        return None, None
    if not rest.startswith(":"):
        return None, (SyntaxProblem.SYNTAX, f"must be written as {name}:domain, with nothing else in it")
    return _normalize(rest[1:]), _domain_problem(rest[1:])


def _domain_problem(domain: str) -> tuple[SyntaxProblem, str] | None:
    """Return why a text is no domain-spec (RFC 7208 7.1); None where it is one."""
    if not domain:
        return SyntaxProblem.SYNTAX, "has no domain directly after it"
    if ADDRESS_LIKE.fullmatch(domain):
        return SyntaxProblem.BAD_ADDRESS, "holds an address where a domain must stand; addresses go after ip4: or ip6:"
    if _MACRO_STRING.fullmatch(domain) is None:
        return SyntaxProblem.SYNTAX, _BAD_MACRO
    if _EXP_ONLY.search(domain):
        return SyntaxProblem.SYNTAX, "has a macro that only the text of an explanation may have"
    if not _ends_in_top_label(domain) and not _ends_in_macro(domain):
        return SyntaxProblem.SYNTAX, "does not end in a domain name such as example.com"
    return None


def _ends_in_top_label(domain: str) -> bool:
    """Return whether a text ends in `.toplabel`, with or without a final dot (RFC 7208 7.1).

    Written without an expression: one that is searched from each character takes time by the square of the text.
    """
    _, dot, label = domain.removesuffix(".").rpartition(".")
    if not (dot and label.isascii() and label.replace("-", "").isalnum()):
        return False
    return not label.isdigit() if "-" not in label else label[0] != "-" and label[-1] != "-"


def _ends_in_macro(domain: str) -> bool:
    """Return whether a text ends in a macro: `%{…}`, `%%`, `%_` or `%-` (RFC 7208 7.1)."""
    if domain.endswith("}"):
        start = domain.rfind("%{")
        return start >= 0 and "}" not in domain[start:-1]
    return domain[-2:] in ("%%", "%_", "%-")


def _normalize(domain: str) -> str:
    return domain.lower().removesuffix(".")


def _parse_network(name: str, text: str) -> str | None:
    """Parse an address with an optional prefix length (RFC 7208 5.6); return None where it is none."""
    address, slash, length = text.partition("/")
    limit = 32 if name == "ip4" else 128
    if slash and (not re.fullmatch(r"0|[1-9][0-9]{0,2}", length) or int(length) > limit):
        return None
    try:
        parsed = ipaddress.IPv4Address(address) if name == "ip4" else ipaddress.IPv6Address(address)
    except ValueError:
        return None
    return None if "%" in address else f"{parsed}/{length if slash else limit}"


def _address_problem(name: str, text: str) -> str:
    if not text:
        return f"has no address directly after it: {name}:address is the form"
    other = "ip6" if name == "ip4" else "ip4"
    if _parse_network(other, text) is not None:
        return f"holds an address that goes after {other}:"
    if re.search(r"[g-z]", text, re.IGNORECASE):
        return f"holds a name where an address must stand; names go after a: or include:, not after {name}:"
    return "holds no whole and valid address"


def _explain(mark: MarkedPart, text: str) -> MarkedPart:
    """Replace a mark by a more exact one: a space after the colon, no space before `all`, a foreign character."""
    word = text[slice(*mark.span)]
    if word.endswith((":", "=")) and mark.span[1] < len(text.rstrip(" ")):
        return msgspec.structs.replace(mark, why="must be followed by its value without a space")
    glued = re.search(r".[-+?~]all$", word, re.IGNORECASE)
    if glued is not None:
        at = mark.span[0] + glued.start() + 1
        return MarkedPart(problem=SyntaxProblem.SYNTAX, span=(at, mark.span[1]), why="needs a space before it")
    odd = re.search(r"[,;\"']|[^\x20-\x7e]+", word)
    if odd is not None:
        at, to = mark.span[0] + odd.start(), mark.span[0] + odd.end()
        foreign = "is no character of an SPF record: a long dash, a tab or an invisible space may have come by copying"
        why = _NO_SEPARATOR if odd[0].isascii() and odd[0].isprintable() else foreign
        return MarkedPart(problem=SyntaxProblem.SYNTAX, span=(at, to), why=why)
    return mark


def _doubt(term: Term) -> MarkedPart | None:
    """Return why a term that the grammar allows can't be what was meant; None where it can."""
    if term.modifier and term.name in MECHANISMS:
        why = f"is skipped by receivers: {term.name}: has a colon"
        return MarkedPart(problem=SyntaxProblem.DOUBTFUL, span=term.span, why=why)
    if term.domain is None or term.has_macros or (term.modifier and term.name not in NAMED):
        return None
    odd = _ODD.search(term.domain)
    if odd is None:
        return None
    start, end = term.span
    if odd[0] in ",;":
        at = start + term.text.index(odd[0])
        return MarkedPart(problem=SyntaxProblem.DOUBTFUL, span=(at, at + 1), why=_NO_SEPARATOR)
    glued = _GLUED.search(term.text, term.text.index("=" if term.modifier else ":") + 1)
    if glued is not None:
        why = "needs a space before it"
        return MarkedPart(problem=SyntaxProblem.DOUBTFUL, span=(start + glued.start(), end), why=why)
    return MarkedPart(problem=SyntaxProblem.DOUBTFUL, span=term.span, why=f"holds “{odd[0]}”, which no domain name has")
