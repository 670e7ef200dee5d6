"""What becomes of a message when the smart host is in a mood: it arrives, is tried again, or its sender hears of it."""

import asyncio
import resource
from pathlib import Path

import pytest

from letterhead.core.plan.plan import RecordId
from letterhead.operations import domains, rotations
from letterhead.operations.rotations import NOTHING
from tests.operations.test_real_dns import record
from tests.operations.world import OPERATOR
from tests.relay.world import ACME, MESSAGE, Relay, running
from tests.rigs import smtp
from tests.rigs.smtp import Ledger, Mood
from tests.rigs.waiting import until_async


@pytest.mark.parametrize("mood", [Mood.GREYLISTS, Mood.FULL, Mood.RESETS])
async def test_what_fails_for_now_is_tried_again(relay: Relay, ledger: Ledger, mood: Mood) -> None:
    """4xx at RCPT or after the message, a connection that breaks: kept, and handed over when the mood is better."""
    ledger.mood = mood
    assert (await relay.send())[-1][0] == 250
    await until_async(lambda: list((relay.folder / "relay").glob("*.progress")))
    ledger.mood = Mood.WILLING
    await relay.send(sender="second@acme.test")  # it goes at once: the loop has been round, and left the first
    await until_async(lambda: len(ledger.taken) == 1 and len(relay.waiting()) == 1)
    assert ledger.taken[0].sender == "second@acme.test"
    relay.clock.turn(minutes=2)
    await until_async(lambda: len(ledger.taken) == 2 and not relay.waiting())
    assert not list((relay.folder / "relay").glob("*.progress"))


@pytest.mark.parametrize("mood", [Mood.BREAKS_OFF, Mood.HANGS])
async def test_what_may_have_arrived_is_sent_again(relay: Relay, ledger: Ledger, mood: Mood) -> None:
    """No answer to the message: it is handed over again, under the same Message-ID, so that a receiver sees it."""
    ledger.mood = mood
    await relay.send()
    await until_async(lambda: list((relay.folder / "relay").glob("*.progress")))
    ledger.mood = Mood.WILLING
    relay.clock.turn(minutes=2)
    await until_async(lambda: not relay.waiting())
    assert len(ledger.taken) == (2 if mood is Mood.BREAKS_OFF else 1)
    assert len({each.message["Message-ID"] for each in ledger.taken}) == 1


async def test_a_smart_host_out_of_reach(relay: Relay, tmp_path: Path) -> None:
    """Nothing is tried in vain, nothing is lost: when it is back all go, in the order in which they came."""
    with smtp.running(None, sign_in=False) as down:
        pass
    folder = tmp_path / "other"
    folder.mkdir()
    async with running(folder, down) as other:
        for number in range(5):
            assert (await other.send(sender=f"n{number}@acme.test"))[-1][0] == 250
        await asyncio.sleep(1.5)
        assert len(other.waiting()) == 5
        assert not list((folder / "relay").glob("*.progress"))
        with smtp.running(None, sign_in=False, port=down.port) as back:
            await until_async(lambda: len(back.taken) == 5)
        await until_async(lambda: not other.waiting())


async def test_a_smart_host_that_wants_us_not_now(relay: Relay, ledger: Ledger) -> None:
    """421 is about us and not about the message: no try is counted."""
    ledger.mood = Mood.CLOSED
    await relay.send()
    await until_async(lambda: ledger.sent_away >= 2)
    assert not list((relay.folder / "relay").glob("*.progress"))
    ledger.mood = Mood.WILLING
    await until_async(lambda: len(ledger.taken) == 1 and not relay.waiting())


async def test_each_recipient_has_its_own_answer(relay: Relay, ledger: Ledger) -> None:
    """Taken, refused, later: the one gets it once, the second is reported, the third gets it later and once."""
    ledger.says_to = {"gone@x.test": "550 5.1.1 no such user", "later@x.test": "451 4.7.1 greylisted"}
    await relay.send(to=["here@x.test", "gone@x.test", "later@x.test"])
    await until_async(lambda: len(ledger.taken) == 2)
    by = {each.recipients: each for each in ledger.taken}
    report = by["app@acme.test",]
    assert report.sender == "<>"
    assert report.message.get_content_type() == "multipart/report"
    assert "5.1.1 no such user" in report.octets.decode()
    assert "later@x.test" not in report.octets.decode()
    assert report.message["DKIM-Signature"]
    ledger.says_to = {}
    relay.clock.turn(minutes=2)
    await until_async(lambda: len(ledger.taken) == 3 and not relay.waiting())
    assert ledger.taken[2].recipients == ("later@x.test",)


@pytest.mark.parametrize(
    ("sender", "reported"),
    [
        ("app@acme.test", "app@acme.test"),
        ("app@mta.acme.test", "app@mta.acme.test"),
        ("victim@elsewhere.test", "hello@acme.test"),
        ("app@mine.test", "app@mine.test"),
        ("", None),
    ],
)
async def test_who_hears_of_a_failure(relay: Relay, ledger: Ledger, sender: str, reported: str | None) -> None:
    """The envelope's sender where that is the account's own; no stranger gets mail that nobody there asked for."""
    await relay.world.add("mine.test")
    ledger.says_to = {"gone@x.test": "550 5.1.1 no such user"}
    await relay.send(sender=sender, to=["gone@x.test"])
    await until_async(lambda: not relay.waiting())
    assert [each.recipients for each in ledger.taken] == ([(reported,)] if reported else [])


@pytest.mark.parametrize("mood", [Mood.REFUSES, Mood.SPAM])
async def test_no_report_on_a_report(relay: Relay, ledger: Ledger, mood: Mood) -> None:
    """Where the report is refused too, that is the end of it."""
    ledger.mood = mood
    await relay.send()
    await until_async(lambda: not relay.waiting())
    await asyncio.sleep(0.1)
    assert not ledger.taken
    assert not relay.waiting()


async def test_five_days_and_no_longer(relay: Relay, ledger: Ledger) -> None:
    """Then its sender hears what was said last."""
    ledger.says_to = {"you@receiver.test": "451 4.2.2 mailbox full"}
    await relay.send()
    await until_async(lambda: list((relay.folder / "relay").glob("*.progress")))
    relay.clock.turn(days=5)
    await until_async(lambda: ledger.taken and not relay.waiting())
    assert "Status: 4.4.7" in ledger.taken[0].octets.decode()
    assert "mailbox full" in ledger.taken[0].octets.decode()


async def test_a_domain_that_was_deleted_meanwhile(relay: Relay, ledger: Ledger) -> None:
    """Nothing goes out unsigned in its name but the report."""
    ledger.mood = Mood.GREYLISTS
    await relay.send()
    await until_async(lambda: list((relay.folder / "relay").glob("*.progress")))
    await domains.delete_domain(relay.world.deps, relay.world.account.id, ACME, OPERATOR)
    ledger.mood = Mood.WILLING
    relay.clock.turn(minutes=2)
    await until_async(lambda: ledger.taken and not relay.waiting())
    (report,) = ledger.taken
    assert "was deleted" in report.octets.decode()
    assert report.message["DKIM-Signature"] is None


async def test_the_key_at_the_time_of_handing_over_signs(relay: Relay, ledger: Ledger) -> None:
    """A change of keys while a message waits: the new key signs it."""
    ledger.mood = Mood.GREYLISTS
    await relay.send()
    await until_async(lambda: list((relay.folder / "relay").glob("*.progress")))
    world, before = relay.world, (await relay.world.domain(ACME)).selector
    await rotations.start(world.deps, world.account.id, ACME, NOTHING, OPERATOR)
    relay.dns.publish(record(world, await world.domain(ACME), RecordId.DKIM_NEXT))
    await world.look(ACME)
    relay.clock.turn(minutes=10)
    after = (await world.look(ACME)).selector
    assert after != before
    ledger.mood = Mood.WILLING
    await until_async(lambda: ledger.taken)
    assert f"s={after};" in ledger.taken[0].message["DKIM-Signature"]


async def test_keys_opened_are_in_the_audit_once(relay: Relay, ledger: Ledger) -> None:
    """One row for each key and process, however many messages it signs."""
    for _ in range(3):
        await relay.send()
    await until_async(lambda: len(ledger.taken) == 3)
    rows = await relay.world.deps.store.audit_rows(relay.world.account.id, None, 100)
    opened = [row.row for row in rows if row.row.action == "private-key.open"]
    selector = (await relay.world.domain(ACME)).selector
    assert [(row.actor, row.subject) for row in opened] == [("relay", f"{selector} of {ACME}")]


async def test_eight_bits_and_other_scripts(relay: Relay, ledger: Ledger) -> None:
    """8BITMIME and SMTPUTF8 go on as they came, and are asked for where they are needed."""
    eight = MESSAGE.replace("this is it", "das ist für dich").encode()
    assert (await relay.send(eight, options=["BODY=8BITMIME"]))[-1][0] == 250
    await until_async(lambda: ledger.taken)
    assert "BODY=8BITMIME" in ledger.taken[0].options
    assert "für dich".encode() in ledger.taken[0].octets


async def test_a_domain_in_another_script(tmp_path: Path) -> None:
    """A U-label in From is its A-label; where the smart host takes no UTF-8 addresses the sender hears it at once."""
    text = MESSAGE.replace("hello@acme.test", "hello@bücher.test").encode()
    for utf8 in (True, False):
        folder = tmp_path / str(utf8)
        folder.mkdir()
        with smtp.running(None, sign_in=False, utf8=utf8) as ledger:
            async with running(folder, ledger) as relay:
                await relay.prove("xn--bcher-kva.test")
                assert (await relay.send(text, options=["SMTPUTF8"]))[-1][0] == 250
                await until_async(lambda: ledger.taken and not relay.waiting())
        (taken,) = ledger.taken
        assert ("d=xn--bcher-kva.test;" in taken.message["DKIM-Signature"]) is True
        assert ("SMTPUTF8" in taken.options) is utf8
        assert (b"Status: 5.6.7" in taken.octets) is not utf8
        assert ("with UTF8SMTPA id" in str(taken.message["Received"])) is utf8


async def test_a_full_disk_is_told_at_once(relay: Relay, ledger: Ledger) -> None:
    """452 and nothing left behind; the next message, with room again, is taken."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    text = MESSAGE + "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 900
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, was[1]))
    try:
        code, said = (await relay.send(text))[-1]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
    assert (code, said[:5]) == (452, b"4.3.1")
    assert [path.name for path in (relay.folder / "relay").iterdir()] == ["lock"]
    assert (await relay.send(text))[-1][0] == 250
    await until_async(lambda: ledger.taken)


async def test_what_an_earlier_process_left_goes_out(tmp_path: Path, ledger: Ledger) -> None:
    """Messages in the queue at the start are handed over; halves are cleared away, what is unreadable is left."""
    ledger.mood = Mood.GREYLISTS
    async with running(tmp_path, ledger) as relay:
        await relay.send()
        await until_async(lambda: list((tmp_path / "relay").glob("*.progress")))
        clock = relay.clock
    queue = tmp_path / "relay"
    (queue / "msg_half.mail.draft").write_bytes(b"{")
    (queue / "msg_orphan.progress").write_bytes(b"{}")
    (queue / "msg_bad.mail").write_bytes(b"not ours\n\n")
    ledger.mood = Mood.WILLING
    clock.turn(minutes=5)
    async with running(tmp_path, ledger, clock=clock, prove=False):
        await until_async(lambda: ledger.taken)
        await until_async(lambda: len(relay.waiting()) == 1)
    assert sorted(path.name for path in queue.iterdir()) == ["lock", "msg_bad.mail"]
