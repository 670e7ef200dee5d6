"""Hold check_host against the examples of RFC 7208 and a table of our own; nothing that was seen is asked again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letterhead.core.dns.answers import Question, Reply
from letterhead.core.message.auth_result import AuthResult
from letterhead.core.spf.check_host import SpfCheck, check_host
from letterhead.core.spf.macros import expand, new_client
from letterhead.core.spf.record import MAX_TEXT
from tests.core.receiver import Zone, answers

# RFC 7208 appendix A
A = {
    "example.com": {"A": ["192.0.2.10", "192.0.2.11"], "MX": ["10 mail-a.example.com", "20 mail-b.example.com"]},
    "amy.example.com": {"A": ["192.0.2.65"]},
    "bob.example.com": {"A": ["192.0.2.66"]},
    "mail-a.example.com": {"A": ["192.0.2.129"]},
    "mail-b.example.com": {"A": ["192.0.2.130"]},
    "example.org": {"MX": ["10 mail-c.example.org"]},
    "mail-c.example.org": {"A": ["192.0.2.140"]},
    "10.2.0.192.in-addr.arpa": {"PTR": ["example.com"]},
    "11.2.0.192.in-addr.arpa": {"PTR": ["example.com"]},
    "65.2.0.192.in-addr.arpa": {"PTR": ["amy.example.com"]},
    "66.2.0.192.in-addr.arpa": {"PTR": ["bob.example.com"]},
    "129.2.0.192.in-addr.arpa": {"PTR": ["mail-a.example.com"]},
    "130.2.0.192.in-addr.arpa": {"PTR": ["mail-b.example.com"]},
    "140.2.0.192.in-addr.arpa": {"PTR": ["mail-c.example.org"]},
    "4.0.0.10.in-addr.arpa": {"PTR": ["bob.example.com"]},
}


def check(
    record: str | None, ip: str, *, more: Zone | None = None, domain: str = "example.com",
    sender: str = "strong-bad@email.example.com", helo: str = "mx.example.org", silent: tuple[str, ...] = (),
) -> SpfCheck:  # fmt: skip
    """Judge one client by the record of a domain."""
    zone = {name: dict(held) for name, held in {**A, **(more or {})}.items()}
    if record is not None:
        zone.setdefault(domain, {})["TXT"] = [record]
    client, seen = new_client(ip, helo, sender), dict[Question, tuple[Reply, ...]]()
    while True:
        done = check_host(client, domain, seen)
        assert not set(done.wanted) & set(seen)
        if not done.wanted:
            return done
        seen |= answers(done.wanted, zone, silent)


def result(record: str | None, ip: str, **rest: Any) -> str:
    """Return the result's word."""
    return check(record, ip, **rest).judgement.result.value


@pytest.mark.parametrize(
    ("record", "passing", "failing"),
    [
        ("v=spf1 +all", ["192.0.2.1", "2001:db8::1"], []),
        ("v=spf1 a -all", ["192.0.2.10", "192.0.2.11"], ["192.0.2.65"]),
        ("v=spf1 a:example.org -all", [], ["192.0.2.10", "192.0.2.140"]),
        ("v=spf1 mx -all", ["192.0.2.129", "192.0.2.130"], ["192.0.2.10"]),
        ("v=spf1 mx:example.org -all", ["192.0.2.140"], ["192.0.2.129"]),
        ("v=spf1 mx mx:example.org -all", ["192.0.2.129", "192.0.2.130", "192.0.2.140"], ["192.0.2.66"]),
        ("v=spf1 mx/30 mx:example.org/30 -all", ["192.0.2.131", "192.0.2.143"], ["192.0.2.132", "192.0.2.144"]),
        ("v=spf1 ptr -all", ["192.0.2.10", "192.0.2.11", "192.0.2.65"], ["192.0.2.140", "10.0.0.4"]),
        ("v=spf1 ip4:192.0.2.128/28 -all", ["192.0.2.129"], ["192.0.2.65"]),
    ],
)
def test_the_examples_of_the_rfc(record: str, passing: list[str], failing: list[str]) -> None:
    """RFC 7208 A.1, each with who passes and who fails."""
    assert {ip: result(record, ip) for ip in (*passing, *failing)} == {
        **dict.fromkeys(passing, "pass"),
        **dict.fromkeys(failing, "fail"),
    }


MANY = " ".join(f"include:i{number}.example.com" for number in range(11))
INCLUDED = {f"i{number}.example.com": {"TXT": ["v=spf1 ip4:198.51.100.1 -all"]} for number in range(11)}
BELOW = {
    "passes.test": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "loops.test": {"TXT": ["v=spf1 include:example.com"]},
    "broken.test": {"TXT": ["v=spf1 ip4:300.1.1.1"]},
    "six.test": {"AAAA": ["2001:db8::25"]},
    "ten.test": {"MX": [f"10 m{number}.test" for number in range(11)]},
    "twice.test": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
}


@pytest.mark.parametrize(
    ("record", "ip", "wanted", "code"),
    [
        (None, "192.0.2.1", "none", "mail-from.spf-missing"),
        ("v=spf1", "192.0.2.1", "neutral", "spf.no-all"),
        ("v=spf10 -all", "192.0.2.1", "none", "mail-from.spf-missing"),
        ("v=spf1 ?all", "192.0.2.1", "neutral", None),
        ("v=spf1 ~all", "192.0.2.1", "softfail", None),
        ("v=spf1 -ip4:192.0.2.1 +all", "192.0.2.1", "fail", None),
        ("v=spf1 +all", "192.0.2.1", "pass", "spf.plus-all"),
        ("v=spf1 include:passes.test -all", "192.0.2.1", "pass", None),
        ("v=spf1 include:passes.test ~all", "192.0.2.2", "softfail", None),
        ("v=spf1 -include:passes.test +all", "192.0.2.1", "fail", None),
        ("v=spf1 redirect=passes.test", "192.0.2.1", "pass", None),
        ("v=spf1 redirect=passes.test", "192.0.2.2", "fail", None),
        ("v=spf1 redirect=passes.test ?all", "192.0.2.1", "neutral", None),
        ("v=spf1 include:nobody.test -all", "192.0.2.1", "permerror", "spf.include-missing"),
        ("v=spf1 ip4:192.0.2.1 include:nobody.test -all", "192.0.2.1", "pass", None),
        ("v=spf1 redirect=nobody.test", "192.0.2.1", "permerror", "spf.include-missing"),
        ("v=spf1 include:broken.test -all", "192.0.2.1", "permerror", "spf.bad-address"),
        ("v=spf1 include:twice.test -all", "192.0.2.1", "permerror", "spf.several-records"),
        ("v=spf1 include:loops.test -all", "192.0.2.1", "permerror", "spf.include-loop"),
        ("v=spf1 redirect=loops.test", "192.0.2.1", "permerror", "spf.include-loop"),
        ("v=spf1 ip4:192.0.2.1 foo -all", "192.0.2.1", "permerror", "spf.unknown-mechanism"),
        ("v=spf1 include:", "192.0.2.1", "permerror", "spf.syntax"),
        (f"v=spf1 {MANY} +all", "192.0.2.1", "permerror", "spf.too-many-lookups"),
        (f"v=spf1 ip4:192.0.2.1 {MANY} +all", "192.0.2.1", "pass", None),
        ("v=spf1 mx:ten.test +all", "192.0.2.1", "permerror", "spf.too-many-lookups"),
        ("v=spf1 a:x1.test a:x2.test ip4:192.0.2.1 -all", "192.0.2.1", "pass", None),
        ("v=spf1 a:x1.test a:x2.test exists:x3.test ip4:192.0.2.1", "192.0.2.1", "permerror", "spf.void-lookups"),
        ("v=spf1 a:six.test -all", "2001:db8::25", "pass", None),
        ("v=spf1 a:six.test//32 -all", "2001:db8:1::1", "pass", None),
        ("v=spf1 a:six.test/8 -all", "2001:db8:1::1", "fail", None),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8:1::1", "pass", None),
        ("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1", "pass", None),
        ("v=spf1 exists:%{ir}.%{v}.arpa -all", "192.0.2.10", "fail", None),
        ("v=spf1 exists:mail-%{l}.%{d} -all", "192.0.2.77", "pass", None),
        ("v=spf1 ptr:%{d2} a:%{p} -all", "192.0.2.65", "pass", None),
        ("v=spf1 -ptr:nobody.test a:%{p} -all", "192.0.2.65", "pass", None),
        ("v=spf1 a:a..b.test ip4:192.0.2.1 -all", "192.0.2.1", "pass", None),
        ("v=spf1 a:a..b.test mx:a..c.test exists:a..d.test ip4:192.0.2.1 -all", "192.0.2.1", "pass", None),
        ("v=spf1 a:amy.example.com a:bob.example.com a:mail-a.example.com ip6:2001::/16", "2001:db8::1", "pass", None),
        ("v=spf1 a:six.test a:six.test a:six.test ip4:192.0.2.1", "192.0.2.1", "pass", None),
        ("v=spf1 a:x1.test a:x2.test a:x3.test ip6:2001:db8::/32", "2001:db8::1", "permerror", "spf.void-lookups"),
        ("v=spf1 exp=why.test x=%{i} -all", "192.0.2.1", "fail", None),
    ],
)  # fmt: skip
def test_a_table_of_records(record: str | None, ip: str, wanted: str, code: str | None) -> None:
    """Each mechanism, qualifier, limit and error, with the finding that explains it."""
    sender = "a@example.com"
    judgement = check(record, ip, more={**BELOW, **INCLUDED}, sender=sender).judgement
    assert (judgement.result.value, judgement.code) == (wanted, code), judgement.why
    assert judgement.why
    assert judgement.fix or wanted == "pass"


@pytest.mark.parametrize(
    ("local", "spec", "name"),
    [
        ("bounce+117-ab=reader", "%{l}._spf.%{d}", "bounce+117-ab=reader._spf.example.com"),
        ("prvs=0123456789=amy", "%{l}._spf.%{d}", "prvs=0123456789=amy._spf.example.com"),
        ("bounce+117", "%{L}._spf.%{d}", "bounce%2b117._spf.example.com"),
        ("amy", "%{s}._spf.%{d}", "amy\\@example.com._spf.example.com"),
        ("amy", "%{h}._spf.%{d}", "[192.0.2.1]._spf.example.com"),
    ],
)
def test_a_name_of_any_characters_is_asked_for(local: str, spec: str, name: str) -> None:
    """RFC 7208 5.7 and 7.3: what a sender or a client writes is part of the name, whatever characters it has."""
    there = {name: {"A": ["127.0.0.2"]}}
    record, sender = f"v=spf1 exists:{spec} -all", f"{local}@example.com"
    assert result(record, "192.0.2.1", sender=sender, helo="[192.0.2.1]", more=there) == "pass"
    assert result(record, "192.0.2.1", sender=sender, helo="[192.0.2.1]") == "fail"


def test_a_record_that_is_not_read_is_not_known() -> None:
    """A limit of ours is no fault of the record: receivers may read on, so it is no permanent error."""
    long = "v=spf1 " + "ip4:198.51.100.1 " * 150 + "-all"
    assert len(long) > MAX_TEXT
    for record, more in ((long, {}), ("v=spf1 include:long.test -all", {"long.test": {"TXT": [long]}})):
        judgement = check(record, "192.0.2.1", more=more).judgement
        assert (judgement.result.value, judgement.code) == ("temperror", "spf.not-read")


def test_silence_is_a_temporary_error() -> None:
    """DNS that does not answer is temperror wherever a term needs it; a term before it still decides, and so on for
    ptr, whose silence only makes it match nobody (RFC 7208 5.5)."""
    for record in (
        "v=spf1 a:dead.test -all",
        "v=spf1 include:dead.test -all",
        "v=spf1 mx:dead.test",
        "v=spf1 exists:dead.test",
    ):
        judgement = check(record, "192.0.2.1", silent=("dead.test",)).judgement
        assert (judgement.result.value, "dead.test" in judgement.why) == ("temperror", True), record
    assert result("v=spf1 a -all", "192.0.2.10", silent=("example.com",)) == "temperror"
    assert result("v=spf1 ip4:192.0.2.1 a:dead.test -all", "192.0.2.1", silent=("dead.test",)) == "pass"
    assert result("v=spf1 ptr -all", "192.0.2.10", silent=("10.2.0.192.in-addr.arpa",)) == "fail"


@pytest.mark.parametrize(
    ("spec", "becomes"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%%.%_.%-", "%. .%20"),
    ],
)
def test_the_macros_of_the_rfc(spec: str, becomes: str) -> None:
    """RFC 7208 7.4, with the sender and the address of its examples."""
    client = new_client("192.0.2.3", "mx.example.org", "strong-bad@email.example.com")
    assert expand(spec, client, "email.example.com") == becomes


def test_the_macros_of_an_ipv6_client() -> None:
    """RFC 7208 7.4: nibble by nibble, backwards, under ip6; and what grows too long loses labels on the left."""
    client = new_client("2001:db8::cb01", "mx.example.org", "strong-bad@email.example.com")
    assert expand("%{ir}.%{v}._spf.%{d2}", client, "email.example.com") == (
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    )
    grown = expand("%{d}." * 20 + "%{d}", client, "email.example.com")
    assert len(grown) <= 253
    assert grown.endswith(".email.example.com")


WORDS = ["a", "mx", "ptr", "+all", "-all", "include:a.test", "include:b.test", "redirect=a.test", "exists:%{i}.test",
         "ip4:192.0.2.1", "ip6::", "a:%{p}", "mx:%{l}.test/8", "exp=a.test", "%", "include:%{d}"]  # fmt: skip


@given(
    st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=3, max_size=3), st.text(max_size=20)
)
def test_any_records_come_to_an_end(texts: list[str], sender: str) -> None:
    """Records that name each other anyhow come to a result within the lookups that are allowed."""
    zone = {f"{name}.test": {"TXT": [f"v=spf1 {text}"]} for name, text in zip("ab", texts[1:], strict=True)}
    done = check(f"v=spf1 {texts[0]}", "192.0.2.10", more=zone, sender=sender)
    assert isinstance(done.judgement, AuthResult)
    assert done.lookups <= 11
