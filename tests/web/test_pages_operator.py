"""The operator's page: how late checks began, what the provider's account allows and has used."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from letterhead.core.schedule.check_lag import SLOT, step_of
from letterhead.operations.self_monitoring import CHECKS
from letterhead.ports.provider import HealthItem, ProviderHealth, Quota, QuotaUse
from letterhead.web.pages.pictures import WIDTH, format_duration
from letterhead.web.templating.texts import Texts
from tests.web.conftest import OPERATOR_TOKEN, Installation
from tests.web.test_pages import sign_in


async def shown(house: Installation) -> str:
    """Open the operator's first page."""
    async with house.client() as operator:
        await sign_in(operator, OPERATOR_TOKEN)
        page = await operator.get("/operator")
        assert page.status_code == 200
        return page.text


async def test_the_last_day_of_lateness_is_drawn(house: Installation) -> None:
    """Two lines with a gap where nothing began, and a sentence that says the same in words."""
    now = datetime.now(UTC)
    late = {(now, step_of(timedelta(seconds=0.1))): 98, (now, step_of(timedelta(seconds=60))): 2}
    early = {(now - 3 * SLOT, 0): 1}
    await house.deps.store.add_to_histogram(CHECKS, late | early)
    page = await shown(house)
    assert "101 checks began: half of them within 0.064 s of their time, 99 of 100 within" in page
    drawn = re.search(r'<path class="drawn of-most" d="([^"]+)"', page)
    assert drawn is not None
    assert drawn[1].count("M") == 2
    assert "No check has begun" not in page


async def test_a_first_hour_fills_its_picture(house: Installation) -> None:
    """Where checks began only lately, the picture begins an hour ago, not a day: no crumbs at its edge."""
    now = datetime.now(UTC)
    await house.deps.store.add_to_histogram(CHECKS, {(now, 3): 5, (now - 2 * SLOT, 3): 5})
    page = await shown(house)
    drawn = re.search(r'<path class="drawn of-half" d="M([\d.]+) ', page)
    assert drawn is not None
    assert float(drawn[1]) == pytest.approx(WIDTH * 9 / 12)
    begins = re.search(r'under-plot"><span><time datetime="([^"]+)"', page)
    assert begins is not None
    assert timedelta(minutes=50) < now - datetime.fromisoformat(begins[1]) <= timedelta(hours=1)


async def test_nothing_to_draw_is_said(house: Installation) -> None:
    """Without a check in a day there is no picture but a sentence, and a provider nobody asked is told as one."""
    page = await shown(house)
    assert "No check has begun in the last 24 hours." in page
    assert 'class="plot"' not in page
    assert "Nobody has asked it yet." in page


async def test_the_provider_s_budget_is_told(house: Installation) -> None:
    """Mails, identities and calls: used, allowed, when it was asked; and what is wrong there with what to do."""
    now = datetime.now(UTC)
    uses = (QuotaUse(quota=Quota.MAILS, used=1234, allowed=50_000), QuotaUse(quota=Quota.RATE, allowed=14))
    told = (
        HealthItem(said="sandbox: so it is", ok=False, fix="Ask for production access.", uses=uses),
        HealthItem(said="1 identity", uses=(QuotaUse(quota=Quota.IDENTITIES, used=1),)),
    )
    await house.deps.store.save_provider_health("simulated", ProviderHealth(at=now, items=told))
    for _ in range(3):
        await house.deps.store.take_rate_slot("ses:eu-west-1", now, timedelta(seconds=1), now + timedelta(minutes=1))
    await house.deps.store.take_rate_slot("reconcile", now, timedelta(days=1), now)
    page = await shown(house)
    section = re.search(r'<section class="card" id="provider">.*?</section>', page, re.DOTALL)
    assert section is not None
    words = " ".join(re.sub(r"<[^>]+>", " ", section[0]).split())
    assert "Mails in 24 hours 1 234 of 50 000" in words
    assert "Mails a second at most 14" in words
    assert "Identities 1 no limit" in words
    assert "In trouble sandbox: so it is Ask for production access." in words
    assert "ses:eu-west-1 3 of 86 400 The next call can go in" in words
    assert "reconcile" not in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0625, "0.062 s"), (1, "1 s"), (59.4, "59 s"), (60, "1 min"), (5400, "1.5 h"), (36000, "10 h"), (259200, "3 d")],
)
def test_a_span_is_written_in_one_unit(seconds: float, words: str) -> None:
    """With two figures at most."""
    assert format_duration(Texts(), seconds) == words
