"""Who may not send from a domain hears why and what to do, and learns nothing of other accounts."""

import asyncio
import smtplib
from datetime import timedelta
from time import sleep

import pytest

from letterhead.core.accounts.accounts import Scope
from letterhead.operations import accounts, domains
from letterhead.operations.audit import Actor
from letterhead.ports.deps import Deps
from tests.operations.world import OPERATOR
from tests.relay.world import ACME, MESSAGE, Relay, submit
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until_async


def mail_from(sender: str) -> str:
    """Write a message from an address."""
    return MESSAGE.replace("Acme <hello@acme.test>", sender)


async def test_a_foreign_domain_is_as_an_unknown_one(relay: Relay, ledger: Ledger) -> None:
    """Another account's domain, verified or not, and one that nobody has are refused in the same words."""
    other = await relay.world.other("other")
    await other.add("theirs.test")
    told = {await relay.refused(mail_from(f"x@{name}.test")) for name in ("theirs", "nobodys")}
    said = {each.replace("nobodys", "theirs") for each in told}
    assert len(said) == 1
    assert (
        "550-5.7.1 The From domain theirs.test is not among the sender domains of this account"
        in "550-" + said.pop()[4:]
    )
    replies = await asyncio.to_thread(submit, relay.port, other.key, MESSAGE)
    assert replies[-1][0] == 550
    assert not ledger.taken
    assert not relay.waiting()


async def test_states_that_may_not_send(relay: Relay) -> None:
    """Not started, pending, failed and deleted: each is named, with the command that shows what is missing."""
    await relay.world.add("draft.test", start=False)
    await relay.world.add("pending.test")
    assert "was never started" in await relay.refused(mail_from("x@draft.test"))
    said = await relay.refused(mail_from("x@pending.test"))
    assert "not verified yet, since 2026-11-23 12:00 UTC" in said
    assert "letterhead domains show pending.test" in said
    relay.clock.turn(hours=73)
    await relay.world.look("pending.test")
    assert "it failed, 2026-11-26 13:00 UTC" in await relay.refused(mail_from("x@pending.test"))
    await domains.delete_domain(relay.world.deps, relay.world.account.id, ACME, OPERATOR)
    assert "not among the sender domains" in await relay.refused(MESSAGE)


async def test_a_domain_at_risk_may_send_for_a_while(relay: Relay, ledger: Ledger) -> None:
    """Temporary failure sends on, as canSend says, until its time is over."""
    relay.dns.records.clear()
    for minutes in (10, 15, 15):
        relay.clock.turn(minutes=minutes)
        await relay.world.look(ACME)
    assert (await relay.world.domain(ACME)).dkim.state == "at_risk"
    assert (await relay.send())[-1][0] == 250
    relay.clock.turn(hours=72)
    assert "went missing" in await relay.refused(MESSAGE)


@pytest.mark.parametrize(
    "sender",
    [
        "x@acme.test.evil.test",
        "x@evil-acme.test",
        "x@test",
        "x@аcme.test",
        "x@acme.tést",
        '"x@acme.test" <x@evil.test>',
        "x@acme.test <x@evil.test>",
        "x@evil.test (x@acme.test)",
        "x@evil.test, x@acme.test",
        "x@acme.test, x@evil.test",
        "acme.test: x@evil.test;",
        "<@acme.test:x@evil.test>",
        "x@[127.0.0.1]",
        "x@acme.test.",
        "=?utf-8?q?x=40evil=2Etest?=@acme.test",
        "x@acme.test\r\nFrom: x@evil.test",
        "x@acme.test\r\nfrom : x@evil.test",
        "x@acme.test\r\nSender: x@evil.test",
        "x@acme.test\r\n\t\r\nFrom: x@evil.test",
        "x@acme.test\x0b",
        "",
    ],
)
async def test_lookalikes_and_tricks(relay: Relay, ledger: Ledger, sender: str) -> None:
    """No way of writing From lets mail out in another name."""
    assert (await relay.refused(mail_from(sender))).startswith("550")
    assert not relay.waiting()
    assert not ledger.taken


async def key_of(deps: Deps, relay: Relay, scope: Scope) -> tuple[str, str]:
    """Make another key for the account; return id and text."""
    world = relay.world
    caller = await accounts.caller_of(deps, world.key, "127.0.0.1")
    request = accounts.NewKeyRequest(name="x", scope=scope)
    made = await accounts.make_key(deps, caller.account_id, Actor(name=caller.key_id), request)
    return made.key.id, made.text


async def test_every_failed_sign_in_is_told_alike(relay: Relay) -> None:
    """Malformed, unknown, read-only, ended, another account's id as the user: one answer."""
    deps, world = relay.world.deps, relay.world
    _, reading = await key_of(deps, relay, Scope.READ)
    ended_id, ended = await key_of(deps, relay, Scope.FULL)
    await accounts.end_key(deps, world.account.id, ended_id, OPERATOR)
    other = await world.other("other")
    told = set()
    for user, key in (
        ("x", "wrong"), ("x", ""), ("x", ended), ("x", reading), (other.account.id, world.key), ("x", world.key + "x"),
    ):  # fmt: skip
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            await asyncio.to_thread(submit, relay.port, key, MESSAGE, user=user)
        told.add((caught.value.smtp_code, caught.value.smtp_error))
    ((code, said),) = told
    assert code == 535
    assert b"API key" in said
    _, writing = await key_of(deps, relay, Scope.WRITE)
    for user, key in (("x", writing), (world.account.id, world.key)):
        assert (await asyncio.to_thread(submit, relay.port, key, MESSAGE, user=user))[-1][0] == 250


async def test_a_revoked_key_is_dead_within_a_second(relay: Relay) -> None:
    """Over a connection that was signed in before, at MAIL FROM and when the message is there."""
    deps, world = relay.world.deps, relay.world
    ids = [await key_of(deps, relay, Scope.WRITE) for _ in range(2)]

    def talk(key_id: str, key: str, *, late: bool) -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=20) as client:
            client.ehlo()
            client.login("x", key)
            if late:
                assert client.mail("app@acme.test")[0] == client.rcpt("you@receiver.test")[0] == 250
            asyncio.run_coroutine_threadsafe(
                accounts.end_key(deps, world.account.id, key_id, OPERATOR, timedelta(0)), loop
            ).result()
            sleep(1.0)
            return client.data(MESSAGE.encode()) if late else client.mail("app@acme.test")

    loop = asyncio.get_running_loop()
    for late, (key_id, key) in zip((False, True), ids, strict=True):
        assert (await asyncio.to_thread(talk, key_id, key, late=late))[0] == 535
    assert not relay.waiting()


async def test_too_many_failed_sign_ins(relay: Relay) -> None:
    """An address that fails too often is told to wait; a valid key from there still gets in."""
    codes = []
    for _ in range(32):
        with pytest.raises((smtplib.SMTPAuthenticationError, smtplib.SMTPServerDisconnected)) as caught:
            await asyncio.to_thread(submit, relay.port, "wrong", MESSAGE)
        codes.append(getattr(caught.value, "smtp_code", None))
    assert codes[0] == 535
    assert 421 in codes
    assert (await relay.send())[-1][0] == 250


async def test_a_null_path_and_foreign_envelope_senders(relay: Relay, ledger: Ledger) -> None:
    """The envelope's sender may be any: it goes on as an address of the domain; the null path stays null."""
    for sender in ("bounce+7@elsewhere.test", ""):
        assert (await relay.send(sender=sender))[-1][0] == 250
    await until_async(lambda: len(ledger.taken) == 2)
    assert {each.sender for each in ledger.taken} == {"bounce+7@acme.test", "<>"}
