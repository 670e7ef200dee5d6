"""The simulated provider's moods are told by name and clock alone, so that a demonstration goes the same each time."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from letterhead.adapters.providers.simulated import FORGETS_AFTER, SETTLES_AFTER, SimulatedBehaviour, SimulatedProvider
from letterhead.core.domain.provider_identity import Identity, IdentityUnknown, IdentityWish, Presence, ProviderStatus
from letterhead.core.secret import Secret

KEY = Secret(b"key")
OWNER = "here/account-1/domain-1"
A_SECOND = timedelta(seconds=1)


class Story:
    """Tells one domain's story with the provider, second by second."""

    def __init__(self, sender: str) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.moods: dict[str, SimulatedBehaviour] = {}
        self.provider = SimulatedProvider(lambda: self.now, behaviours=self.moods)
        self.wish = IdentityWish(
            sender=sender, owner=OWNER, selector="lh-x1", public_key="MIIB", mail_from=f"lh.{sender}"
        )

    async def word(self, after: timedelta = timedelta()) -> tuple[Presence, ProviderStatus]:
        self.now += after
        looked = await self.provider.identity_report(self.wish.sender, OWNER)
        assert isinstance(looked, Identity)
        return looked.presence, looked.dkim

    async def register(self) -> None:
        await self.provider.register(self.wish, KEY)


async def test_normal_settles_to_the_second() -> None:
    """A domain is pending until its time is up, then success, MAIL FROM too; registering again costs no time."""
    story = Story("acme.example")
    await story.register()
    assert await story.word(SETTLES_AFTER - A_SECOND) == (Presence.OURS, ProviderStatus.PENDING)
    await story.register()
    assert await story.word(A_SECOND) == (Presence.OURS, ProviderStatus.SUCCESS)
    looked = await story.provider.identity_report("acme.example", OWNER)
    assert isinstance(looked, Identity)
    assert (looked.mail_from, looked.tokens) == (ProviderStatus.SUCCESS, ("lh-x1",))


async def test_new_key_starts_over() -> None:
    """A new selector is looked for anew."""
    story = Story("acme.example")
    await story.register()
    assert await story.word(SETTLES_AFTER) == (Presence.OURS, ProviderStatus.SUCCESS)
    story.wish = msgspec.structs.replace(story.wish, selector="lh-x2")
    await story.register()
    assert await story.word() == (Presence.OURS, ProviderStatus.PENDING)


async def test_pending_for_ever() -> None:
    """A provider that never gets there stays pending for as long as one waits."""
    story = Story("pending.acme.example")
    await story.register()
    assert await story.word(timedelta(days=365)) == (Presence.OURS, ProviderStatus.PENDING)


async def test_refuses_for_good() -> None:
    """A refusal is a value with a reason, which time and restarts leave as it is."""
    story = Story("refuses.acme.example")
    await story.register()
    assert await story.word(timedelta(days=365)) == (Presence.OURS, ProviderStatus.REFUSED)
    restarted = await story.provider.restart(story.wish, KEY)
    assert isinstance(restarted, Identity)
    assert (restarted.dkim, restarted.reason) == (ProviderStatus.REFUSED, "DomainRefused")


async def test_gives_up_until_restarted() -> None:
    """What was given up goes on after a restart, and a plain register is no restart."""
    story = Story("gives-up.acme.example")
    await story.register()
    assert await story.word() == (Presence.OURS, ProviderStatus.PENDING)
    assert await story.word(SETTLES_AFTER) == (Presence.OURS, ProviderStatus.GAVE_UP)
    await story.register()
    assert await story.word() == (Presence.OURS, ProviderStatus.GAVE_UP)
    await story.provider.restart(story.wish, KEY)
    assert await story.word() == (Presence.OURS, ProviderStatus.PENDING)
    assert await story.word(SETTLES_AFTER) == (Presence.OURS, ProviderStatus.SUCCESS)


async def test_forgets_until_registered_again() -> None:
    """An identity lost by the provider is absent, and registering brings it back as from the start."""
    story = Story("forgets.acme.example")
    await story.register()
    assert await story.word(FORGETS_AFTER - A_SECOND) == (Presence.OURS, ProviderStatus.SUCCESS)
    assert await story.word(A_SECOND) == (Presence.ABSENT, ProviderStatus.NOT_STARTED)
    await story.register()
    assert await story.word() == (Presence.OURS, ProviderStatus.PENDING)


async def test_foreign_stays_foreign() -> None:
    """A name that somebody else holds is never ours, whatever we ask for."""
    story = Story("foreign.acme.example")
    await story.register()
    await story.provider.restart(story.wish, KEY)
    await story.provider.withdraw(story.wish.sender, OWNER)
    assert await story.word(SETTLES_AFTER) == (Presence.FOREIGN, ProviderStatus.NOT_STARTED)


async def test_throttled_until_the_mood_turns() -> None:
    """A throttled domain can't be looked at; when the mood turns, what was held before is still there."""
    story = Story("acme.example")
    await story.register()
    story.moods["acme.example"] = SimulatedBehaviour.THROTTLED
    assert isinstance(await story.provider.identity_report("acme.example", OWNER), IdentityUnknown)
    del story.moods["acme.example"]
    assert await story.word(SETTLES_AFTER) == (Presence.OURS, ProviderStatus.SUCCESS)


@pytest.mark.parametrize(
    ("sender", "pending"),
    [
        ("pending.example", True),
        ("a.pending.example", True),
        ("spending.example", False),
        ("a.pending-b.example", False),
    ],
)
async def test_mood_is_a_whole_label(sender: str, pending: bool) -> None:
    """Only a whole label of the name chooses a mood."""
    story = Story(sender)
    await story.register()
    assert ((await story.word(SETTLES_AFTER))[1] is ProviderStatus.PENDING) == pending


async def test_given_mood_beats_the_name() -> None:
    """A mood that was given for a name wins over the name's own labels."""
    story = Story("pending.example")
    story.moods["pending.example"] = SimulatedBehaviour.NORMAL
    await story.register()
    assert await story.word(SETTLES_AFTER) == (Presence.OURS, ProviderStatus.SUCCESS)


async def test_restart_of_the_process_shows_absent() -> None:
    """A new process has forgotten all, and a register mends it: nothing else is needed."""
    story = Story("acme.example")
    await story.register()
    story.provider = SimulatedProvider(lambda: story.now)
    assert await story.word() == (Presence.ABSENT, ProviderStatus.NOT_STARTED)
    await story.register()
    assert await story.word(SETTLES_AFTER) == (Presence.OURS, ProviderStatus.SUCCESS)
