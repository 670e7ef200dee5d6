"""DMARC by RFC 9989: any text can be read, the tree walk finds the record in force, and checkdmarc reads the same."""

import time

import pytest
from checkdmarc import dmarc as oracle
from hypothesis import example, given, settings
from hypothesis import strategies as st

from letterhead.core.check import check
from letterhead.core.dmarc.record import DmarcProblem, ReportUri, parse_dmarc_record, problems, reports
from letterhead.core.dmarc.tree_walk import organisational_domain, policy_in_force, texts_at, walk
from letterhead.core.dns.answers import NxDomain, Seen, Unanswered, View, Why
from letterhead.core.findings.diagnosis import Severity
from tests.core import samples

GONE = NxDomain(negative_ttl=300)
SILENT = Unanswered(why=Why.TIMEOUT)
NONE, REJECT = "v=DMARC1; p=none", "v=DMARC1; p=reject"
REPORTS = "rua=mailto:dmarc@acme.dev"


def tree(**records: str | None) -> Seen:
    """Publish records at the DMARC names of domains (`_` for `.`); nothing where it is None, no answer for "?"."""
    seen: Seen = {}
    for name, text in records.items():
        host = f"_dmarc.{name.replace('_', '.')}"
        answer = GONE if text is None else samples.found(host, "TXT", samples.txt(*text.split("|")))
        seen = {
            **seen,
            **samples.asked(host, "TXT", View.ONE_RESOLVER, Unanswered(why=Why.TIMEOUT) if text == "?" else answer),
        }
    return seen


# --- the form --------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["v=DMARC1", "v = DMARC1", "p=none", "P=Reject", "sp=quarantine", "np", "pct=50", "rua=mailto:a@b.dev,x", " ", "="]
    + ["t=y rua=x", "é=1"]
)


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=8).map(";".join)))
@example("v=DMARC1;" + ";" * 50)
def test_any_text_can_be_read(text: str) -> None:
    """Reading never raises, and whatever is said of a part points at that part."""
    record = parse_dmarc_record(text)
    for tag in record.tags:
        assert text[tag.value_at : tag.value_at + len(tag.value)] == tag.value
        assert text[tag.start : tag.end].lower().startswith(tag.name)
    spots: list[DmarcProblem | ReportUri] = [*problems(record), *reports(record, "rua")]
    assert all(0 <= spot.start <= spot.end <= len(text) for spot in spots)
    assert record.policy_of("np", "sp", "p") in ("none", "quarantine", "reject")


@pytest.mark.parametrize(
    "text",
    ["v=DMARC1;" + "p=" * 8000, "v=" + " " * 16000, "rua=" + "mailto:a@b," * 1500, ";" * 16000, "fo=" + "0:" * 8000]
    + [
        "v=DMARC1; p=" + " p" * 8000,
        "rua=mailto:a@" + "a." * 8000,
        "rua=mailto:a@b.dev" + "!1" * 8000,
        "p=" + "\t" * 16000,
    ],
)
def test_reading_takes_linear_time(text: str) -> None:
    """16 KB of whatever takes no longer than its length asks for."""
    began = time.thread_time()
    record = parse_dmarc_record(text)
    problems(record), reports(record, "rua")
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    ("text", "current"),
    [
        ("v=DMARC1", True),
        ("v=DMARC1;", True),
        ("V\t= DMARC1 ;p=none", True),
        ("v=DMARC1 p=none", False),
        ("v=DMARC1,p=none", False),
        ("v=dmarc1;p=none", False),
        (" v=DMARC1;p=none", False),
        ("v=DMARC10;p=none", False),
        ("p=none;v=DMARC1", False),
        ("", False),
    ],
)
def test_only_what_begins_with_the_version_is_a_record(text: str, current: bool) -> None:
    """RFC 9989 4.7: v first, DMARC1 in capitals, then a semicolon or the end; all else is ignored as a whole."""
    assert parse_dmarc_record(text).is_dmarc is current


@pytest.mark.parametrize(
    ("text", "enforceable"),
    [
        ("v=DMARC1; p=none", True),
        ("v=DMARC1; p=QUARANTINE", True),
        ("v=DMARC1", False),
        (f"v=DMARC1; {REPORTS}", True),
        ("v=DMARC1; rua=dmarc@acme.dev", False),
        ("v=DMARC1; p=nil", False),
        (f"v=DMARC1; p=nil; {REPORTS}", True),
        ("v=DMARC1; p=reject; sp=nil", False),
        ("v=DMARC1; p=none; p=none", False),
        ("v=DMARC1; p=reject; pct=0; whatever=1", True),
    ],
)
def test_a_record_needs_a_policy_or_an_address(text: str, enforceable: bool) -> None:
    """RFC 9989 4.10.1: without good policies receivers act as if p=none, and only where reports are wanted."""
    assert parse_dmarc_record(text).is_enforceable is enforceable


# --- the walk --------------------------------------------------------------------------------------------------


def test_a_walk_looks_at_eight_names_at_most() -> None:
    """RFC 9989 4.10: the example of the standard, name for name."""
    assert walk("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )
    assert walk("acme.dev") == ("acme.dev", "dev")
    assert len(walk("a.b.c.d.e.f.g.h")) == 8


@pytest.mark.parametrize(
    ("sender", "seen", "found"),
    [
        ("acme.dev", tree(acme_dev="v=DMARC1; p=reject; sp=none"), ("acme.dev", "reject")),
        ("mail.acme.dev", tree(mail_acme_dev=None, acme_dev="v=DMARC1; p=reject"), ("acme.dev", "reject")),
        ("mail.acme.dev", tree(mail_acme_dev=None, acme_dev="v=DMARC1; p=reject; sp=none"), ("acme.dev", "none")),
        ("mail.acme.dev", tree(mail_acme_dev=None, acme_dev="v=DMARC1; p=none; np=reject"), ("acme.dev", "none")),
        # the organisational domain's record, not the one between
        ("a.b.acme.dev", tree(a_b_acme_dev=None, b_acme_dev=NONE, acme_dev=REJECT), ("acme.dev", "reject")),
        ("a.b.acme.dev", tree(a_b_acme_dev=None, b_acme_dev=f"{NONE}; psd=n", acme_dev=REJECT), ("b.acme.dev", "none")),
        # the public suffix's, where the organisational domain has none
        ("acme.dev", tree(acme_dev=None, dev=f"{REJECT}; psd=y"), ("dev", "reject")),
        ("mail.acme.dev", tree(mail_acme_dev=None, acme_dev=NONE, dev=f"{REJECT}; psd=y"), ("acme.dev", "none")),
        # several are none; what is no record neither
        ("mail.acme.dev", tree(mail_acme_dev=f"{NONE}|{NONE}", acme_dev=REJECT), ("acme.dev", "reject")),
        ("acme.dev", tree(acme_dev="v=spf1 -all|v=DMARC1; p=reject; t=y"), ("acme.dev", "reject")),
        ("acme.dev", tree(acme_dev="v=DMARC1; p=rejct"), None),
        ("acme.dev", tree(acme_dev=None), None),
        ("acme.dev", tree(acme_dev="?", dev="v=DMARC1; p=reject; psd=y"), None),
        ("acme.dev", {}, None),
    ],
)  # fmt: skip
def test_the_policy_in_force(sender: str, seen: Seen, found: tuple[str, str] | None) -> None:
    """RFC 9989 4.10.1: the domain's own record, else the organisational domain's, else the public suffix's."""
    policy = policy_in_force(sender, seen)
    assert (policy and (policy.domain, policy.asked)) == found
    assert policy is None or policy.is_inherited is (policy.domain != sender)


def test_a_name_that_does_not_exist_has_its_own_policy() -> None:
    """RFC 9989 4.7: `np`, then `sp`, then `p`, where the sender's name is seen not to exist."""
    absent = samples.asked("mail.acme.dev", "TXT", View.ONE_SERVER, GONE)
    for tags, asked in (("p=none; sp=quarantine; np=reject", "reject"), ("p=none; sp=quarantine", "quarantine")):
        policy = policy_in_force("mail.acme.dev", {**tree(mail_acme_dev=None, acme_dev=f"v=DMARC1; {tags}"), **absent})
        assert policy is not None
        assert policy.asked == asked


@pytest.mark.parametrize(("asked", "applied"), [("reject", "quarantine"), ("quarantine", "none"), ("none", "none")])
def test_a_test_run_is_one_step_milder(asked: str, applied: str) -> None:
    """RFC 9989 4.7: with t=y receivers apply the policy one level below."""
    policy = policy_in_force("acme.dev", tree(acme_dev=f"v=DMARC1; p={asked}; t=y"))
    assert policy is not None
    assert (policy.asked, policy.applied) == (asked, applied)


def test_organisational_domains_of_the_standard() -> None:
    """RFC 9989 B.4: simple, deep and public suffix examples."""
    simple = tree(signing_example_com="v=DMARC1; p=none", example_com="v=DMARC1; p=none", com=None)
    assert organisational_domain("signing.example.com", simple) == "example.com"
    assert organisational_domain("a.b.c.d.e.f.g.h.i.j.k.example.com", simple) == "example.com"
    suffix = tree(giant_bank_example="v=DMARC1; p=none", bank_example="v=DMARC1; p=none; psd=y", example=None)
    assert organisational_domain("mail.giant.bank.example", suffix) == "giant.bank.example"
    assert organisational_domain("mail.mega.bank.example", suffix) == "mega.bank.example"
    assert organisational_domain("bank.example", suffix) == "bank.example"
    above = tree(bank_example=f"{NONE}; psd=y", example=NONE)  # a walk ends at psd=y, even where it starts there
    assert organisational_domain("bank.example", above) == "bank.example"
    assert organisational_domain("acme.dev", {}) == "acme.dev"


# --- the oracle ------------------------------------------------------------------------------------------------

SPACE = st.sampled_from(["", " ", "  "])
POLICY = st.sampled_from(["none", "quarantine", "reject", "None", "REJECT", "monitor"])
VALUES = {
    "p": POLICY,
    "sp": POLICY,
    "np": POLICY,
    "adkim": st.sampled_from(["r", "s", "S", "strict"]),
    "aspf": st.sampled_from(["r", "s", "x"]),
    "t": st.sampled_from(["y", "n", "yes"]),
    "psd": st.sampled_from(["y", "n", "u", "no"]),
    "fo": st.sampled_from(["0", "1", "d", "1:d:s", "2"]),
    "pct": st.sampled_from(["100", "0", "most"]),
    "ri": st.sampled_from(["86400"]),
    "other": st.sampled_from(["1"]),
}


@st.composite
def written(draw: st.DrawFn) -> str:
    """Write a record of a few tags, some twice, some with values that are none."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=5))
    tags = [f"{name}{draw(SPACE)}={draw(SPACE)}{draw(VALUES[name])}" for name in names]
    return "v=DMARC1" + "".join(f"{draw(SPACE)};{draw(SPACE)}{tag}" for tag in tags) + draw(st.sampled_from(["", ";"]))


@given(written())
@settings(max_examples=400, deadline=None)
def test_checkdmarc_reads_the_same(text: str) -> None:
    """What checkdmarc refuses we find fault with, what it takes we take, and the policies are the same.

    Four differences are wanted. It looks only at known tags for duplicates, as it ignores others first: RFC 6376 3.2
    spoils the list for any. Where `p` is missing it says "none" though no address asks for reports: RFC 9989 4.10.1
    then applies nothing. A wrong word for t, psd or fo is an error there, and one for adkim or aspf is overlooked:
    RFC 9989 4.8 has the default taken for each, so here it is advice. Addresses are left out: it asks DNS about them.
    """
    record = parse_dmarc_record(text)
    assert record.is_dmarc
    try:
        theirs = oracle.parse_dmarc_record(text, "acme.dev")["tags"]
    except oracle.DMARCError:
        assert record.duplicates or record.bad_policies or problems(record)
        return
    assert set(record.duplicates) <= {"other"}
    assert not record.bad_policies
    assert not [each.why for each in problems(record) if not each.why.startswith(("adkim", "aspf"))]
    if record.tag("p"):
        for names in (("p",), ("sp", "p"), ("np", "sp", "p")):
            assert record.policy_of(*names) == theirs[names[0]]["value"]


def test_dmarc_blocks_nothing() -> None:
    """Mail flows without DMARC: none of its findings stops a status."""
    ours = [each for code, each in check.DIAGNOSES.items() if code.startswith("dmarc.")]
    assert len(ours) > 20
    assert not [each.code for each in ours if each.severity is Severity.BLOCKING]


def test_an_address_behind_a_semicolon_is_explained() -> None:
    """A comma was meant, or `ruf=`; and the value in the fix keeps both addresses."""
    record = parse_dmarc_record("v=DMARC1; p=none; rua=mailto:a@acme.dev; mailto:b@acme.dev")
    (problem,) = problems(record)
    assert record.text[problem.start : problem.end] == "mailto:b@acme.dev"
    assert "a comma" in problem.why
    assert "ruf=" in problem.why


def test_an_empty_tag_is_harmless_and_points_at_its_semicolon() -> None:
    """RFC 9989 4.8: a tag stands between two semicolons; a final one may stay."""
    record = parse_dmarc_record("v=DMARC1;; p=none;")
    (problem,) = problems(record)
    assert (problem.start, problem.end, problem.harmless) == (9, 10, True)
    assert problems(parse_dmarc_record("v=DMARC1; p=none ; ")) == ()


def test_a_record_that_is_too_long_is_not_read() -> None:
    """Nothing is known of its policy, so nothing is said of one: neither that it applies nor that there is none."""
    text = "v=DMARC1; p=reject; rua=" + ",".join(["mailto:reports@acme.dev"] * 90)
    seen = tree(acme_dev=text)
    assert (parse_dmarc_record(text).is_dmarc, parse_dmarc_record(text).tags) == (True, ())
    assert texts_at("acme.dev", seen) is None
    assert policy_in_force("acme.dev", seen) is None
