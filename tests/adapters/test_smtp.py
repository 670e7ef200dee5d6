"""Hold the mailer to its port, at a real mail server in every mood."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from letterhead.adapters.smtp import MailServer, SmtpMailer
from letterhead.core.schedule.reminder_mail import Email
from letterhead.core.secret import Secret
from letterhead.ports.mail import DeliveryResult
from tests.rigs import smtp
from tests.rigs.processes import free_port
from tests.rigs.smtp import PASSWORD, USER, Certificate, Ledger, Mood

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LETTER = Email(
    to="dns@acme.test",
    name="reminder-1.abc",
    subject="bücher.test (xn--bcher-kva.test): still not verified",
    text="Grüße\n" + "long " * 400 + "\n",
    html="<p>Grüße</p>\n",
    unsubscribe="https://lh.example.com/reminders/opt-out/acc_1." + "x" * 90,
)


@pytest.fixture
def shown(tmp_path: Path) -> Certificate:
    """Make a certificate for localhost."""
    return smtp.certificate(tmp_path)


@pytest.fixture
def ledger(shown: Certificate) -> Iterator[Ledger]:
    """Run a server that wants STARTTLS and a password."""
    with smtp.running(shown) as server:
        yield server


def mailer(ledger: Ledger | int, trusted: Certificate | None, **how: Any) -> SmtpMailer:
    """Make a mailer that trusts one certificate."""
    settings: dict[str, Any] = {
        "host": "localhost",
        "port": ledger if isinstance(ledger, int) else ledger.port,
        "implicit_tls": False,
        "starttls": True,
        "sender": "dns@lh.example.com",
        "sender_name": "Bücher, Ltd",
        "user": USER,
        "password": Secret(PASSWORD.encode()),
        "seconds": 5.0,
        "trust": lambda: ssl.create_default_context(cafile=str(trusted.chain) if trusted else None),
    }
    return SmtpMailer(MailServer(**(settings | how)), lambda: NOON)


async def test_message_arrives_as_meant(ledger: Ledger, shown: Certificate) -> None:
    """Over STARTTLS with sign-in: headers, both parts, one-click opt-out, and seven-bit lines of bearable length."""
    handed = await mailer(ledger, shown).send(LETTER)
    assert handed.result is DeliveryResult.ACCEPTED, handed
    assert "taken" in handed.said
    (taken,) = ledger.taken
    assert (taken.tls, taken.user, taken.sender, taken.to) == (True, USER, "dns@lh.example.com", LETTER.to)
    message = taken.message
    assert message["Subject"] == LETTER.subject
    assert message["From"].addresses[0].display_name == "Bücher, Ltd"
    assert message["To"] == LETTER.to
    assert message["Message-ID"] == "<reminder-1.abc@lh.example.com>"
    assert message["List-Unsubscribe"] == f"<{LETTER.unsubscribe}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOON
    plain, html = message.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == LETTER.text
    assert html.get_content().replace("\r\n", "\n") == LETTER.html
    assert taken.octets.isascii()
    assert max(map(len, taken.octets.split(b"\r\n"))) <= 998


async def test_tls_from_the_first_octet(shown: Certificate) -> None:
    """With smtps:// there is no word in clear."""
    with smtp.running(shown, implicit=True) as ledger:
        assert (await mailer(ledger, shown, implicit_tls=True).send(LETTER)).result is DeliveryResult.ACCEPTED
        assert ledger.taken[0].tls


async def test_relay_without_tls(shown: Certificate) -> None:
    """Only where it is set so, a message goes in clear."""
    with smtp.running(None, sign_in=False) as ledger:
        refused = await mailer(ledger, shown, user=None, password=None).send(LETTER)
        assert refused.result is DeliveryResult.LATER
        assert "STARTTLS" in refused.said
        assert not ledger.taken
        in_clear = mailer(ledger, None, user=None, password=None, starttls=False)
        assert (await in_clear.send(LETTER)).result is DeliveryResult.ACCEPTED


async def test_wrong_certificates_get_nothing(ledger: Ledger, shown: Certificate, tmp_path: Path) -> None:
    """Neither a certificate that nobody vouches for nor one of another host gets the password or the message."""
    for trusted, host in ((None, "localhost"), (shown, "127.0.0.1")):
        handed = await mailer(ledger, trusted, host=host).send(LETTER)
        assert handed.result is DeliveryResult.LATER
        assert "certificate" in handed.said.lower()
    assert ledger.tried == 0


async def test_wrong_password(ledger: Ledger, shown: Certificate) -> None:
    """A refused sign-in hands nothing over, and says so without the password."""
    wrong = mailer(ledger, shown, password=Secret(b"a-wrong-canary"))
    for handed in (await wrong.send(LETTER), await wrong.try_connection()):
        assert handed.result is DeliveryResult.LATER
        assert handed.said.startswith("535")
        assert "canary" not in handed.said
        assert await open_connections(ledger) == 0
    assert ledger.tried == 0


async def test_nobody_listens(shown: Certificate) -> None:
    """A refused connection hands nothing over."""
    assert (await mailer(free_port("127.0.0.1"), shown).send(LETTER)).result is DeliveryResult.LATER


async def test_reach_sends_nothing(ledger: Ledger, shown: Certificate) -> None:
    """Looking whether the server lets us in sends no message."""
    assert (await mailer(ledger, shown).try_connection()).result is DeliveryResult.ACCEPTED
    assert ledger.tried == 0


@pytest.mark.parametrize(
    ("mood", "post"),
    [
        (Mood.GREYLISTS, DeliveryResult.LATER),
        (Mood.REFUSES, DeliveryResult.REFUSED),
        (Mood.FULL, DeliveryResult.LATER),
        (Mood.SPAM, DeliveryResult.REFUSED),
        (Mood.BREAKS_OFF, DeliveryResult.UNKNOWN),
    ],
)
async def test_moods(ledger: Ledger, shown: Certificate, mood: Mood, post: DeliveryResult) -> None:
    """What the server said decides; a connection that ends after the message leaves it open whether it was taken."""
    ledger.mood = mood
    assert (await mailer(ledger, shown).send(LETTER)).result is post


async def open_connections(ledger: Ledger) -> int:
    """Count this process's connections to the mail server, once the loop has done what it was told to do by now."""
    for _ in range(3):
        await asyncio.sleep(0)
    peers = []
    for each in gc.get_objects():
        if isinstance(each, socket.socket) and each.fileno() >= 0 and each.family == socket.AF_INET:
            with contextlib.suppress(OSError):  # it has no peer
                peers.append(each.getpeername()[1])
    return peers.count(ledger.port)


async def test_silence_after_the_message(ledger: Ledger, shown: Certificate) -> None:
    """A reply that does not come in time leaves it open too: the message was taken."""
    ledger.pause = 2.0
    assert (await mailer(ledger, shown, seconds=0.5).send(LETTER)).result is DeliveryResult.UNKNOWN
    assert len(ledger.taken) == 1
    assert await open_connections(ledger) == 0


@pytest.mark.parametrize("field", ["to", "subject", "name", "unsubscribe"])
async def test_no_line_break_gets_into_a_header(ledger: Ledger, shown: Certificate, field: str) -> None:
    """A line break in anything that becomes a header is refused before a connection is made."""
    with pytest.raises(ValueError, match=r"(?i)header|linefeed|invalid|address"):
        await mailer(ledger, shown).send(replace(LETTER, **{field: "a@b.test\r\nBcc: victim@c.test"}))
    assert ledger.tried == 0
