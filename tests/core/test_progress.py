"""The progress of a set-up: what is published, what that allows, and what is left."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState, RecordHealth
from letterhead.core.domain.progress import Purpose, Step, progress
from letterhead.core.plan.plan import RecordId, Verdict
from tests.contracts.samples import NOW, domain
from tests.core import samples

ALL = (RecordId.DKIM, RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF, RecordId.DMARC)
VERIFIED = RecordHealth(state=HealthState.VERIFIED, since=NOW)


def stood(dkim: RecordHealth, mail_from: RecordHealth | None, *published: RecordId) -> Domain:
    """Makes a domain with these records published and all others absent."""
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
    pending = RecordHealth(state=HealthState.PENDING, since=NOW)
    plan = samples.plan("acme.dev")
    assert progress(stood(pending, pending, *ALL), plan, NOW).step is Step.WAITING
    assert progress(stood(VERIFIED, pending, *ALL), plan, NOW).step is Step.READY
    assert progress(stood(VERIFIED, VERIFIED, *ALL[:3]), plan, NOW).step is Step.READY
    assert progress(stood(VERIFIED, VERIFIED, *ALL), plan, NOW + timedelta(days=1)).step is Step.DONE
