"""Proofs of every account go by the installation's own relay, without a key; nobody else comes in that way."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from letterhead.config import read
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import RecordId
from letterhead.core.secret import reveal
from letterhead.errors import Fault, Kind
from letterhead.operations import proofs
from letterhead.operations.relay import proof_password
from letterhead.wiring.assemble import proof_setup
from tests.operations.test_real_dns import record
from tests.operations.world import OPERATOR, World
from tests.relay.world import ACME, Relay
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until_async

TO = "proof@operator.test"


@pytest.fixture
async def proving(relay: Relay, tmp_path: Path) -> AsyncIterator[Relay]:
    """Set the relay up as the way of proofs, as an operator does: by its URL alone."""
    url = f"smtp://letterhead@127.0.0.1:{relay.port}"
    settings = read({"LETTERHEAD_PROOF_MAILBOX": TO, "LETTERHEAD_PROOF_SMTP_URL": url}, tmp_path)
    deps = replace(relay.world.deps, proofs=proof_setup(settings, relay.clock))
    relay.world = replace(relay.world, deps=deps)
    yield relay


async def second_account(relay: Relay) -> World:
    """Open another account with a proven domain of its own."""
    other = await relay.world.other("second")
    await other.add("second.test")
    relay.dns.publish(record(other, await other.domain("second.test"), RecordId.DKIM))
    assert (await other.look("second.test")).dkim.state is HealthState.VERIFIED
    return other


async def test_proofs_of_every_account_go_by_the_relay(proving: Relay, ledger: Ledger) -> None:
    """Each is signed by its own domain and handed to the smart host, for the operator's mailbox."""
    other = await second_account(proving)
    first = await proofs.send(proving.world.deps, proving.world.account.id, ACME, OPERATOR)
    second = await proofs.send(other.deps, other.account.id, "second.test", OPERATOR)
    await until_async(lambda: len(ledger.taken) == 2)
    taken = {each.message["From"]: each for each in ledger.taken}
    for sender, sent in ((ACME, first), ("second.test", second)):
        mail = taken[f"letterhead-proof@{sender}"]
        assert mail.recipients == (TO,)
        assert f"d={sender};" in mail.message["DKIM-Signature"]
        assert sent.id in mail.message["Subject"]


def sign_in(port: int, user: str, password: str) -> int:
    """Sign in at the relay and return the code of its reply."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20, local_hostname="client.test") as client:
        client.ehlo()
        try:
            return client.login(user, password)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code


async def test_the_password_is_of_one_account_and_hour(proving: Relay) -> None:
    """It opens no other account, and a day-old one opens none; without it nobody comes in by an account's id."""
    world, other = proving.world, await second_account(proving)
    own, now = world.account.id, proving.clock()
    password = reveal(proof_password(world.deps, own, now)).decode()
    earlier = reveal(proof_password(world.deps, own, now - timedelta(hours=1))).decode()
    old = reveal(proof_password(world.deps, own, now - timedelta(hours=2))).decode()
    nobody = reveal(proof_password(world.deps, "acc_nobody", now)).decode()
    for user, said, code in (
        (own, password, 235), (own, earlier, 235), (own, old, 535), (own, "", 535), (own, password[:-1] + "x", 535),
        (other.account.id, password, 535), ("letterhead", password, 535), ("acc_nobody", nobody, 535),
    ):  # fmt: skip
        assert await asyncio.to_thread(sign_in, proving.port, user, said) == code, (user, said)


async def test_who_signs_in_for_proofs_sends_for_that_account_alone(proving: Relay) -> None:
    """The relay's rule of the From domain holds for our own mail too."""
    other = await second_account(proving)
    setup = proving.world.deps.proofs
    assert setup is not None
    assert setup.relay_mailer is not None
    mailer = setup.relay_mailer(other.account.id, proof_password(other.deps, other.account.id, proving.clock()))
    object.__setattr__(setup, "relay_mailer", lambda _user, _password: mailer)
    with pytest.raises(Fault) as caught:
        await proofs.send(proving.world.deps, proving.world.account.id, ACME, OPERATOR)
    assert caught.value.kind is Kind.PROVIDER_FAILED
    assert "not among the sender domains of this account" in caught.value.detail
