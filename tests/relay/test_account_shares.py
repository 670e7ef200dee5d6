"""One account's messages, however many or large, neither stand before another's nor take all the room."""

import asyncio
import smtplib
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from letterhead.adapters import mail_queue
from letterhead.core.relay.queue import Envelope, new_queued
from letterhead.errors import Fault, Kind
from letterhead.relay import RelaySettings
from letterhead.relay.submission_handler import RECEIVED_EACH
from tests.operations.world import noon
from tests.relay.world import MESSAGE, Relay, running, submit
from tests.rigs.smtp import Ledger, Mood
from tests.rigs.waiting import until_async

THEIRS = MESSAGE.replace("acme.test", "theirs.test")


async def neighbour(relay: Relay) -> Relay:
    """Return the same relay as another account sees it, with a domain that is proven."""
    other = replace(relay, world=await relay.world.other("theirs"))
    await other.prove("theirs.test")
    return other


async def test_a_queue_of_one_account_delays_no_other(relay: Relay, ledger: Ledger) -> None:
    """Behind thirty messages of one account another's is the next or the one after, since a place is kept for it."""
    other = await neighbour(relay)
    ledger.pause, ledger.holds = 0.4, True
    for _ in range(30):
        assert (await relay.send())[-1][0] == 250
    assert len(relay.waiting()) == 30
    ledger.holds = False
    before = len(ledger.taken)
    assert (await other.send(THEIRS))[-1][0] == 250
    await until_async(
        lambda: any("theirs.test" in each.octets.decode() for each in ledger.taken) or len(ledger.taken) > 28
    )
    at = [number for number, each in enumerate(ledger.taken) if "theirs.test" in each.octets.decode()]
    assert at
    assert at[0] - before <= 6
    ledger.pause = 0
    await until_async(lambda: not relay.waiting())


async def test_an_account_has_so_many_messages_waiting(relay: Relay, ledger: Ledger) -> None:
    """The next one is refused for now, at MAIL FROM; another account's is taken; with room again it is taken too."""
    other = await neighbour(relay)
    ledger.mood = Mood.GREYLISTS
    relay.parts.usage.most_messages = 3
    for _ in range(3):
        assert (await relay.send())[-1][0] == 250
    code, said = (await relay.send())[0]
    assert (code, b"4.3.1 This account has 3 messages (0 MB) waiting here; 3 and 1000 MB may wait" in said) == (
        452,
        True,
    )
    assert (await other.send(THEIRS))[-1][0] == 250
    ledger.mood = Mood.WILLING
    relay.clock.turn(minutes=2)
    await until_async(lambda: not relay.waiting())
    assert (await relay.send())[-1][0] == 250


async def test_an_account_has_so_many_octets_waiting(relay: Relay, ledger: Ledger) -> None:
    """A message that would be too much is refused for now after its last line, and a smaller one is taken."""
    ledger.mood = Mood.GREYLISTS
    relay.parts.usage.most_octets = 50_000
    large = MESSAGE + ("x" * 70 + "\r\n") * 500
    assert (await relay.send(large))[-1][0] == 250
    code, said = (await relay.send(large))[-1]
    assert (code, b"4.3.1 This account has 1 messages" in said) == (452, True)
    assert (await relay.send())[-1][0] == 250


async def test_what_waits_is_counted_after_a_restart(tmp_path: Path, ledger: Ledger) -> None:
    """A relay that starts finds the queue of an earlier one, and whose it is."""
    ledger.mood = Mood.GREYLISTS
    async with running(tmp_path, ledger) as relay:
        for _ in range(3):
            assert (await relay.send())[-1][0] == 250
        account_id, octets = relay.world.account.id, relay.parts.usage.octets(relay.world.account.id)
        await until_async(lambda: len(list((relay.folder / "relay").glob("*.progress"))) == 3)
    async with running(tmp_path, ledger, clock=relay.clock, prove=False) as again:
        usage = again.parts.usage
        await until_async(lambda: usage.messages(account_id) == 3)
        assert usage.octets(account_id) == octets
        ledger.mood = Mood.WILLING
        again.clock.turn(minutes=2)
        await until_async(lambda: not again.waiting() and usage.messages(account_id) == 0)
        assert usage.octets(account_id) == 0


async def test_a_disk_has_a_reserve(tmp_path: Path) -> None:
    """Below the reserve nothing is taken, so that the database beside goes on; a report of ours may use it."""
    envelope = Envelope(
        id="msg_1", account_id="acc_1", key_id="key_1", author="acme.test", sender="app@acme.test", reports_to="",
        recipients=("a@x.test",), accepted_at=noon(),
    )  # fmt: skip
    with mail_queue.open_queue(tmp_path / "q", reserve=1 << 62) as queue:
        with pytest.raises(Fault, match="stay free") as refused:
            await queue.put(new_queued(envelope, 4), b"text")
        assert refused.value.kind is Kind.STORAGE_UNAVAILABLE
        await queue.put(new_queued(structs.replace(envelope, is_report=True), 4), b"text")
        assert len(await queue.list_queued()) == 1


async def test_what_is_being_received_is_bounded(tmp_path: Path, ledger: Ledger) -> None:
    """Messages without an end use memory: of one account so many octets at once, and then the next is sent away."""
    settings = RelaySettings(max_size=20_000, connections=2, in_clear=True)
    async with running(tmp_path, ledger, settings) as relay:

        def begin() -> smtplib.SMTP:
            client = smtplib.SMTP("127.0.0.1", relay.port, timeout=20)
            client.ehlo()
            client.login("letterhead", relay.world.key)
            client.mail("app@acme.test")
            client.rcpt("you@receiver.test")
            client.docmd("DATA")
            client.send((MESSAGE + ("x" * 70 + "\r\n") * 250).encode())
            return client

        held = [await asyncio.to_thread(begin) for _ in range(RECEIVED_EACH)]
        one_more = await asyncio.to_thread(begin)
        code, said = await asyncio.to_thread(one_more.getreply)
        assert (code, said[:5]) == (421, b"4.3.1")
        for client in [*held, one_more]:
            client.close()
        replies = await asyncio.to_thread(submit, relay.port, relay.world.key, MESSAGE)
        assert replies[-1][0] == 250
