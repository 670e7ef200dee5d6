"""What a clock wrote that was ahead for a moment is brought back, on either engine, and nothing else is."""

from datetime import timedelta

from msgspec.structs import replace

from letterhead.core.domain.domain import Effect
from letterhead.core.plan.plan import Verdict
from letterhead.core.schedule.check_schedule import LONGEST
from letterhead.ports.store.domains import DomainUpdate
from tests.contracts.samples import NOW, Shop, checkup, later

AHEAD = timedelta(days=300)


async def test_what_lies_beyond_the_longest_interval_is_due(shop: Shop) -> None:
    """A check that nobody could have planned so late is due now; the latest that somebody could is left alone."""
    made = await shop.account()
    usual = await shop.domain(made.id, "usual.example", next_check_at=NOW + LONGEST)
    distant = await shop.domain(made.id, "distant.example", next_check_at=NOW + AHEAD)
    await shop.domain(made.id, "asked.example", next_check_at=None)
    assert await shop.store.claim_due(NOW, later(minutes=1), "worker", 10) == []
    assert (await shop.store.backlog(NOW)).misdated == 1
    assert await shop.store.recall_misdated(NOW) == 1
    assert [each.id for each in await shop.store.claim_due(NOW, later(minutes=1), "worker", 10)] == [distant.id]
    assert await shop.store.recall_misdated(NOW) == 0
    assert (await shop.store.backlog(NOW)).misdated == 0
    assert await shop.store.domain_by_id(usual.id) == usual


async def test_a_check_in_the_future_is_made_again(shop: Shop) -> None:
    """A domain that was checked by a clock three days ahead is due, though its next check is not too far away."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com", next_check_at=later(days=3, hours=6))
    assert await shop.store.save(DomainUpdate(domain=one, check=checkup(later(days=3))))
    assert (await shop.store.backlog(NOW)).misdated == 1
    assert await shop.store.recall_misdated(NOW) == 1
    assert len(await shop.store.claim_due(NOW, later(minutes=1), "worker", 10)) == 1
    assert await shop.store.recall_misdated(NOW) == 0


async def test_a_confirmed_check_has_the_time_of_the_right_clock(shop: Shop) -> None:
    """Once a check confirms one from the future, the last check is no longer in the future."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    assert await shop.store.save(DomainUpdate(domain=one, check=checkup(NOW + AHEAD)))
    assert await shop.store.confirm(replace(one, version=one.version + 1), NOW)
    assert (await shop.store.last_checks([one.id]))[one.id].taken_at == NOW


async def test_an_outage_is_seen_after_a_check_in_the_future(shop: Shop) -> None:
    """An answer from the future does not outlive the right clock: zones that fall silent after it are counted."""
    made = await shop.account()
    heard = await shop.domain(made.id, "heard.example", next_check_at=None)
    assert await shop.store.save(DomainUpdate(domain=heard, check=checkup(NOW + AHEAD)))
    one = checkup(NOW)
    silent = replace(one, results=tuple(replace(each, verdict=Verdict.UNANSWERED) for each in one.results))
    quiet = await shop.domain(made.id, "quiet.example")
    assert await shop.store.save(DomainUpdate(domain=quiet, check=silent))
    assert await shop.store.resolver_outage() is None
    assert await shop.store.recall_misdated(NOW) == 1
    outage = await shop.store.resolver_outage()
    assert outage is not None
    assert outage.zones == 1


async def test_leases_and_work_come_back(shop: Shop) -> None:
    """Leases, intents and slots of rates that a clock took which was ahead are free; those of the right clock stay."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    assert await shop.store.save(DomainUpdate(domain=one, effects=(Effect.REGISTER,)))
    await shop.store.claim_due(NOW + AHEAD, NOW + AHEAD + timedelta(seconds=90), "killed", 10)
    (intent,) = await shop.store.claim_intents(NOW + AHEAD, NOW + AHEAD + timedelta(seconds=90), "killed", 10)
    await shop.store.postpone_intent(intent.id, NOW + AHEAD, "the provider was out of reach")
    minute = timedelta(minutes=1)
    assert await shop.store.take_rate_slot("ses:eu-west-1", NOW + AHEAD, minute, NOW + AHEAD) is not None
    assert await shop.store.take_rate_slot("ses:eu-west-1", NOW, minute, later(hours=1)) is None
    assert await shop.store.recall_misdated(NOW) == 1
    assert len(await shop.store.claim_due(NOW, later(seconds=90), "worker", 10)) == 1
    assert [each.id for each in await shop.store.claim_intents(NOW, later(seconds=90), "worker", 10)] == [intent.id]
    assert await shop.store.take_rate_slot("ses:eu-west-1", NOW, minute, NOW) == NOW
    assert await shop.store.recall_misdated(NOW) == 0
    assert await shop.store.claim_due(NOW, later(seconds=90), "other", 10) == []
