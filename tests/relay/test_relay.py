"""What the relay does with a message from whoever may send it."""

from letterhead.adapters.providers.ses.tenants import tenant_of
from letterhead.wiring.relay import tenant_field
from tests.relay.world import MESSAGE, Relay
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


async def test_the_accounts_own_tenant_is_named(relay: Relay, ledger: Ledger) -> None:
    """With tenants SES learns whose mail it is from us alone, whatever tenant the client wrote."""
    object.__setattr__(relay.parts, "account_field", tenant_field)
    await relay.send(f"X-SES-TENANT: {tenant_of('i/acc_other/')}\r\nX-SES-CONFIGURATION-SET: dedicated\r\n{MESSAGE}")
    await until_async(lambda: ledger.taken)
    (taken,) = ledger.taken
    world = relay.world
    owner = f"{world.deps.policy.installation}/{world.account.id}/"
    assert taken.message.get_all("X-SES-TENANT") == [tenant_of(owner)]
    assert "X-SES-CONFIGURATION-SET" not in taken.message


async def test_without_tenants_none_is_named(relay: Relay, ledger: Ledger) -> None:
    """A smart host that knows no tenants is told none."""
    await relay.send(f"X-SES-TENANT: other\r\n{MESSAGE}")
    await until_async(lambda: ledger.taken)
    assert "X-SES-TENANT" not in ledger.taken[0].message
