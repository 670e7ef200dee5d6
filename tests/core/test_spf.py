"""Show how SPF records are read and walked: places of faults, bounds in time and questions, and what is accepted."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letterhead.core.dns.answers import Found, NoData, NxDomain, Question, Reply, Seen, Unanswered, View, Why
from letterhead.core.dns.lookup import txt_question
from letterhead.core.dns.records import Address, Rdata
from letterhead.core.spf import advice as spf_advice
from letterhead.core.spf import topic
from letterhead.core.spf.corrections import merge_records
from letterhead.core.spf.lookups import MAX_NAMES, LookupTree, SpfErrorKind, count_lookups
from letterhead.core.spf.record import MAX_TEXT, SyntaxProblem, parse_spf_record
from letterhead.core.spf.spf_text import SpfText
from tests.core import samples

PLANNED = topic.planned_record("lh.acme.dev", "include:spf.mail.example")
PIECES = [
    "v=spf1 ",
    "include:",
    "a",
    "mx",
    "ip4:",
    "ip6:",
    "1.2.3.4",
    "/",
    "//",
    "24",
    "%",
    "{",
    "}",
    "%{d}",
    "all",
    "~",
]


@given(st.one_of(st.text(st.characters(max_codepoint=255)), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_text_is_read(rest: str) -> None:
    """No text makes the parser raise, and each mark and term points into the text that it is about."""
    record = parse_spf_record("v=spf1 " + rest)
    assert record.text == "v=spf1 " + rest
    for term in record.terms:
        assert record.text[slice(*term.span)] == term.text
    for mark in record.marks:
        start, end = mark.span
        assert 0 < start < end <= len(record.text)
        assert mark.why


@pytest.mark.parametrize(
    "word",
    [
        *("a ", "ip4:192.0.2.1 ", "ip6:2001:db8::1 ", "include:a.bc.example ", "mx/24//64 ", "x=%{d} "),
        *("%{s}", "a:a.", "a:" + "." * 64, "x-", ":", "::", "/1", "//", "%%", "%{d" + "0" * 64, "%{d" + "1" * 64),
    ],
)  # fmt: skip
def test_a_long_record_is_read_at_once(word: str) -> None:
    """16 KB of anything are read in a few milliseconds, however they are put together."""
    for lead in ("v=spf1 ", "v=spf1 a:", "v=spf1 ip6:", "v=spf1 x=", "v=spf1 exists:%{"):
        text = (lead + word * 16384)[:16384]
        best = min(_seconds(text) for _ in range(3))
        assert best < 0.06, lead  # measured: under 0.015 on an idle core


def _seconds(text: str) -> float:
    parse_spf_record.cache_clear()
    began = time.thread_time()  # what other work on the machine takes does not count
    parse_spf_record(text)
    return time.thread_time() - began


@pytest.mark.parametrize(
    ("text", "fault", "part"),
    [
        ("v=spf1 include:a.example ipv4:192.0.2.1 ~all", SyntaxProblem.UNKNOWN_MECHANISM, "ipv4:192.0.2.1"),
        ("v=spf1 ip4:192.0.2.256 ~all", SyntaxProblem.BAD_ADDRESS, "ip4:192.0.2.256"),
        ("v=spf1 include:a.example, mx ~all", SyntaxProblem.SYNTAX, ","),
        ("v=spf1 mx include:a.example~all", SyntaxProblem.SYNTAX, "~all"),
        ("v=spf1 include: a.example ~all", SyntaxProblem.SYNTAX, "include:"),
        ("v=spf1 include:a.exampleinclude:b.example ~all", SyntaxProblem.DOUBTFUL, "include:b.example"),
        ("v=spf1 include=a.example ~all", SyntaxProblem.DOUBTFUL, "include=a.example"),
        ("v=spf1 -all mx:", SyntaxProblem.SYNTAX, "mx:"),
    ],
)
def test_the_offending_part_is_marked(text: str, fault: SyntaxProblem, part: str) -> None:
    """A fault points at the very characters that are wrong."""
    mark = parse_spf_record(text).marks[0]
    assert (mark.problem, text[slice(*mark.span)]) == (fault, part)


def test_a_well_formed_macro_is_never_a_fault() -> None:
    """A term whose name depends on the message is counted and never asked for."""
    record = parse_spf_record(
        "v=spf1 exists:%{ir}.%{v}._spf.%{d2} exists:%{L1R-}.%{o}.example a:%{h} mx:%{s}.%%.x.example -all"
    )
    done = count_lookups("acme.dev", record, {})
    assert (record.marks, done.lookups, done.wanted) == ((), 4, ())


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("%{d}.spf.vendor.example", "lh.acme.dev.spf.vendor.example"),
        ("%{d2}.spf.vendor.example", "acme.dev.spf.vendor.example"),
        ("%{dr}.vendor.example", "dev.acme.lh.vendor.example"),
        ("%{d1r}._spf.%{o}", "lh._spf.lh.acme.dev"),
        ("%{D-.}.%%.vendor.example", "lh.acme.dev.%.vendor.example"),
    ],
)
def test_a_macro_of_the_domain_is_expanded(spec: str, name: str) -> None:
    """RFC 7208 7.2: the domain of the record is known without a message, so what such an include leads to is asked."""
    done = count_lookups("lh.acme.dev", parse_spf_record(f"v=spf1 include:{spec} -all"), {})
    assert [each.name for each in done.wanted] == [name]


def test_in_an_included_record_the_domain_is_its_own_and_the_sender_stays() -> None:
    """RFC 7208 7.2: %{d} is the domain of the record that is evaluated, %{o} that of the sender throughout."""
    zone = tree(vendor="v=spf1 include:%{d1r}.of.%{o} -all")
    zone[("vendor.of.acme.dev", "TXT")] = samples.txt("v=spf1 ip4:192.0.2.1 -all")
    done, _, _ = walked("v=spf1 include:vendor.example -all", zone)
    assert (done.errors, done.complete) == ((), True)


# --- what is accepted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 include:spf.mail.example ~all",
        "V=SPF1   +INCLUDE:Spf.Mail.Example. -all   ",
        "v=spf1 a ip4:192.0.2.1 exists:%{i}.x.example include:spf.mail.example",
        "v=spf1 redirect=spf.mail.example",
    ],
)
def test_the_provider_is_seen_in_any_legal_spelling(text: str) -> None:
    """What lets the provider's servers pass is right, whatever else the record says."""
    assert topic.accepts(PLANNED, samples.txt("unrelated", text))


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("v=spf1 include:spf.mail.example ~all", "v=spf1 ~all"),
        ("v=spf1 -all include:spf.mail.example",),
        ("v=spf1 ip4:0.0.0.0/0 include:spf.mail.example -all",),
        ("v=spf1 ?include:spf.mail.example ~all",),
        ("v=spf1 include:spf.mail.example ip4:192.0.2 ~all",),
        ("v=spf1 include:spf.mail.example ~all include:",),
        ("v=spf1 redirect=spf.mail.example ~all",),
        ("v=spf1 include:xspf.mail.example ~all",),
    ],
)
def test_what_receivers_would_not_pass_is_not_right(texts: tuple[str, ...]) -> None:
    """A record that is never read as far as the provider, or not at all, is not the planned one."""
    assert not topic.accepts(PLANNED, samples.txt(*texts))


# --- the walk --------------------------------------------------------------------------------------------------

Zone = dict[tuple[str, str], tuple[Rdata, ...]]


def walked(text: str, zone: Zone, rounds: int = 12) -> tuple[LookupTree, int, int]:
    """Walk a record of acme.dev, answering from a zone; return the walk, how many questions and how many rounds."""
    record = parse_spf_record(text)
    seen: dict[Question, tuple[Reply, ...]] = {}
    for turn in range(rounds):
        done = count_lookups("acme.dev", record, seen)
        if not done.wanted:
            return done, len(seen), turn
        seen |= {question: _reply(zone, question) for question in done.wanted}
    raise AssertionError("too many rounds")


def _reply(zone: Zone, question: Question) -> tuple[Reply, ...]:
    held = zone.get((question.name, question.rdtype))
    answer: Found | NxDomain = (
        samples.found(question.name, question.rdtype, held) if held else NxDomain(negative_ttl=60)
    )
    return samples.replies(View.ONE_RESOLVER, answer)


def tree(**records: str) -> Zone:
    """Make a zone of SPF records, `a_b="…"` at a.b.example."""
    return {(f"{name.replace('_', '.')}.example", "TXT"): samples.txt(text) for name, text in records.items()}


def test_an_ordinary_domain_costs_few_questions() -> None:
    """The walk of a domain with three large senders asks one resolver fewer than twelve questions, in three rounds."""
    zone = tree(
        google="v=spf1 include:n1.example include:n2.example include:n3.example ~all",
        n1="v=spf1 ip4:192.0.2.0/24 ~all", n2="v=spf1 ip4:192.0.2.0/24 ~all", n3="v=spf1 ip4:192.0.2.0/24 ~all",
        crm="v=spf1 include:c1.example ~all", c1="v=spf1 ip4:192.0.2.0/24 ~all", shop="v=spf1 ip4:192.0.2.0/24 ~all",
    )  # fmt: skip
    done, questions, rounds = walked(
        "v=spf1 mx include:google.example include:crm.example include:shop.example ~all", zone
    )
    assert (done.lookups, done.permanent_error, done.complete) == (8, False, True)
    assert (questions, rounds) == (8, 3)
    assert done.lines[:3] == ("mx 1", "include:google.example 4", "  include:n1.example 1")


def test_a_tree_that_names_itself_often_is_walked_at_once() -> None:
    """Ten names that each include the next a hundred times are 10^20 branches, and no work."""
    zone = tree(d9="v=spf1 ~all")
    for n in range(9):
        zone |= tree(**{f"d{n}": f"v=spf1 {' '.join([f'include:d{n + 1}.example'] * 100)} ~all"})
    began = time.perf_counter()
    done, questions, _ = walked("v=spf1 include:d0.example ~all", zone)
    assert done.lookups > 10**17
    assert questions == 10
    assert len(done.lines) < 50
    assert time.perf_counter() - began < 2


def test_a_wide_tree_is_not_walked_to_its_end() -> None:
    """A record that names a hundred others makes us ask for a few; the count says that there is more."""
    text = "v=spf1 " + " ".join(f"include:d{n}.example" for n in range(100)) + " ~all"
    assert len(text) < MAX_TEXT
    done, questions, _ = walked(text, {})
    assert questions == MAX_NAMES
    assert (done.lookups, done.complete) == (100, False)


def test_addresses_are_asked_only_where_they_can_matter() -> None:
    """Two terms can't be three void lookups, so nobody asks for them; an MX may have too many hosts."""
    assert count_lookups("acme.dev", parse_spf_record("v=spf1 a a:b.example ~all"), {}).wanted == ()
    assert [each.rdtype for each in count_lookups("acme.dev", parse_spf_record("v=spf1 a mx ~all"), {}).wanted] == [
        "MX"
    ]
    assert (
        len(count_lookups("acme.dev", parse_spf_record("v=spf1 a a:b.example exists:c.example ~all"), {}).wanted) == 3
    )


def test_an_address_of_either_family_is_no_void_lookup() -> None:
    """RFC 7208 4.6.4 counts the term: AAAA is asked only where there is no A."""
    zone: Zone = {("six.example", "AAAA"): (Address(ip="2001:db8::1"),)}
    done, _, _ = walked("v=spf1 a:six.example a:six.example a:none.example ~all", zone)
    assert done.voids == ("a:none.example",)


def test_silence_is_nobodys_fault() -> None:
    """An include that nobody answers for says nothing: neither missing nor right (RFC 7208 2.6.6: temperror)."""
    for why in Why:
        seen: Seen = samples.asked("x.example", "TXT", View.ONE_RESOLVER, Unanswered(why=why))
        done = count_lookups("acme.dev", parse_spf_record("v=spf1 include:x.example ~all"), seen)
        assert (done.errors, done.wanted, done.complete) == ((), (), False)
    seen = samples.asked("x.example", "TXT", View.ONE_RESOLVER, NoData(negative_ttl=60))
    done = count_lookups("acme.dev", parse_spf_record("v=spf1 include:x.example ~all"), seen)
    assert [trouble.kind for trouble in done.errors] == [SpfErrorKind.NO_RECORD]


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "a..example", ".".join(["a" * 60] * 5) + ".example"])
def test_a_malformed_name_is_never_asked(name: str) -> None:
    """RFC 7208 4.3: what DNS can't hold does not leave us as a question, and is no void lookup."""
    text = f"v=spf1 include:{name} a:{name} mx:{name} exists:{name} ~all"
    done = count_lookups("acme.dev", parse_spf_record(text), {})
    assert (done.wanted, done.voids) == ((), ())


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("x\\.example", "x\\\\.example"),
        ("a@b.example", "a\\@b.example"),
        ("-%%.example", "-%.example"),
        ("a+b=c.example", "a+b=c.example"),
        ("%_._spf.example", "\\032._spf.example"),
    ],
)
def test_a_name_of_any_octets_is_asked_for(name: str, asked: str) -> None:
    """RFC 7208 4.3 and RFC 2181 11: a label holds any octets; a question escapes what a zone file escapes."""
    done = count_lookups("acme.dev", parse_spf_record(f"v=spf1 include:{name} ~all"), {})
    assert [each.name for each in done.wanted] == [asked]


def test_records_are_merged_in_order_with_the_mildest_end() -> None:
    """What one record must say where there are several: each term once, nobody refused who was not refused by all."""
    assert merge_records(["v=spf1 mx include:a.example -all", "v=spf1 include:a.example ip4:192.0.2.1 ~all"]) == (
        "v=spf1 mx include:a.example ip4:192.0.2.1 ~all"
    )
    assert merge_records(["v=spf1 mx", "V=SPF1 a"]) == "v=spf1 mx a ~all"
    # RFC 7208 6.1: beside `all` a redirect has no effect, so its target would be lost
    assert merge_records(["v=spf1 redirect=b.example", "v=spf1 mx -all"]) == "v=spf1 include:b.example mx -all"
    assert txt_question("acme.dev").view is View.ONE_RESOLVER


def test_a_hostile_record_gives_few_findings() -> None:
    """However often a record repeats a fault, the list of findings stays readable."""
    text = "v=spf1 " + "ip4:10.0.0.1 ptr include:acme.dev " * 59 + "+all"
    assert len(text) < MAX_TEXT
    subject = SpfText(host="acme.dev", texts=(text, "spf2.0/pra", "spf2.0/mfrom"), seen={})
    codes = [diagnosis.code for diagnosis, _ in spf_advice.find_advice(subject)]
    assert {"spf.private-address", "spf.ptr", "spf.include-loop", "spf.plus-all"} <= set(codes)
    assert max(codes.count(code) for code in codes) <= spf_advice.MAX_OF_CODE


def test_what_is_longer_than_any_real_record_is_not_read() -> None:
    """A text of more than 2,048 characters costs nothing, and never passes: it is said that it was not read."""
    longest = "v=spf1 " + "a" * (MAX_TEXT - 7)
    assert parse_spf_record(longest).permanent_error is not parse_spf_record(longest + "a").permanent_error
    unread = parse_spf_record("v=spf1 +all " + "a" * MAX_TEXT)
    assert unread.permanent_error is not None
    assert (unread.permanent_error.problem, unread.terms) == (SyntaxProblem.NOT_READ, ())


@pytest.mark.parametrize(
    ("domain", "ends_well"),
    [
        ("example.com", True), ("example.com.", True), ("a.b-c", True), ("a.1b", True), ("a.1-2", True),
        ("example", False), ("a.1", False), ("a.-b", False), ("a.b-", False), ("a..", False), ("a.b!", False),
        ("%{d}", True), ("a%%", True), ("a%_", True), ("a%-", True), ("%{d}x", False), ("a.%{d}.b", True),
    ],
)  # fmt: skip
def test_a_domain_spec_ends_in_a_top_label_or_a_macro(domain: str, ends_well: bool) -> None:
    """RFC 7208 7.1: domain-end is a toplabel, with or without a final dot, or a macro-expand."""
    assert (parse_spf_record(f"v=spf1 exists:{domain} -all").permanent_error is None) == ends_well


def test_a_target_that_was_not_read_is_no_fault() -> None:
    """An include whose record is longer than we read leaves the tree incomplete: receivers may well read it."""
    zone: Zone = {("big.example", "TXT"): samples.txt("v=spf1 ip4:192.0.2.1 " + "a" * MAX_TEXT)}
    tree, _, _ = walked("v=spf1 include:big.example -all", zone)
    assert (tree.errors, tree.complete, tree.permanent_error) == ((), False, False)
