"""Show that the value in an SPF fix is the observed record with one thing mended: no sender is ever thrown away."""

import pytest

from letterhead.core.check import check
from letterhead.core.dns.answers import NoData, Question, Reply, View
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.spf.corrections import add_terms, correct_spelling, correct_version, merge_records
from letterhead.core.spf.record import parse_spf_record
from tests.core import samples

PROVIDER = parse_spf_record("v=spf1 include:spf.mail.example").terms


@pytest.mark.parametrize(
    ("observed", "mended"),
    [
        ("v=spf1 include:a.example ip4:203.0.113.209-all", "v=spf1 include:a.example ip4:203.0.113.209 -all"),
        ("v=spf1 ip4: 203.0.113.9 include:a.example ~all", "v=spf1 ip4:203.0.113.9 include:a.example ~all"),
        ("v=spf1 ip4:203.0.113.9\n ~all", "v=spf1 ip4:203.0.113.9 ~all"),
        ("v=spf1 ip4:203.0.\n113.9 ~all", "v=spf1 ip4:203.0.113.9 ~all"),
        ("v=spf1 a\tmx\t?all", "v=spf1 a mx ?all"),
        ("v=spf1 include:a.example, include:b.example -all", "v=spf1 include:a.example include:b.example -all"),
        ("v=spf1 ip4:203.0.113.9,203.0.113.10 -all", "v=spf1 ip4:203.0.113.9 ip4:203.0.113.10 -all"),
        ("v=spf1 mx include:a.example~all", "v=spf1 mx include:a.example ~all"),
        ("v=spf1 include:a.exampleinclude:b.example ~all", "v=spf1 include:a.example include:b.example ~all"),
        ("v=spf1 include=a.example -all", "v=spf1 include:a.example -all"),
        ("v=spf1 redirect:a.example", "v=spf1 redirect=a.example"),
        ("v=spf1 mx - all", "v=spf1 mx -all"),
        ("v=spf1 mx \u00e2\u0080\u0093all", "v=spf1 mx -all"),  # an en dash, as octets
        ("v=spf1 ipv4:203.0.113.9 inlcude:a.example ~all", "v=spf1 ip4:203.0.113.9 include:a.example ~all"),
        ("v=spf1 203.0.113.9 -all", "v=spf1 ip4:203.0.113.9 -all"),
        ("v=spf1 ip4:2001:db8::9 ip6:203.0.113.9 -all", "v=spf1 ip6:2001:db8::9 ip4:203.0.113.9 -all"),
        ("v=spf1 a:203.0.113.9 include:203.0.113.0/24 -all", "v=spf1 ip4:203.0.113.9 ip4:203.0.113.0/24 -all"),
        ("v=spf1 ip4:mail.a.example -all", "v=spf1 a:mail.a.example -all"),
        ("v=spf1 ip4:203.0.113.0/024 -all", "v=spf1 ip4:203.0.113.0/24 -all"),
        ("v=spf1 mx;-all;", "v=spf1 mx -all"),
    ],
)
def test_a_slip_is_corrected_where_it_stands(observed: str, mended: str) -> None:
    """The term alone is corrected; the rest stays, with the qualifier of `all`."""
    assert correct_spelling(observed) == mended
    assert parse_spf_record(mended).marks == ()


@pytest.mark.parametrize(
    "observed",
    [
        "v=spf1 ip4:203.0.113.999 -all",
        "v=spf1 include:vendor -all",
        "v=spf1 redirect=a.example redirect=b.example",
        "v=spf1 mx hardfail",
        "v=spf1 include: -all",
    ],
)
def test_what_would_be_guessed_has_no_value(observed: str) -> None:
    """Nobody but the owner knows the address, or the name, that is meant."""
    assert correct_spelling(observed) is None


@pytest.mark.parametrize(
    ("observed", "mended"),
    [
        (">v=spf1 mx -all", "v=spf1 mx -all"),
        ("v=spf1;mx -all", "v=spf1 mx -all"),
        ("spf1 mx -all", "v=spf1 mx -all"),
        ("v=spf10 mx -all", "v=spf1 mx -all"),
        ("v = spf1 mx -all", "v=spf1 mx -all"),
        ("v=spf1mx -all", "v=spf1 mx -all"),
        ("nothing of the kind", None),
        ("v=spf1", None),
    ],
)
def test_a_version_is_corrected(observed: str, mended: str | None) -> None:
    """Only the beginning changes."""
    assert correct_version(observed) == mended


@pytest.mark.parametrize(
    ("observed", "mended"),
    [
        ("v=spf1 include:a.example -all", "v=spf1 include:a.example include:spf.mail.example -all"),
        ("v=spf1 mx ?include:spf.mail.example ~all", "v=spf1 mx include:spf.mail.example ~all"),
        ("v=spf1 -all include:spf.mail.example", "v=spf1 include:spf.mail.example -all"),
        ("v=spf1 mx redirect=a.example", "v=spf1 mx include:spf.mail.example redirect=a.example"),
        ("V=SPF1 exp=why.a.example mx", "V=SPF1 exp=why.a.example mx include:spf.mail.example"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "v=spf1 include:spf.mail.example ip4:0.0.0.0/0 -all"),
    ],
)
def test_what_is_missing_is_put_before_the_ending(observed: str, mended: str) -> None:
    """RFC 7208 5.1 and 6.1: what stands after `all`, or beside a redirect, would not count."""
    assert add_terms(parse_spf_record(observed), PROVIDER) == mended


def test_merging_keeps_what_a_redirect_lets_pass() -> None:
    """RFC 7208 6.1: beside `all` a redirect has no effect; an include passes the same clients."""
    assert merge_records(["v=spf1 redirect=a.example", "v=spf1 mx -all"]) == "v=spf1 include:a.example mx -all"
    assert merge_records(["v=spf1 redirect=a.example", "v=spf1 mx"]) == "v=spf1 mx redirect=a.example"


# --- through a whole check -------------------------------------------------------------------------------------


def by_code(code: str, *texts: str, name: str = "lh.acme.dev") -> Finding:
    """Check the usual plan where these are the TXT records of a name; return the finding of this code."""
    plan, seen = samples.plan(), dict[Question, tuple[Reply, ...]]()
    for _ in range(12):
        for question in check.next_questions(plan, seen, thorough=True):
            held = question.name == name and question.rdtype == "TXT" and question.view is not View.DELEGATION
            answer = samples.found(name, "TXT", samples.txt(*texts)) if held else NoData(negative_ttl=60)
            seen.setdefault(question, samples.replies(question.view, answer))
    return next(each for each in check.examine(plan, seen).findings if each.code == code)


@pytest.mark.parametrize(
    ("observed", "code", "value"),
    [
        (
            "v=spf1 mx ip4:203.0.113.9 -all",
            "mail-from.spf-include-missing",
            "v=spf1 mx ip4:203.0.113.9 include:spf.mail.example -all",
        ),
        (
            "v=spf1 ip4:203.0.113.9?all",
            "spf.syntax",
            "v=spf1 ip4:203.0.113.9 include:spf.mail.example ?all",
        ),
        (
            "v=spf1 mx -all include:spf.mail.example",
            "spf.text-after-all",
            "v=spf1 mx include:spf.mail.example -all",
        ),
        ('"v=spf1 mx include:spf.mail.example -all"', "mail-from.quoted", "v=spf1 mx include:spf.mail.example -all"),
        (" v=spf1 mx include:spf.mail.example -all", "mail-from.whitespace", "v=spf1 mx include:spf.mail.example -all"),
        (
            "lh TXT v=spf1 mx include:spf.mail.example -all",
            "mail-from.pasted-line",
            "v=spf1 mx include:spf.mail.example -all",
        ),
        (
            "v=spf2 mx ip4:203.0.113.9 -all",
            "spf.bad-version",
            "v=spf1 mx ip4:203.0.113.9 include:spf.mail.example -all",
        ),
    ],
)
def test_the_fix_keeps_the_other_senders(observed: str, code: str, value: str) -> None:
    """What the fix asks for is in its text and in `expected`, and is not what stands there already."""
    found = by_code(code, observed)
    assert found.expected == value
    assert value in found.fix
    assert found.expected not in found.observed


def test_a_record_that_moves_keeps_its_senders() -> None:
    """Where the record stands at another name, the value to publish is what it says there."""
    text = "v=spf1 mx include:spf.mail.example -all"
    assert by_code("mail-from.name-doubled", text, name="lh.acme.dev.acme.dev").expected == text
    without = by_code("mail-from.name-doubled", "v=spf1 mx -all", name="lh.acme.dev.acme.dev")
    assert without.expected == text
    # It stays where it is needed, so what it says of the domain's own mail is not copied.
    apex = by_code("mail-from.on-apex", text, name="acme.dev")
    assert apex.expected == "v=spf1 include:spf.mail.example ~all"


def test_several_records_become_one_with_all_of_their_senders() -> None:
    """RFC 7208 4.5: one record; and the provider's terms are added where none of them has these."""
    found = by_code("spf.several-records", "v=spf1 mx -all", "v=spf1 ip4:203.0.113.9 ~all")
    assert found.expected == "v=spf1 mx ip4:203.0.113.9 include:spf.mail.example ~all"


def test_without_a_record_the_planned_one_is_the_value() -> None:
    """Nothing readable stands there, so nothing can be lost."""
    found = by_code("mail-from.spf-missing", "unrelated")
    assert found.expected == "v=spf1 include:spf.mail.example ~all"


def test_what_nobody_can_know_is_not_filled_with_the_planned_value() -> None:
    """An address that is none is the owner's to correct: the planned text would drop it."""
    found = by_code("spf.bad-address", "v=spf1 ip4:203.0.113.999 include:spf.mail.example -all")
    assert found.expected is None
    assert "~all" not in found.fix


def test_a_text_beside_the_record_is_merged_into_it() -> None:
    """RFC 7208 4.5: given the right beginning, it would be a second record, and both would count as none."""
    found = by_code("spf.bad-version", "v=spf1 include:spf.mail.example -all", "spf1 ip4:203.0.113.9 -all")
    assert found.expected == "v=spf1 include:spf.mail.example ip4:203.0.113.9 -all"
    assert "the other one deleted" in found.fix


def test_a_sender_s_last_pass_is_not_taken_away() -> None:
    """Without its one include the record would refuse everybody, which nobody wants of a domain that sends."""
    found = by_code("spf.include-missing", "v=spf1 include:gone.acme.dev -all", name="acme.dev")
    assert found.expected is None
