"""The verdict over several servers: all must agree, and silence is never "missing"."""

import pytest

from letterhead.core.check import check
from letterhead.core.dkim import topic
from letterhead.core.dns.answers import Aliased, Answer, NoData, NxDomain, Question, Reply, Unanswered, View, Why
from letterhead.core.dns.records import Rdata
from letterhead.core.plan.plan import RecordId, Verdict, relative_name
from tests.core import samples

PLAN = samples.plan()
RECORD = PLAN.records[0]
RIGHT = samples.found(RECORD.host, "TXT", samples.txt(RECORD.value))
OTHER = samples.found(RECORD.host, "TXT", samples.txt("v=DKIM1; k=rsa; p=AAAA"))
GONE = NxDomain(negative_ttl=300)
EMPTY = NoData(negative_ttl=300)
SILENT = Unanswered(why=Why.TIMEOUT)


@pytest.mark.parametrize(
    ("answers", "verdict", "agreed"),
    [
        ([RIGHT, RIGHT], Verdict.PRESENT, True),
        ([RIGHT, SILENT], Verdict.PRESENT, True),
        ([GONE, EMPTY], Verdict.ABSENT, True),
        ([OTHER, OTHER], Verdict.WRONG, True),
        ([OTHER, GONE], Verdict.WRONG, True),
        ([RIGHT, GONE], Verdict.ABSENT, False),
        ([RIGHT, OTHER], Verdict.WRONG, False),
        ([SILENT, SILENT], Verdict.UNANSWERED, True),
        ([GONE, SILENT], Verdict.ABSENT, True),
    ],
)
def test_all_servers_that_answer_must_agree(answers: list[Answer], verdict: Verdict, agreed: bool) -> None:
    """Present needs every authoritative server that answered; where they differ, the verdict is not yet."""
    seen = samples.asked(RECORD.host, "TXT", View.EVERY_SERVER, *answers)
    standing = check.judge_record(RECORD, seen)
    assert (standing.verdict, standing.agreed) == (verdict, agreed)


@pytest.mark.parametrize("why", list(Why))
def test_no_trouble_is_ever_taken_for_missing(why: Why) -> None:
    """Whatever kept the answer from us, the record is "unanswered"."""
    trouble = Unanswered(why=why)
    seen = samples.asked(RECORD.host, "TXT", View.EVERY_SERVER, trouble, trouble)
    assert check.judge_record(RECORD, seen).verdict is Verdict.UNANSWERED


def test_resolvers_alone_can_only_say_present() -> None:
    """A routine check trusts a resolver's "present", and nothing else that it says."""
    present = samples.asked(RECORD.host, "TXT", View.RECURSIVE, RIGHT)
    absent = samples.asked(RECORD.host, "TXT", View.RECURSIVE, GONE)
    assert check.judge_record(RECORD, present).verdict is Verdict.PRESENT
    assert check.judge_record(RECORD, absent).verdict is Verdict.UNANSWERED


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([RIGHT, RIGHT, GONE], Verdict.PRESENT),
        ([RIGHT, GONE, GONE], Verdict.ABSENT),
        ([RIGHT, GONE, SILENT], Verdict.UNANSWERED),
        ([GONE], Verdict.ABSENT),
    ],
)
def test_standing_in_resolvers_need_a_majority(answers: list[Answer], verdict: Verdict) -> None:
    """Where port 53 is closed, 2 of 3 resolvers must agree."""
    question = Question(name=RECORD.host, rdtype="TXT", view=View.EVERY_SERVER)
    seen = {question: samples.replies(View.RECURSIVE, *answers)}
    assert check.judge_record(RECORD, seen).verdict is verdict


def test_an_alias_is_followed_to_the_key() -> None:
    """A key behind a CNAME counts, since verifiers follow it; a target not asked yet is unanswered."""
    alias = Aliased(target="k.host.example", aliases=("k.host.example",), ttl=60)
    seen = dict(samples.asked(RECORD.host, "TXT", View.EVERY_SERVER, alias))
    assert check.judge_record(RECORD, seen).verdict is Verdict.UNANSWERED
    wanted = check.next_questions(PLAN, seen, thorough=True)
    assert Question(name="k.host.example", rdtype="TXT", view=View.TWO_SERVERS) in wanted
    seen |= samples.asked("k.host.example", "TXT", View.TWO_SERVERS, RIGHT)
    assert check.judge_record(RECORD, seen).verdict is Verdict.PRESENT


def test_an_alias_loop_ends() -> None:
    """Two aliases that point at each other are unanswered, and nothing recurses for ever."""
    back = Aliased(target=RECORD.host, aliases=(RECORD.host,), ttl=60)
    there = Aliased(target="loop.example", aliases=("loop.example",), ttl=60)
    seen = dict(samples.asked(RECORD.host, "TXT", View.EVERY_SERVER, there))
    seen |= samples.asked("loop.example", "TXT", View.TWO_SERVERS, back)
    assert check.judge_record(RECORD, seen).verdict is Verdict.UNANSWERED


def test_a_routine_check_goes_to_the_servers_only_in_doubt() -> None:
    """A healthy domain costs the resolvers' questions alone; a miss there is asked again with authority."""
    routine = check.next_questions(PLAN, {}, thorough=False)
    assert {question.view for question in routine} == {View.RECURSIVE}
    seen = dict(samples.asked(RECORD.host, "TXT", View.RECURSIVE, GONE))
    further = check.next_questions(PLAN, seen, thorough=False)
    assert Question(name=RECORD.host, rdtype="TXT", view=View.EVERY_SERVER) in further


@pytest.mark.parametrize(
    "text",
    [
        f"v=DKIM1; k=rsa; p={samples.KEY};",
        f"v=DKIM1;k=rsa;p={samples.KEY}",
        f"p={samples.KEY}",
        f"v=DKIM1; p={samples.KEY}; t=s",
        f"v=DKIM1; h=sha1:sha256; s=email; p={samples.KEY[:100]} {samples.KEY[100:]}",
        f" v = DKIM1 ; k = rsa ; p = {samples.KEY} ; n=a note",
    ],
)
def test_keys_are_compared_decoded(text: str) -> None:
    """Spaces, order, default tags and a final semicolon do not make a key another key."""
    assert topic.accepts(RECORD, samples.txt(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=DKIM1; k=rsa; p=",
        f"v=DKIM1; k=rsa; p={samples.KEY[:-4]}",
        f"v=DKIM1; k=rsa; p={samples.KEY.lower()}",
        f"v=DKIM1; k=ed25519; p={samples.KEY}",
        f"v=DKIM2; k=rsa; p={samples.KEY}",
        f"k=rsa; p={samples.KEY}; v=DKIM1",
        f"v=DKIM1; h=sha1; p={samples.KEY}",
        f"v=DKIM1; s=tlsrpt; p={samples.KEY}",
        f"v=DKIM1; p={samples.KEY}; p={samples.KEY}",
        f'"v=DKIM1; p={samples.KEY}"',
        f"v=DKIM1; p={samples.KEY} extra",
    ],
)
def test_anything_else_is_another_key(text: str) -> None:
    """Cut, case-changed, revoked, restricted or doubled keys never verify."""
    assert not topic.accepts(RECORD, samples.txt(text))


def test_a_second_text_beside_the_key_is_not_present() -> None:
    """With two records at the selector a verifier may take either (RFC 6376 3.6.2.2)."""
    assert not topic.accepts(RECORD, samples.txt(RECORD.value, "v=spf1 -all"))


@pytest.mark.parametrize(
    ("rdatas", "accepted"),
    [
        (samples.mx("feedback.mail.example"), True),
        (samples.mx("feedback.mail.example", "other.example"), False),
        (samples.mx("other.example"), False),
    ],
)
def test_the_mail_from_domain_has_one_mx(rdatas: tuple[Rdata, ...], accepted: bool) -> None:
    """Exactly one MX, the planned one, whatever its priority."""
    record = PLAN.record(RecordId.MAIL_FROM_MX)
    assert record is not None
    seen = samples.asked(record.host, "MX", View.TWO_SERVERS, samples.found(record.host, "MX", rdatas))
    assert (check.judge_record(record, seen).verdict is Verdict.PRESENT) is accepted


@pytest.mark.parametrize(
    ("texts", "accepted"),
    [
        (["v=spf1 include:spf.mail.example ~all"], True),
        (["v=spf1 mx +include:SPF.mail.example -all"], True),
        (["v=spf1 include:spf.mail.example"], True),
        (["hello", "v=spf1 include:spf.mail.example ~all"], True),
        (["v=spf1 ~all include:spf.mail.example"], False),
        (["v=spf1 -include:spf.mail.example ~all"], False),
        (["v=spf1 include:spf.mail.example ~all", "v=spf1 -all"], False),
        (["v=spf10 include:spf.mail.example"], False),
        (["v=spf1 include:spf.mail.example.evil ~all"], False),
    ],
)
def test_the_mail_from_domain_authorises_the_provider(texts: list[str], accepted: bool) -> None:
    """One SPF record that reaches the provider's terms before any `all`."""
    record = PLAN.record(RecordId.MAIL_FROM_SPF)
    assert record is not None
    seen = samples.asked(record.host, "TXT", View.TWO_SERVERS, samples.found(record.host, "TXT", samples.txt(*texts)))
    assert (check.judge_record(record, seen).verdict is Verdict.PRESENT) is accepted


def test_names_are_written_as_panels_want_them() -> None:
    """A panel appends the zone, so the name is given without it."""
    assert relative_name("lh1._domainkey.mail.acme.dev", "acme.dev") == "lh1._domainkey.mail"
    assert relative_name("acme.dev", "acme.dev") == "@"
    assert relative_name("notacme.dev", "acme.dev") == "notacme.dev"


def test_every_missing_record_is_a_finding_with_a_fix() -> None:
    """What is not there is said with the name, the zone and the value to publish."""
    seen: dict[Question, tuple[Reply, ...]] = {}
    for record in PLAN.records:
        view = View.EVERY_SERVER if record.id is RecordId.DKIM else View.TWO_SERVERS
        seen |= samples.asked(record.host, record.rdtype, view, GONE, GONE)
    found = {finding.record: finding for finding in check.examine(PLAN, seen).findings}
    assert set(found) == {record.id for record in PLAN.records}
    assert all(each.fix and each.expected and "{" not in each.fix + each.detail for each in found.values())
    assert found[RecordId.DKIM].severity == "blocking"
    assert found[RecordId.DMARC].severity == "tip"
