"""Hold our SPF parser and walk against checkdmarc, an implementation by other hands, on generated trees of records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import checkdmarc.spf as oracle
import checkdmarc.utils
import dns.name
import dns.rdata
import dns.resolver
import pytest
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from letterhead.core.dns.answers import Answer, NoData, NxDomain, Question, Reply, View
from letterhead.core.dns.records import Address, Mx, Rdata, Txt
from letterhead.core.spf.lookups import MAX_LOOKUPS, MAX_VOIDS, LookupTree, SpfErrorKind, count_lookups
from letterhead.core.spf.record import parse_spf_record, spf_texts
from tests.core import samples

ROOT = "d0.example"
Zone = Mapping[str, Mapping[str, tuple[Rdata, ...]]]
HOSTS: Zone = {
    "four.example": {"A": (Address(ip="192.0.2.4"),)},
    "six.example": {"AAAA": (Address(ip="2001:db8::6"),)},
    "mx.example": {"MX": (Mx(preference=10, exchange="four.example"),)},
    "many.example": {"MX": tuple(Mx(preference=n, exchange=f"m{n}.example") for n in range(11))},
    "empty.example": {"TXT": samples.txt("unrelated")},
}


class ZoneResolver(dns.resolver.Resolver):
    """Answers checkdmarc from a zone: a resolver of its own kind, with nothing behind it."""

    def __init__(self, zone: Zone) -> None:
        super().__init__(configure=False)
        self._zone = zone

    def resolve(self, qname: Any, rdtype: Any = "A", *args: Any, **kwargs: Any) -> Any:
        held = self._zone.get(str(qname).lower().rstrip("."))
        if held is None:
            raise dns.resolver.NXDOMAIN
        if str(rdtype) not in held:
            raise dns.resolver.NoAnswer
        return [_as_dnspython(rdata, str(rdtype)) for rdata in held[str(rdtype)]]


def _as_dnspython(rdata: Rdata, rdtype: str) -> dns.rdata.Rdata:
    match rdata:
        case Address():
            text = rdata.ip
        case Mx():
            text = f"{rdata.preference} {rdata.exchange}."
        case Txt():
            text = " ".join(f'"{string}"' for string in rdata.strings)
        case _:
            raise ValueError(f"no record of these zones: {rdata}")
    return dns.rdata.from_text(IN, RdataType.make(rdtype), text)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one side says: the classes of its errors, and its counts where there are none."""

    errors: frozenset[str]
    lookups: int = 0
    voids: int = 0


CLASSES = {
    oracle.MultipleSPFRTXTRecords: "several",
    oracle.SPFRecordNotFound: "none",
    oracle.SPFSyntaxError: "syntax",
    oracle.SPFTooManyDNSLookups: "lookups",
    oracle.SPFTooManyVoidDNSLookups: "voids",
    oracle.SPFIncludeLoop: "loop",
    oracle.SPFRedirectLoop: "loop",
}
BREAKS = {
    SpfErrorKind.INCLUDE_LOOP: "loop",
    SpfErrorKind.REDIRECT_LOOP: "loop",
    SpfErrorKind.NO_RECORD: "none",
    SpfErrorKind.SEVERAL_RECORDS: "several",
    SpfErrorKind.FAULTY_RECORD: "syntax",
    SpfErrorKind.MANY_EXCHANGES: "lookups",
}


def theirs(zone: Zone) -> Verdict:
    """Ask checkdmarc."""
    checkdmarc.utils.DNS_CACHE.clear()
    resolver = ZoneResolver(zone)
    try:
        record = oracle.query_spf_record(ROOT, resolver=resolver)["record"]
        read = oracle.parse_spf_record(record, ROOT, resolver=resolver)
    except oracle.SPFError as error:
        return Verdict(frozenset({CLASSES[type(error)]}))
    return Verdict(frozenset(), read["dns_lookups"], read["void_dns_lookups"])


def ours(zone: Zone) -> Verdict:
    """Ask our own walk, answering what it wants until it wants nothing."""
    found = spf_texts(zone[ROOT]["TXT"])
    if len(found) != 1:
        return Verdict(frozenset({"several" if found else "none"}))
    seen: dict[Question, tuple[Reply, ...]] = {}
    done = count_lookups(ROOT, parse_spf_record(found[0]), seen)
    for _ in range(40):
        if not done.wanted:
            return _verdict(done)
        seen |= {question: samples.replies(View.ONE_RESOLVER, _answer(zone, question)) for question in done.wanted}
        done = count_lookups(ROOT, parse_spf_record(found[0]), seen)
    raise AssertionError("the walk has no end")


def _answer(zone: Zone, question: Question) -> Answer:
    held = zone.get(question.name)
    if held is None:
        return NxDomain(negative_ttl=60)
    rdatas = held.get(question.rdtype)
    return samples.found(question.name, question.rdtype, rdatas) if rdatas else NoData(negative_ttl=60)


def _verdict(done: LookupTree) -> Verdict:
    errors = {BREAKS[trouble.kind] for trouble in done.errors}
    if done.record.permanent_error is not None:
        errors.add("syntax")
    if done.lookups > MAX_LOOKUPS:
        errors.add("lookups")
    if len(done.voids) > MAX_VOIDS:
        errors.add("voids")
    assert bool(errors) == done.permanent_error
    return Verdict(frozenset(errors), done.lookups, len(done.voids))


def zone_of(*records: str | tuple[str, ...], **more: str) -> Zone:
    """Make a zone whose d0.example, d1.example, … hold the records."""
    texts = [(each,) if isinstance(each, str) else each for each in records]
    trees = {f"d{n}.example": {"TXT": samples.txt(*held)} for n, held in enumerate(texts) if held}
    return {**HOSTS, **trees, **{name: {"TXT": samples.txt(text)} for name, text in more.items()}}


# --- generated trees -------------------------------------------------------------------------------------------

TARGETS = st.sampled_from([f"d{n}.example" for n in range(6)])
NAMES = st.sampled_from([*HOSTS, "gone.example", "d0.example"])
QUALIFIER = st.sampled_from(["", "", "", "+", "-", "~", "?"])
CIDR = st.sampled_from(["", "", "/24", "//64", "/0//128"])
# With a macro of the domain alone we know what a term looks up, and checkdmarc does not: see DIFFERENCES.
MACROS = st.sampled_from(
    ["%{i}.x.example", "%{l}.%{d2}", "%{ir}.%{v}._spf.%{d1R}", "%{s}.a%%b.example", "%{L-+}.example", "x.%{h}"]
)
MECHANISM = st.one_of(
    st.builds("{}include:{}".format, QUALIFIER, TARGETS),
    st.builds("{}a:{}{}".format, QUALIFIER, NAMES, CIDR),
    st.builds("{}a{}".format, QUALIFIER, CIDR),
    st.builds("{}mx:{}{}".format, QUALIFIER, st.sampled_from(["mx.example", "gone.example", "six.example"]), CIDR),
    st.builds("{}{}:{}".format, QUALIFIER, st.sampled_from(["exists", "include", "a", "mx", "ptr"]), MACROS),
    st.sampled_from(["ptr:four.example", "mx:many.example", "ip4:192.0.2.1", "ip4:192.0.2.0/24", "ip6:2001:db8::/32"]),
)
MODIFIER = st.sampled_from(
    ["x-own=%{d}", "y=", "moo.cow-far_out=man:dog/cat", "exp=%{d}.why.example", "redirect=%{l}.%{d2}"]
)
FAULTY = st.sampled_from(
    [
        *(
            "include:",
            "include",
            "a:",
            "ip4:192.0.2",
            "ip4:192.0.2.256",
            "ip4:192.0.2.1/33",
            "ip4:192.0.2.1/024",
            "ip6:::g",
        ),
        *(
            "ip4",
            "ip6:192.0.2.1",
            "ip4:2001:db8::1",
            "ipv4:192.0.2.1",
            "mail.example",
            "-",
            "a/33",
            "a//129",
            "mx/",
            "a/024",
        ),
        *(
            "all:x",
            "all/8",
            "ptr/8",
            "+x=1",
            "redirect=",
            "exp=",
            "a:%{x}.example",
            "a:%i.example",
            "include:%{c}.example",
        ),
        *("ip4:192.0.2.1~all", "a:%{d0}.example", "a:x%", "exists:%{d", ",", "include:d1.example,", "~"),
    ]
)
ENDING = st.one_of(st.sampled_from(["", "-all", "~all", "?all", "all"]), st.builds("redirect={}".format, TARGETS))
TERMS = st.lists(st.one_of(*[MECHANISM] * 9, MODIFIER), max_size=6)
RECORD = st.builds(lambda terms, ending: " ".join(["v=spf1", *terms, ending]).strip(), TERMS, ENDING)
SPOILT = st.builds(
    lambda terms, fault, at: " ".join(["v=spf1", *terms[:at], fault, *terms[at:], "~all"]),
    TERMS, FAULTY, st.integers(0, 6),
)  # fmt: skip
HELD = st.one_of(*[st.tuples(RECORD)] * 12, st.tuples(SPOILT), st.tuples(RECORD, RECORD), st.just(()))


@st.composite
def sound_trees(draw: st.DrawFn) -> list[tuple[str, ...]]:
    """Make trees in which each record includes later ones only, so that what they cost is what decides."""
    records: list[tuple[str, ...]] = []
    for at in range(6):
        below = [f"include:d{n}.example" for n in range(at + 1, 6)]
        terms = draw(
            st.lists(
                st.sampled_from([*below, *below, "a:four.example", "mx:mx.example", "a:%{l}.%{d}", "a:gone.example"]),
                max_size=5,
            )
        )
        ending = draw(st.sampled_from(["~all", *(term.replace("include:", "redirect=") for term in below)]))
        records.append((" ".join(["v=spf1", *terms, ending]),))
    return records


WILD_TREES = st.tuples(st.one_of(*[RECORD] * 5, SPOILT).map(lambda root: (root,)), HELD, HELD, HELD, HELD, HELD)


@settings(max_examples=600, deadline=None)
@given(st.one_of(sound_trees(), WILD_TREES))
def test_we_agree_with_checkdmarc(records: Sequence[tuple[str, ...]]) -> None:
    """On every tree both say whether it is broken and by what, and where it is not, what it costs."""
    zone = zone_of(*records)
    them, us = theirs(zone), ours(zone)
    assert bool(them.errors) == bool(us.errors), (them, us, zone)
    if not them.errors:
        assert us.lookups == them.lookups
        assert us.voids <= them.voids  # we don't look for them where there can't be three
    elif "syntax" not in us.errors:  # RFC 7208 4.6: nothing of such a record is evaluated, so nothing else is found
        # Where several errors are there, the one met first depends on the order in which one counts; theirs takes an
        # include of a name that does not exist for the third void lookup.
        also = {"voids"} if us.errors & {"lookups", "none"} else set()
        assert them.errors <= us.errors | also, (them, us, zone)


# Where we differ, and the words of RFC 7208 that make it right.
DIFFERENCES = {
    "4.6: a syntax error anywhere is a permanent error, behind “all” too": (
        zone_of("v=spf1 ip4:192.0.2.1 -all include:"), {"syntax"}, set()),
    "12: unknown-modifier = name = macro-string, so its macros must be well-formed": (
        zone_of("v=spf1 x=%z -all"), {"syntax"}, set()),
    "12: a domain-spec ends in a dot and a top label; one label is none": (
        zone_of("v=spf1 a:localhost -all"), {"syntax"}, set()),
    "12: a top label is not all digits": (
        zone_of("v=spf1 a:192.0.2.1 -all"), {"syntax"}, set()),
    "12: include takes no prefix length, so it is part of the name": (
        zone_of("v=spf1 include:d1.example/24 -all", "v=spf1 -all"), {"syntax"}, {"none"}),
    "12: spaces alone separate terms": (
        zone_of("v=spf1 a:four.example\tmx:mx.example -all"), {"syntax"}, set()),
    "12: a domain-spec may hold a slash before its prefix length": (
        zone_of("v=spf1 a:foo:bar/baz.example -all"), set(), {"syntax"}),
    "4.6.4: exists asks DNS, so it can be void": (
        zone_of("v=spf1 exists:x.gone.example exists:y.gone.example exists:z.gone.example -all"), {"voids"}, set()),
    "7.2: %{d} is the domain of the record, whatever the message": (
        zone_of("v=spf1 include:%{d}.vendor.example -all"), {"none"}, set()),
    "5.5: ptr asks for the names of the sender's address, so its void lookups depend on the mail": (
        zone_of("v=spf1 ptr ptr ptr -all"), set(), {"voids"}),
}  # fmt: skip


@pytest.mark.parametrize("why", DIFFERENCES)
def test_we_differ_where_the_standard_says_so(why: str) -> None:
    """Each difference is known and has its section of RFC 7208; one that goes away is noticed."""
    zone, us, them = DIFFERENCES[why]
    assert ours(zone).errors == us
    assert theirs(zone).errors == them
