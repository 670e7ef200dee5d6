"""The whole life of a sender domain at Amazon SES, with its emulator and real DNS."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.core.domain import lifecycle
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_identity import Presence, ProviderStatus
from letterhead.operations import domains
from letterhead.operations.audit import Actor
from letterhead.operations.provider_work import owner_tag
from tests.operations.ses_story import SesStory, ses_story
from tests.operations.world import Clock
from tests.rigs.dns_lab import DnsLab

OPERATOR = Actor(name="operator")


@pytest.fixture
async def story(lab: DnsLab, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SesStory]:
    """Open an installation that sends by SES."""
    async with ses_story(lab, clock, tmp_path, monkeypatch) as story:
        yield story


async def test_an_unproven_claim_never_reaches_the_account(zone: str, story: SesStory) -> None:
    """What to publish is known without SES, and SES is told nothing before DNS shows our key."""
    domain = await story.world.look((await story.world.add(zone)).sender)
    values = {each.rdtype: each.value for each in story.plan(domain) if each.host == domain.mail_from}
    assert values == {"MX": "feedback-smtp.eu-west-1.amazonses.com", "TXT": "v=spf1 include:amazonses.com ~all"}
    await story.look(zone, hours=1)
    assert story.ses.ledger == []


async def test_from_published_to_success_on_both(zone: str, story: SesStory) -> None:
    """Our evidence first, then SES: key, tag and MAIL FROM are as planned, and each has its own word and time."""
    domain = await story.world.add(zone)
    story.publish(*story.plan(domain))
    domain = await story.world.look(zone)
    assert domain.dkim.state is HealthState.PENDING
    held = story.identity(zone)
    assert (held.tokens, held.public_key) == ([domain.selector], domain.public_key)
    assert "/".join(held.tags.values()) == owner_tag(story.world.deps, domain)
    assert (held.mail_from, held.on_mx_failure) == (domain.mail_from, "USE_DEFAULT_VALUE")
    await story.world.look(zone)
    assert await story.codes(zone) == ["identity.provider-lags"]
    domain = await story.look(zone, minutes=1)
    assert domain.dkim.state is HealthState.VERIFIED
    assert domain.mail_from_health is not None
    assert domain.mail_from_health.state is HealthState.VERIFIED
    assert domain.identity is not None
    assert (domain.identity.dkim_said, domain.identity.mail_from_said) == ("SUCCESS", "SUCCESS")
    assert domain.identity.checked_at == story.clock()
    assert domain.tokens == (domain.selector,)
    assert await story.codes(zone) == []
    assert len(story.ses.calls("CreateEmailIdentity")) == 1
    assert len(story.ses.calls("PutEmailIdentityMailFromAttributes")) == 1


async def test_mail_from_is_a_machine_of_its_own(zone: str, story: SesStory) -> None:
    """Without its MX a MAIL FROM domain is pending, there and here, and DKIM does not mind."""
    domain = await story.world.add(zone)
    story.publish(*(each for each in story.plan(domain) if each.rdtype != "MX"))
    await story.world.look(zone)
    domain = await story.look(zone, minutes=1)
    assert domain.dkim.state is HealthState.VERIFIED
    assert domain.mail_from_health is not None
    assert domain.mail_from_health.state is HealthState.PENDING
    assert domain.identity is not None
    assert (domain.identity.dkim, domain.identity.mail_from) == (ProviderStatus.SUCCESS, ProviderStatus.PENDING)
    story.publish(*story.plan(domain))
    domain = await story.look(zone, minutes=1)
    assert domain.mail_from_health is not None
    assert domain.mail_from_health.state is HealthState.VERIFIED


async def test_mail_from_that_ses_gave_up_is_put_again(zone: str, story: SesStory) -> None:
    """SES stops looking for an MX too; once DNS has it, MAIL FROM is put again and DKIM left alone."""
    domain = await story.world.add(zone)
    story.publish(*(each for each in story.plan(domain) if each.rdtype != "MX"))
    await story.world.look(zone)
    await story.look(zone, minutes=1)
    story.ses.state.pin(zone, mail_from_status="FAILED")
    await story.world.look(zone)
    assert len(story.ses.calls("PutEmailIdentityMailFromAttributes")) == 1
    story.publish(*story.plan(domain))
    await story.world.look(zone)
    assert len(story.ses.calls("PutEmailIdentityMailFromAttributes")) == 2
    assert not story.ses.calls("PutEmailIdentityDkimSigningAttributes")
    story.ses.state.unpin(zone)
    domain = await story.look(zone, minutes=1)
    assert domain.mail_from_health is not None
    assert domain.mail_from_health.state is HealthState.VERIFIED


async def test_removed_then_at_risk_then_back(zone: str, story: SesStory) -> None:
    """A record that goes puts the domain at risk, and one that comes back restores it, at SES too."""
    domain = await story.verified(zone)
    key = story.plan(domain)[0]
    story.lab.withdraw(key.host, "TXT")
    assert (await story.look(zone, hours=6)).dkim.state is HealthState.VERIFIED
    domain = await story.look(zone, minutes=11)
    assert domain.dkim.state is HealthState.AT_RISK
    assert domain.identity is not None
    assert (domain.identity.dkim_said, domain.identity.reason) == ("TEMPORARY_FAILURE", "HOST_NOT_FOUND")
    assert lifecycle.may_send(domain, story.clock())
    story.publish(key)
    for _ in range(13):
        domain = await story.look(zone, minutes=5)
    assert domain.dkim.state is HealthState.VERIFIED
    assert story.identity(zone).status == "SUCCESS"


async def test_deleted_behind_our_back_is_found_and_made_again(zone: str, story: SesStory) -> None:
    """Two looks find it gone and stop sending; it is made again with the same key, and comes back by itself."""
    await story.verified(zone)
    del story.ses.state.identities[zone]
    assert (await story.world.look(zone)).dkim.state is HealthState.VERIFIED
    assert await story.codes(zone) == ["identity.missing-at-provider"]
    domain = await story.look(zone, minutes=11)
    assert domain.dkim.state is HealthState.AT_RISK
    assert not lifecycle.may_send(domain, story.clock())
    assert story.identity(zone).tokens == [domain.selector]
    for _ in range(14):
        domain = await story.look(zone, minutes=5)
    assert domain.dkim.state is HealthState.VERIFIED
    assert len(story.ses.calls("CreateEmailIdentity", "")) == 0
    assert len(story.ses.calls("CreateEmailIdentity", zone)) == 2


async def test_a_replaced_key_is_put_back(zone: str, story: SesStory) -> None:
    """A key that somebody else set at SES is found, even while SES is still looking for it, and ours put back."""
    domain = await story.verified(zone)
    story.identity(zone).tokens, story.identity(zone).status = ["stranger"], "PENDING"
    await story.world.look(zone)
    assert await story.codes(zone) == ["identity.key-replaced"]
    assert story.identity(zone).tokens == [domain.selector]
    assert (await story.look(zone, minutes=1)).dkim.state is HealthState.VERIFIED
    assert await story.codes(zone) == []


async def test_signing_that_was_switched_off_is_switched_on(zone: str, story: SesStory) -> None:
    """An identity that no longer signs is lost to us, whatever its status says."""
    await story.verified(zone)
    story.identity(zone).signing = False
    await story.world.look(zone)
    domain = await story.look(zone, minutes=11)
    assert domain.dkim.state is HealthState.AT_RISK
    assert story.identity(zone).signing


async def test_gave_up_is_started_again_at_most_daily(zone: str, story: SesStory) -> None:
    """SES ends its search after 72 hours; where DNS is right it is started again, once a day."""
    domain = await story.world.add(zone)
    story.publish(*story.plan(domain))
    await story.world.look(zone)
    story.ses.state.pin(zone, status="FAILED", error="HOST_NOT_FOUND")
    await story.world.look(zone)
    assert "identity.provider-gave-up" in await story.codes(zone)
    puts = len(story.ses.calls("PutEmailIdentityDkimSigningAttributes"))
    assert puts == 1
    assert story.identity(zone).status == "PENDING"
    story.ses.state.pin(zone, status="FAILED")
    story.clock.turn(hours=23)
    await story.world.look(zone)
    assert len(story.ses.calls("PutEmailIdentityDkimSigningAttributes")) == puts
    story.clock.turn(hours=2)
    await story.world.look(zone)
    assert len(story.ses.calls("PutEmailIdentityDkimSigningAttributes")) == puts + 1
    story.ses.state.unpin(zone)
    assert (await story.look(zone, minutes=1)).dkim.state is HealthState.VERIFIED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("HOST_NOT_FOUND", "identity.provider-finds-nothing"),
        ("TYPE_NOT_FOUND", "identity.provider-finds-nothing"),
        ("INVALID_VALUE", "identity.provider-reads-another"),
        ("DNS_SERVER_ERROR", "identity.provider-unanswered"),
        ("SERVICE_ERROR", "identity.provider-lags"),
    ],
)
async def test_the_reason_of_ses_is_a_finding(zone: str, story: SesStory, error: str, code: str) -> None:
    """Where DNS is right and SES is not content, its own reason says what to do; it never moves the domain."""
    domain = await story.verified(zone)
    for status in ("PENDING", "TEMPORARY_FAILURE"):
        story.ses.state.pin(zone, status=status, error=error)
        domain = await story.world.look(zone)
        assert await story.codes(zone) == [code]
        assert domain.dkim.state is HealthState.VERIFIED


async def test_a_foreign_identity_is_never_written_to(zone: str, story: SesStory) -> None:
    """What carries somebody else's tag, or none, stays as it is, also when the domain is deleted here."""
    domain = await story.world.add(zone)
    story.ses.state.answer("CreateEmailIdentity", {"EmailIdentity": zone})
    before = repr(story.identity(zone))
    story.publish(*story.plan(domain))
    for _ in range(2):
        domain = await story.world.look(zone)
        story.clock.turn(minutes=11)
    assert domain.dkim.state is HealthState.PENDING
    assert domain.identity is not None
    assert domain.identity.presence is Presence.FOREIGN
    assert await story.codes(zone) == ["identity.not-ours"]
    await domains.delete_domain(story.world.deps, story.world.account.id, zone, OPERATOR)
    await story.world.work()
    assert repr(story.identity(zone)) == before
    assert {each.operation for each in story.ses.ledger} == {"GetEmailIdentity"}


async def test_a_second_claim_and_the_hand_over(zone: str, story: SesStory) -> None:
    """A second account never touches the holder's key; with its record alone for a day it gets an identity anew."""
    first = await story.verified(zone)
    other = SesStory(await story.world.other("second"), story.ses, story.lab, story.clock)
    second = await other.world.add(zone)
    other.publish(other.plan(second)[0])
    second = await other.look(zone, minutes=5)
    assert await other.codes(zone) == ["claim.held"]
    assert story.identity(zone).tokens == [first.selector]
    story.lab.withdraw(story.plan(first)[0].host, "TXT")
    await other.look(zone, minutes=5)
    assert story.identity(zone).tokens == [first.selector]
    second = await other.look(zone, hours=25)
    await other.world.work()  # the loser's withdrawal goes first, then the winner's making
    assert second.is_holder
    assert story.identity(zone).tokens == [second.selector]
    assert story.identity(zone).tags["letterhead-domain"] == second.id
    second = await other.look(zone, minutes=5)
    assert second.dkim.state is HealthState.VERIFIED
    assert not (await story.world.domain(zone)).is_holder


async def test_delete_takes_the_identity_away(zone: str, story: SesStory) -> None:
    """A domain that is deleted here is deleted at SES."""
    await story.verified(zone)
    await domains.delete_domain(story.world.deps, story.world.account.id, zone, OPERATOR)
    await story.world.work()
    assert zone not in story.ses.state.identities
