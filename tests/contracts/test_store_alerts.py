"""The store keeps alert channels and what is due to them, on both engines: once for each, shared by account."""

from datetime import timedelta

from letterhead.core.accounts.alert_channels import AlertChannel
from letterhead.core.domain.domain import Event, EventKind
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.alerts import StoredAlertChannel
from letterhead.ports.store.domains import DomainUpdate
from tests.contracts.samples import NOW, Shop, audit, fresh_id, later

MINUTE = timedelta(minutes=1)


def stored(account_id: str) -> StoredAlertChannel:
    """Make a channel."""
    channel = AlertChannel(id=fresh_id("alert"), account_id=account_id, name="Team", scheme="ntfys", created_at=NOW)
    return StoredAlertChannel(channel=channel, sealed=b"sealed")


async def test_a_channel_comes_back_for_its_account_alone(shop: Shop) -> None:
    """By its id and in the list; another account finds nothing and deletes nothing; beyond the most, none is added."""
    mine, other = await shop.account(), await shop.account()
    kept = stored(mine.id)
    assert await shop.store.add_alert_channel(kept, 1, audit("alert-channel.add"))
    assert not await shop.store.add_alert_channel(stored(mine.id), 1, audit())
    assert await shop.store.alert_channel(mine.id, kept.channel.id) == kept
    assert await shop.store.alert_channels(mine.id) == [kept.channel]
    assert await shop.store.alert_channel(other.id, kept.channel.id) is None
    assert await shop.store.alert_channels(other.id) == []
    assert not await shop.store.delete_alert_channel(other.id, kept.channel.id, audit())
    await shop.store.note_alert_channel(kept.channel.id, later(minutes=1), "it answered 404")
    await shop.store.note_alert_channel(kept.channel.id, later(minutes=2), "it answered 410")
    (failing,) = await shop.store.alert_channels(mine.id)
    assert (failing.failing_since, failing.used_at) == (later(minutes=1), later(minutes=2))
    assert failing.failure == "it answered 410"
    assert failing in await shop.store.failing_alert_channels(1000)
    await shop.store.note_alert_channel(kept.channel.id, later(minutes=3), None)
    assert (await shop.store.alert_channels(mine.id))[0].failing_since is None
    assert await shop.store.delete_alert_channel(mine.id, kept.channel.id, audit())
    assert await shop.store.alert_channels(mine.id) == []


async def test_an_alert_is_due_once_to_each_channel(shop: Shop) -> None:
    """Queued once for ever, leased to one, marked before it is sent, and gone with its channel."""
    mine = await shop.account()
    for _ in range(2):
        await shop.store.add_alert_channel(stored(mine.id), 5, audit())
    domain = await shop.domain(mine.id, f"{fresh_id('alerts').replace('_', '-')}.example")
    event = Event(kind=EventKind.DOMAIN_FAILED, at=NOW, detail="failed")
    assert await shop.store.save(DomainUpdate(domain=domain, events=(event,)))
    until = later(minutes=5)
    claimed = await shop.store.claim_reminders(NOW, until, "worker", 1000)
    (reminder,) = [each for each in claimed if each.account_id == mine.id]
    for _ in range(2):
        await shop.store.queue_alerts(reminder.id, mine.id, NOW)
    held = PlacesHeld(places=1000, by_account={}, served={})
    due = [each for each in await shop.store.claim_alerts(NOW, until, "worker", 1000, held=held)
           if each.account_id == mine.id]  # fmt: skip
    assert [(each.domain_id, each.reminder, each.attempts) for each in due] == [(domain.id, reminder.reminder, 0)] * 2
    assert len({each.channel_id for each in due}) == 2
    assert not [each for each in await shop.store.claim_alerts(NOW, until, "other", 1000) if each.account_id == mine.id]
    first, second = due
    assert not await shop.store.mark_alert_handed_over(first.id, "other", NOW)
    assert await shop.store.mark_alert_handed_over(first.id, "worker", NOW)
    await shop.store.settle_alert(first.id, "sent", "it answered 200")
    assert await shop.store.mark_alert_handed_over(second.id, "worker", NOW)
    await shop.store.postpone_alert(second.id, later(minutes=10), "it answered 503")
    again = await shop.store.claim_alerts(later(minutes=11), later(minutes=12), "worker", 1000)
    assert [(each.id, each.attempts) for each in again if each.account_id == mine.id] == [(second.id, 1)]
    await shop.store.delete_alert_channel(mine.id, second.channel_id, audit())
    later_on = await shop.store.claim_alerts(later(hours=9), later(hours=10), "worker", 1000)
    assert not [each for each in later_on if each.account_id == mine.id]
