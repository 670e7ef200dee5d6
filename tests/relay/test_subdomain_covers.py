"""Mail from a name below a domain: signed by the domain above it, unless another account has verified the name."""

import pytest

from letterhead.core.plan.plan import RecordId
from letterhead.operations import domains
from letterhead.operations.domain_settings import DomainSettings, change_domain
from tests.operations.test_real_dns import record
from tests.operations.world import OPERATOR, World
from tests.relay.world import ACME, MESSAGE, Relay
from tests.rigs.smtp import Ledger, Mood
from tests.rigs.waiting import until_async

EU = "eu.acme.test"
FROM_EU = MESSAGE.replace("hello@acme.test", f"hello@{EU}")


async def prove(relay: Relay, world: World, sender: str) -> None:
    """Let an account add a name and verify it."""
    await world.add(sender)
    relay.dns.publish(record(world, await world.domain(sender), RecordId.DKIM))
    assert (await world.look(sender)).is_holder


async def switch(relay: Relay, covers: bool) -> None:
    """Let the domain cover the names below it, or not."""
    settings = DomainSettings(covers_subdomains=covers)
    await change_domain(relay.world.deps, relay.world.account.id, ACME, settings, OPERATOR)


def signature(ledger: Ledger) -> str:
    """Return the DKIM signature of the one message, without spaces."""
    (taken,) = ledger.taken
    return "".join(str(taken.message["DKIM-Signature"]).split())


async def test_a_covered_name_is_signed_by_the_domain_above(relay: Relay, ledger: Ledger) -> None:
    """d= is the domain above, with its selector; the envelope's address is of that domain, as its MAIL FROM is."""
    assert (await relay.send(FROM_EU, sender=f"app@{EU}"))[-1][0] == 250
    await until_async(lambda: ledger.taken)
    assert f"d={ACME};" in signature(ledger)
    assert f"s={(await relay.world.domain(ACME)).selector};" in signature(ledger)
    (taken,) = ledger.taken
    assert taken.sender == "app@acme.test"
    assert taken.message["From"] == f"Acme <hello@{EU}>"
    assert taken.message["Message-ID"].endswith(f"@{EU}>")


async def test_a_sender_field_may_name_a_covered_name(relay: Relay, ledger: Ledger) -> None:
    """Sender is held to the same rule as From."""
    assert (await relay.send(f"Sender: list@{EU}\r\n{MESSAGE}"))[-1][0] == 250
    assert "550" in await relay.refused(f"Sender: list@eu.evil.test\r\n{MESSAGE}")


async def test_without_the_cover_it_is_refused_with_what_to_do(relay: Relay) -> None:
    """The domain above is verified and does not cover names below: both ways out are named."""
    await switch(relay, covers=False)
    said = await relay.refused(FROM_EU)
    assert f"{ACME} is verified, and does not cover the names below it" in said
    assert f"Let {ACME} cover the names below it" in said
    assert f"Add {EU} as a sender domain of this account" in said


async def test_what_another_account_has_verified_is_taken_out(relay: Relay, ledger: Ledger) -> None:
    """Pending it changes nothing; verified it takes its name and all below out, and its own account sends."""
    theirs = await relay.world.other("theirs")
    await theirs.add(EU)
    assert (await relay.send(FROM_EU))[-1][0] == 250
    relay.dns.publish(record(theirs, await theirs.domain(EU), RecordId.DKIM))
    assert (await theirs.look(EU)).is_holder
    for sender in (EU, f"deep.{EU}"):
        said = await relay.refused(MESSAGE.replace("hello@acme.test", f"hello@{sender}"))
        assert f"{EU} is taken out of the cover of {ACME}" in said
        assert f"Add {sender} as a sender domain of this account" in said
        assert theirs.account.id not in said
    assert (await relay.send(FROM_EU.replace(EU, f"x{EU}")))[-1][0] == 250
    await until_async(lambda: len(ledger.taken) == 2)


async def test_a_queued_message_is_judged_again_when_it_is_handed_over(relay: Relay, ledger: Ledger) -> None:
    """Taken out while it waited: it is refused to its sender. Added by the same account: its own key signs."""
    ledger.mood = Mood.GREYLISTS
    await relay.send(FROM_EU)
    await relay.send(FROM_EU.replace(EU, "us.acme.test"))
    await until_async(lambda: len(list((relay.folder / "relay").glob("*.progress"))) == 2)
    await prove(relay, await relay.world.other("theirs"), EU)
    await prove(relay, relay.world, "us.acme.test")
    ledger.mood = Mood.WILLING
    relay.clock.turn(minutes=10)
    await until_async(lambda: len(ledger.taken) >= 2)
    subjects = {str(taken.message["Subject"]): taken for taken in ledger.taken}
    signed = "".join(str(subjects["Hello"].message["DKIM-Signature"]).split())
    assert "d=us.acme.test;" in signed
    (report,) = [taken for subject, taken in subjects.items() if subject != "Hello"]
    assert f"{EU} is taken out of the cover of {ACME}" in report.message.as_string().replace("=\n", "")


@pytest.mark.parametrize("name", ["evil-acme.test", "acme.test.evil.test", "test"])
async def test_what_only_looks_like_a_child_is_none(relay: Relay, name: str) -> None:
    """Names are compared label by label."""
    said = await relay.refused(MESSAGE.replace("hello@acme.test", f"hello@{name}"))
    assert f"{name} is not among the sender domains of this account" in said


async def test_a_deleted_domain_covers_nothing(relay: Relay) -> None:
    """With the domain above gone, the name is as unknown as any."""
    await domains.delete_domain(relay.world.deps, relay.world.account.id, ACME, OPERATOR)
    assert f"{EU} is not among the sender domains of this account" in await relay.refused(FROM_EU)
