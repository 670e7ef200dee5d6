"""The progress of a set-up: what is published, what that allows, and what is left."""

from datetime import timedelta
from itertools import chain, combinations

import pytest
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, RaisedFinding
from letterhead.core.domain.health import HealthState, RecordHealth
from letterhead.core.domain.progress import Purpose, Step, is_required, progress
from letterhead.core.plan.plan import RecordId, Verdict
from tests.contracts.samples import NOW, domain
from tests.core import samples

ALL = (RecordId.DKIM, RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF, RecordId.DMARC)
VERIFIED, PENDING, FAILED, DRAFT = (
    RecordHealth(state=each, since=NOW)
    for each in (HealthState.VERIFIED, HealthState.PENDING, HealthState.FAILED, HealthState.DRAFT)
)


def stood(dkim: RecordHealth, mail_from: RecordHealth | None, *published: RecordId) -> Domain:
    """Make a domain with these records published and all others absent."""
    verdicts = tuple((each, Verdict.PRESENT if each in published else Verdict.ABSENT) for each in ALL)
    return replace(domain("a", "acme.dev"), dkim=dkim, mail_from_health=mail_from, verdicts=verdicts)


@pytest.mark.parametrize(
    ("published", "left"),
    [
        (ALL, ()),
        (ALL[:3], (Purpose.POLICY,)),
        (ALL[:1], (Purpose.BOUNCE, Purpose.POLICY)),
        ((), (Purpose.SIGN, Purpose.BOUNCE, Purpose.POLICY)),
    ],
)
def test_what_is_left_is_named_by_its_purpose(published: tuple[RecordId, ...], left: tuple[Purpose, ...]) -> None:
    """Each purpose once, however many of its records are left."""
    far = progress(stood(VERIFIED, VERIFIED, *published), samples.plan("acme.dev"), NOW)
    assert (len(far.published), far.planned) == (len(published), len(ALL))
    assert far.purposes_left == left


def test_done_is_only_what_has_nothing_left() -> None:
    """Mail can be sent as soon as DKIM is verified; done is said when nothing is left and all is verified."""
    plan = samples.plan("acme.dev")
    assert progress(stood(PENDING, PENDING, *ALL), plan, NOW).step is Step.WAITING
    assert progress(stood(VERIFIED, PENDING, *ALL), plan, NOW).step is Step.READY
    assert progress(stood(VERIFIED, VERIFIED, *ALL[:3]), plan, NOW).step is Step.READY
    assert progress(stood(VERIFIED, VERIFIED, *ALL), plan, NOW + timedelta(days=1)).step is Step.DONE


SENTENCES = [
    (VERIFIED, VERIFIED, ALL, "4 of 4 published: you can send, and nothing is left"),
    (VERIFIED, VERIFIED, ALL[:3], "3 of 4 published: you can send now; DMARC is recommended and left"),
    (VERIFIED, PENDING, ALL[:1],
     "1 of 4 published: you can send now; the bounce records are left; DMARC is recommended and left"),
    (VERIFIED, PENDING, (ALL[0], ALL[1], ALL[3]),
     "3 of 4 published: you can send now; the SPF record for bounces is left"),
    (VERIFIED, PENDING, ALL, "4 of 4 published: you can send now; the bounce records are not confirmed yet"),
    (PENDING, PENDING, (),
     "0 of 4 published: you can't send yet; the signing key and the bounce records are left; "
     "DMARC is recommended and left"),
    (PENDING, PENDING, ALL[:1],
     "1 of 4 published: you can't send yet; the bounce records are left; DMARC is recommended and left; "
     "the signing key is not confirmed yet"),
    (DRAFT, None, (ALL[3],),
     "1 of 4 published: verification is not started; the signing key and the bounce records are left"),
    (FAILED, FAILED, ALL[1:], "3 of 4 published: you can't send; the signing key is left; "
     "the bounce records are not confirmed yet"),
]  # fmt: skip


@pytest.mark.parametrize(("dkim", "mail_from", "published", "sentence"), SENTENCES)
def test_the_sentence(
    dkim: RecordHealth, mail_from: RecordHealth | None, published: tuple[RecordId, ...], sentence: str
) -> None:
    """The count, whether mail can be sent, and what is left; what is only recommended is called so."""
    assert progress(stood(dkim, mail_from, *published), samples.plan("acme.dev"), NOW).sentence == sentence


def test_what_was_there_before_is_missing_and_not_left() -> None:
    """At risk the sentence says until when mail flows; a record seen once is missing, one never seen is left."""
    risk = RecordHealth(state=HealthState.AT_RISK, since=NOW, stops_sending_at=NOW + timedelta(days=2))
    at_risk = replace(stood(risk, VERIFIED, *ALL[1:3]), published=ALL[:3])
    until = f"{NOW + timedelta(days=2):%Y-%m-%d %H:%M} UTC"
    assert progress(at_risk, samples.plan("acme.dev"), NOW).sentence == (
        f"2 of 4 published: you can send until {until}; the signing key is missing; DMARC is recommended and left"
    )
    over = progress(at_risk, samples.plan("acme.dev"), NOW + timedelta(days=3))
    assert (over.step, over.sentence.partition(": ")[2].partition(";")[0]) == (Step.WAITING, "you can't send")


def test_a_raised_problem_is_not_done() -> None:
    """A blocking finding that no state tells of keeps a domain from being called done."""
    whole = stood(VERIFIED, VERIFIED, *ALL)
    bad = replace(whole, raised=(RaisedFinding(code="zone.dnssec-bogus", since=NOW, raised_at=NOW),))
    far = progress(bad, samples.plan("acme.dev"), NOW)
    assert (far.step, far.sentence) == (Step.READY, "4 of 4 published: you can send now; 1 problem is to be fixed")
    noticed = replace(whole, raised=(RaisedFinding(code="zone.dnssec-bogus", since=NOW),))
    assert progress(noticed, samples.plan("acme.dev"), NOW).step is Step.DONE


@pytest.mark.parametrize("published", list(chain.from_iterable(combinations(ALL, n) for n in range(5))))
@pytest.mark.parametrize("dkim", [DRAFT, PENDING, VERIFIED, FAILED])
@pytest.mark.parametrize("mail_from", [None, PENDING, VERIFIED, FAILED])
def test_no_sentence_contradicts_its_step(
    dkim: RecordHealth, mail_from: RecordHealth | None, published: tuple[RecordId, ...]
) -> None:
    """Over all subsets and states: nothing is left exactly where all is done, and `you can send` where mail can."""
    far = progress(stood(dkim, mail_from, *published), samples.plan("acme.dev"), NOW)
    assert ("nothing is left" in far.sentence) is (far.step is Step.DONE)
    assert ("you can send" in far.sentence) is (far.step is not Step.WAITING) is (dkim is VERIFIED)
    assert ("DMARC" in far.sentence) is (RecordId.DMARC not in published)
    assert far.sentence.startswith(f"{len(published)} of 4 published: ")
    assert sum(each.published for each in far.purposes) == len(published)
    assert [each.purpose for each in far.purposes if each.published < each.planned] == list(far.purposes_left)


def test_the_key_that_signs_is_all_that_sending_requires() -> None:
    """`required` says of each record what the verdict goes by."""
    assert [each.id for each in samples.plan("acme.dev").records if is_required(each)] == [RecordId.DKIM]
