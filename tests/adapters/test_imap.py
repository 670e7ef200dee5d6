"""Show how the mailbox for proofs is read: found by its token, bounded, unchanged, and each trouble in words."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from letterhead.adapters.imap import LARGEST, ImapMailbox
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from tests.rigs import imap
from tests.rigs.imap import PASSWORD, USER, Mail, Mood
from tests.rigs.smtp import certificate

TOKEN = "proof0123456789abcdef"
MESSAGE = f"Received: from x\r\nSubject: Letterhead proof {TOKEN}\r\n\r\nbody\r\n".encode()

Open = Callable[..., ImapMailbox]


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[Mail]:
    """Run a mailbox."""
    with imap.running(certificate(tmp_path)) as mail:
        yield mail


@pytest.fixture
def reader(mail: Mail, tmp_path: Path) -> Open:
    """Make what reads it."""

    def make(password: str = PASSWORD, *, trusting: bool = True) -> ImapMailbox:
        trust = ssl.create_default_context
        if trusting:
            return ImapMailbox("localhost", mail.port, USER, Secret(password.encode()), trust=lambda: trust(
                cafile=str(tmp_path / "localhost.pem")))  # fmt: skip
        return ImapMailbox("localhost", mail.port, USER, Secret(password.encode()))

    return make


async def test_a_message_is_found_by_its_token(mail: Mail, reader: Open) -> None:
    """The message with the token in its subject, octet by octet; nothing where there is none. Nothing is changed."""
    box = reader()
    assert await box.find(TOKEN) is None
    mail.held += [b"Subject: other\r\n\r\nx\r\n", MESSAGE, MESSAGE + b"again"]
    assert await box.find(TOKEN) == MESSAGE
    changing = ("SELECT", "STORE", "EXPUNGE", "COPY", "MOVE", "DELETE")
    assert not [each for each in mail.asked if each.startswith(changing) or ("PEEK" not in each and "FETCH" in each)]


async def test_a_large_message_is_cut(mail: Mail, reader: Open) -> None:
    """No more is read than is judged."""
    mail.held.append(MESSAGE + b"x" * (2 * LARGEST))
    found = await reader().find(TOKEN)
    assert found is not None
    assert len(found) == LARGEST


@pytest.mark.parametrize("mood", [Mood.NO_INBOX, Mood.BREAKS_OFF, Mood.CLOSED])
async def test_trouble_is_told(mail: Mail, reader: Open, mood: Mood) -> None:
    """Each is one fault with a fix, in which no password stands."""
    mail.mood = mood
    await refused(reader())


async def test_who_is_not_let_in(mail: Mail, reader: Open) -> None:
    """A wrong password, a certificate of nobody's, a server that is gone."""
    await refused(reader("wrong-password"))
    await refused(reader(trusting=False))
    await refused(ImapMailbox("127.0.0.1", 1, USER, Secret(PASSWORD.encode())))


async def refused(box: ImapMailbox) -> None:
    """Ask for what can't be had."""
    with pytest.raises(Fault) as caught:
        await box.find(TOKEN)
    fault = caught.value
    assert (fault.kind, fault.provider) == (Kind.PROVIDER_FAILED, "mailbox")
    assert fault.fix
    assert "pass" not in fault.detail.replace("password", "")


async def test_a_token_can_hold_no_command(reader: Open) -> None:
    """What goes into a command is of letters and digits alone."""
    with pytest.raises(ValueError, match="token"):
        await reader().find("x\r\na DELETE INBOX")
