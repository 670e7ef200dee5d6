"""A relay that stops cuts no reply; one that runs tells its numbers, and takes a renewed certificate."""

import asyncio
import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead import config
from letterhead.cli.relay import _reloader
from letterhead.wiring.relay import certificate
from tests.relay.wire import Wire
from tests.relay.world import MESSAGE, Relay
from tests.rigs import smtp
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until_async


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no connection behind."""
    yield
    Wire.close_all()


async def test_whoever_is_in_the_middle_of_a_message_has_a_reply(relay: Relay, ledger: Ledger) -> None:
    """SIGTERM: the message that comes in is taken, the client that waits is sent away, and nobody new gets in."""

    def begin() -> tuple[Wire, Wire]:
        sending, idle = Wire(relay.port), Wire(relay.port)
        sending.begin(relay.world.key)
        idle.sign_in(relay.world.key)
        sending.say(MESSAGE[:40].encode())
        return sending, idle

    sending, idle = await asyncio.to_thread(begin)
    relay.stop.set()
    assert (await asyncio.to_thread(idle.reply)).startswith(b"421 4.3.2")
    with pytest.raises(OSError, match=r"."):
        await asyncio.to_thread(Wire, relay.port)
    await asyncio.to_thread(sending.say, MESSAGE[40:].encode() + b".\r\n")
    assert (await asyncio.to_thread(sending.reply)).startswith(b"250 2.0.0 taken")
    assert (await asyncio.to_thread(sending.reply)).startswith(b"421 4.3.2")
    assert await asyncio.to_thread(sending.ended)
    assert relay.waiting() or ledger.taken


async def test_a_handover_under_way_ends(relay: Relay, ledger: Ledger) -> None:
    """Stopped while the smart host thinks: its answer is waited for, and the message is gone once."""
    ledger.pause = 1.0
    await relay.send()
    await until_async(lambda: ledger.taken)
    relay.stop.set()
    await until_async(lambda: not relay.waiting())
    assert len(ledger.taken) == 1


async def test_numbers(relay: Relay, ledger: Ledger) -> None:
    """Counts what was accepted, refused, sent, deferred, bounced, and what waits."""
    ledger.says_to = {"later@x.test": "451 later", "gone@x.test": "550 gone"}
    await relay.send()
    await relay.refused(MESSAGE.replace("acme.test", "evil.test"))
    await relay.send(to=["later@x.test"])
    await relay.send(to=["gone@x.test"])
    await until_async(lambda: len(ledger.taken) == 2 and len(relay.waiting()) == 1)
    counted = {"accepted": 3, "refused": 1, "sent": 2, "deferred": 1, "bounced": 1}
    lines = {
        f'letterhead_relay_messages_total{{outcome="{outcome}"}} {number}.0' for outcome, number in counted.items()
    }
    lines.add("letterhead_relay_queue 1.0")
    text = relay.world.deps.meter.text
    await until_async(lambda: lines <= set(text(None).decode().splitlines()))
    (oldest,) = re.findall(r"^letterhead_relay_oldest_timestamp_seconds (\S+)$", text(None).decode(), re.MULTILINE)
    assert abs(relay.world.deps.now().timestamp() - float(oldest)) < 60


def test_a_renewed_certificate_is_taken(tmp_path: Path) -> None:
    """Nothing is done while the files stay; new ones are loaded; a half one is refused, and the old one stays."""
    shown = smtp.certificate(tmp_path)
    settings = config.read(
        {"LETTERHEAD_RELAY_CERTIFICATE": str(shown.chain), "LETTERHEAD_RELAY_CERTIFICATE_KEY": str(shown.key)}, tmp_path
    )
    context = certificate(settings)
    reload = _reloader(settings, context)
    assert not reload()
    smtp.certificate(tmp_path)
    os.utime(shown.chain, ns=(1, 1))
    assert reload()
    assert not reload()
    shown.key.write_text("half")
    with pytest.raises(ssl.SSLError):
        reload()
