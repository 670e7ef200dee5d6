"""What may come over the wire: nothing that two servers could cut at different places, nothing without end."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead.relay import RelaySettings
from tests.relay.wire import Wire
from tests.relay.world import MESSAGE, Relay, running
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until_async


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no connection behind."""
    yield
    Wire.close_all()


SECOND = (
    b"MAIL FROM:<app@acme.test>\r\nRCPT TO:<victim@receiver.test>\r\nDATA\r\nFrom: ceo@bank.test\r\n\r\nsmuggled\r\n"
)
HEAD = MESSAGE.encode()


@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\n.\r",
        b"\0\r\n.\r\n",
        b"\r\n\0.\r\n",
        b"\r\r\n.\r\r\n",
        b"\r\n.\r\r\n",
        b"\n\r\n.\r\n",
    ],
)
async def test_no_second_message_is_smuggled(relay: Relay, ledger: Ledger, end: bytes) -> None:
    """No end but CR LF . CR LF ends a message; one that holds a near miss is refused, and the conversation is over."""

    def talk() -> tuple[list[bytes], bool]:
        wire = Wire(relay.port)
        wire.begin(relay.world.key)
        wire.say(HEAD + b"x" + end + SECOND + b".\r\n")
        return list(iter(wire.reply, b"")), wire.ended()

    (said, *last), over = await asyncio.to_thread(talk)
    assert said.startswith((b"550 5.6.0", b"500 5.5.2")), said
    assert [each[:4] for each in last] in ([], [b"421 "]), last
    assert over
    assert not relay.waiting()
    assert not ledger.taken


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
async def test_ends_cut_in_pieces(relay: Relay, ledger: Ledger, pieces: int) -> None:
    """CR LF may arrive in two packets: a good message is taken however it is cut, dots and all."""
    whole = HEAD + b"..\r\n...two\r\n.\r\n"

    def talk() -> bytes:
        wire = Wire(relay.port)
        wire.begin(relay.world.key)
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), pieces):
            wire.say(whole[at : at + pieces])
        return wire.reply()

    assert (await asyncio.to_thread(talk)).startswith(b"250 2.0.0 taken as msg_")
    await until_async(lambda: ledger.taken)
    assert ledger.taken[0].octets.endswith(b"this is it.\r\n.\r\n..two\r\n")


@pytest.mark.parametrize(
    "line",
    [b"NOOP\n", b"NOOP\rNOOP\r\n", b"NO\0OP\r\n", b"\n", b"EHLO x\nMAIL FROM:<a@acme.test>\r\n"],
)
async def test_commands_end_in_cr_lf(relay: Relay, line: bytes) -> None:
    """A bare LF or CR, or NUL, ends the conversation."""

    def talk() -> tuple[bytes, bool]:
        wire = Wire(relay.port)
        wire.reply()
        wire.say(line)
        return wire.reply(), wire.ended()

    said, over = await asyncio.to_thread(talk)
    assert said.startswith(b"500 5.5.2")
    assert over


async def test_lines_and_sizes_end(relay: Relay, ledger: Ledger) -> None:
    """A long line, a long message and one that was announced as too long are refused, and the next one is taken."""

    def talk() -> list[bytes]:
        wire, replies = Wire(relay.port), []
        wire.sign_in(relay.world.key)
        replies.append(wire.ask(b"MAIL FROM:<app@acme.test> SIZE=100001"))
        for body in (b"x" * 1200 + b"\r\n", b"x" * 70 + b"\r\n"):
            for line in (b"MAIL FROM:<app@acme.test>", b"RCPT TO:<you@receiver.test>", b"DATA"):
                wire.ask(line)
            wire.say(HEAD + body * (1 if len(body) > 1000 else 1500))
            replies.append(wire.ask(b"."))
        replies.append(wire.ask(b"NOOP " + b"x" * 5000))
        for line in (b"MAIL FROM:<app@acme.test>", b"RCPT TO:<you@receiver.test>", b"DATA"):
            wire.ask(line)
        return [*replies, wire.ask(HEAD + b".")]

    replies = await asyncio.to_thread(talk)
    assert [reply[:3] for reply in replies] == [b"552", b"500", b"552", b"500", b"250"]


async def test_octets_without_a_line_end(relay: Relay) -> None:
    """A message of one endless line is cut off, and costs no memory."""

    def talk() -> int:
        wire, sent = Wire(relay.port), 0
        wire.begin(relay.world.key)
        try:
            while sent < 50_000_000:
                wire.say(b"x" * 50_000)
                sent += 50_000
        except OSError:
            pass
        return sent

    assert await asyncio.to_thread(talk) < 10_000_000
    assert (await relay.send())[-1][0] == 250


async def test_recipients_and_addresses(relay: Relay) -> None:
    """A hundred at most; what is no address is refused by itself; Postfix's AUTH parameter is taken."""

    def talk() -> list[bytes]:
        wire = Wire(relay.port)
        wire.sign_in(relay.world.key)
        bad = [b"<a@[192.0.2.1]>", b"<a>", b"<a@b..test>", b"<j\xc3\xbcrgen@x.test>"]
        replies = [wire.ask(b"MAIL FROM:<app@acme.test> BODY=8BITMIME AUTH=<> SIZE=10")]
        replies += [wire.ask(b"RCPT TO:" + each) for each in bad]
        replies += [wire.ask(f"RCPT TO:<you{number}@receiver.test>".encode()) for number in range(101)]
        return replies

    replies = await asyncio.to_thread(talk)
    assert [reply[:3] for reply in replies[:5]] == [b"250", b"553", b"553", b"553", b"553"]
    assert {reply[:3] for reply in replies[5:105]} == {b"250"}
    assert replies[105].startswith(b"452-4.5.3")


async def test_nobody_sends_without_a_key(relay: Relay) -> None:
    """MAIL FROM before AUTH is refused with what to do; aborted and broken sign-ins are answered, each once."""

    def talk() -> list[bytes]:
        wire = Wire(relay.port)
        wire.reply()
        wire.ask(b"EHLO client.test")
        replies = [wire.ask(b"MAIL FROM:<app@acme.test>"), wire.ask(b"RCPT TO:<x@y.test>"), wire.ask(b"DATA")]
        replies += [wire.ask(b"AUTH LOGIN"), wire.ask(b"*"), wire.ask(b"AUTH PLAIN ???"), wire.ask(b"AUTH PLAIN eA==")]
        return [*replies, wire.ask(b"AUTH CRAM-MD5"), wire.ask(b"AUTH PLAIN eA==")]

    replies = await asyncio.to_thread(talk)
    assert replies[0].startswith(b"530-5.7.0 Nobody is signed in")
    assert [reply[:3] for reply in replies[1:]] == [b"503", b"503", b"334", b"501", b"501", b"501", b"504", b"421"]


async def test_connections_end(tmp_path: Path, ledger: Ledger) -> None:
    """So many from one address and no more; a silent one is closed, and makes room."""
    tight = RelaySettings(max_size=100_000, connections=2, in_clear=True, clients_each=3, timeout=3.0)
    async with running(tmp_path, ledger, tight) as relay:

        def talk() -> tuple[list[bytes], bool, bytes]:
            wires = [Wire(relay.port) for _ in range(4)]
            greetings = [wire.reply()[:3] for wire in wires]
            return greetings, all(wire.ended() for wire in wires), Wire(relay.port).reply()[:3]

        greetings, ended, after = await asyncio.to_thread(talk)
    assert sorted(greetings) == [b"220", b"220", b"220", b"421"]
    assert ended
    assert after == b"220"


async def test_messages_of_one_key_have_a_rate(tmp_path: Path, ledger: Ledger) -> None:
    """Too many at once are told to wait: 451, which clients try again."""
    slow = RelaySettings(max_size=100_000, connections=2, in_clear=True, rate=0.1, burst=2)
    async with running(tmp_path, ledger, slow) as relay:
        codes = [(await relay.send())[0][0] for _ in range(3)]
    assert codes == [250, 250, 451]


async def test_a_client_that_goes_early(relay: Relay, ledger: Ledger) -> None:
    """Whoever hangs up in the middle of a message, or right behind it, breaks nothing for the next."""

    def talk() -> None:
        for octets in (HEAD[:50], HEAD + b".\r\n"):
            wire = Wire(relay.port)
            wire.begin(relay.world.key)
            wire.say(octets)
            wire.socket.close()

    await asyncio.to_thread(talk)
    assert (await relay.send())[-1][0] == 250
    await until_async(lambda: ledger.taken and not relay.waiting())
