"""What the relay does with a message from whoever may send it."""

from tests.relay.world import Relay
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until_async


async def test_a_message_goes_through(relay: Relay, ledger: Ledger) -> None:
    """Taken with 250, signed, traced, dated, named, and handed on from an address of the domain; nothing stays."""
    replies = await relay.send()
    assert [code for code, _ in replies] == [250, 250, 250]
    await until_async(lambda: ledger.taken)
    (taken,) = ledger.taken
    assert (taken.sender, taken.recipients) == ("app@acme.test", ("you@receiver.test",))
    message = taken.message
    assert message["DKIM-Signature"]
    assert message["Subject"] == "Hello"
    assert message["Date"] == "Mon, 23 Nov 2026 12:00:00 +0000"
    assert message["Message-ID"].endswith("@acme.test>")
    assert "by relay.test (Letterhead) with ESMTPA id msg_" in message["Received"]
    assert message["From"] == "Acme <hello@acme.test>"
    await until_async(lambda: not relay.waiting())
