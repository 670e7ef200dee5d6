"""The doctor at a relay: its smart host, its certificate and its queue, without a message sent or a file changed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from letterhead import config
from letterhead.adapters import mail_queue
from letterhead.cli.doctor import DoctorLine, check_relay
from letterhead.config import Settings
from letterhead.core.relay.queue import DeliveryProgress, Envelope, new_queued
from tests.rigs import smtp
from tests.rigs.processes import free_port
from tests.rigs.smtp import PASSWORD, USER, Ledger

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENDS = datetime(2040, 1, 1, tzinfo=UTC)  # of the rig's certificates


def settings_of(folder: Path, port: int, password: str = PASSWORD, host: str = "localhost", **more: str) -> Settings:
    """Read the settings of a relay with this smart host."""
    url = f"smtp://{USER}:{quote(password, safe='')}@{host}:{port}"
    given = {"DATA_DIR": str(folder), "RELAY_SMARTHOST": url, **more}
    return config.read({f"LETTERHEAD_{name}": text for name, text in given.items()}, folder)


def files(folder: Path) -> list[Path]:
    """List what is in a folder."""
    return sorted(folder.iterdir())


async def lines(settings: Settings, now: datetime = NOW) -> Mapping[str, DoctorLine]:
    """Run the checks of a relay, by their part."""
    return {line.part: line for line in await check_relay(settings, now)}


async def test_without_a_relay_nothing_is_said(tmp_path: Path) -> None:
    """Who has set no smart host has no relay."""
    assert await check_relay(config.read({"LETTERHEAD_DATA_DIR": str(tmp_path)}, tmp_path), NOW) == []


async def test_a_good_relay(tmp_path: Path, ledger: Ledger) -> None:
    """It is let in, hands nothing over, and finds no queue, which it does not make."""
    told = await lines(settings_of(tmp_path, ledger.port))
    assert {part: line.ok for part, line in told.items()} == {"smart host": True, "queue": True}
    assert "lets us in" in told["smart host"].said
    assert (ledger.taken, ledger.tried) == ([], 0)
    assert files(tmp_path) == []


async def test_a_wrong_password_port_or_name(tmp_path: Path, ledger: Ledger) -> None:
    """What is wrong with the smart host is said in its own words, with the setting to look at."""
    password = (await lines(settings_of(tmp_path, ledger.port, "wrong")))["smart host"]
    port = (await lines(settings_of(tmp_path, free_port("127.0.0.1"))))["smart host"]
    name = (await lines(settings_of(tmp_path, ledger.port, host="127.0.0.1")))["smart host"]
    for line in (password, port, name):
        assert not line.ok
        assert "LETTERHEAD_RELAY_SMARTHOST" in (line.fix or "")
    assert "535" in password.said
    assert "certificate" in name.said.lower() or "mismatch" in name.said.lower()


@pytest.mark.parametrize(
    ("now", "host", "ok", "words"),
    [
        (NOW, "mail.acme.test", True, "until 2040-01-01"),
        (NOW, "other.acme.test", False, "not for other.acme.test"),
        (ENDS, "mail.acme.test", False, "has expired"),
        (ENDS - timedelta(days=3, hours=1), "mail.acme.test", False, "expires in 3 days"),
        (datetime(2019, 5, 1, tzinfo=UTC), "mail.acme.test", False, "only from 2020-01-01"),
    ],
)
async def test_the_certificate(tmp_path: Path, ledger: Ledger, now: datetime, host: str, ok: bool, words: str) -> None:
    """Its dates and its names are told, and what is wrong with them."""
    own = smtp.certificate(tmp_path, "mail.acme.test")
    settings = settings_of(
        tmp_path, ledger.port, RELAY_CERTIFICATE=str(own.chain), RELAY_CERTIFICATE_KEY=str(own.key), RELAY_HOST=host
    )
    line = (await lines(settings, now))["relay TLS"]
    assert (line.ok, words in line.said) == (ok, True), line


async def test_a_wildcard_covers_one_label(tmp_path: Path, ledger: Ledger) -> None:
    """RFC 9525 6.3: a wildcard stands for exactly one label."""
    own = smtp.certificate(tmp_path, "*.acme.test")
    for host, ok in (("mail.acme.test", True), ("a.mail.acme.test", False), ("acme.test", False)):
        settings = settings_of(
            tmp_path, ledger.port, RELAY_CERTIFICATE=str(own.chain), RELAY_CERTIFICATE_KEY=str(own.key), RELAY_HOST=host
        )
        assert (await lines(settings))["relay TLS"].ok is ok


async def test_a_certificate_that_does_not_load(tmp_path: Path, ledger: Ledger) -> None:
    """A key that is another certificate's is a line, as it would be an error of the start."""
    one, other = smtp.certificate(tmp_path, "one.test"), smtp.certificate(tmp_path, "other.test")
    settings = settings_of(
        tmp_path, ledger.port, RELAY_CERTIFICATE=str(one.chain), RELAY_CERTIFICATE_KEY=str(other.key)
    )
    line = (await lines(settings))["relay"]
    assert not line.ok
    assert "does not load" in line.said


async def test_the_age_of_the_queue(tmp_path: Path, ledger: Ledger) -> None:
    """A message that waits for hours is told with the smart host's last reply, while the relay holds the queue."""
    settings = settings_of(tmp_path, ledger.port)
    queued = new_queued(
        Envelope(
            id="msg_1", account_id="acc_1", key_id="key_1", author="acme.test", sender="app@acme.test", reports_to="",
            recipients=("a@x.test",), accepted_at=NOW - timedelta(minutes=20),
        ),
        4,
    )  # fmt: skip
    older = replace(queued, envelope=replace(queued.envelope, id="msg_2", accepted_at=NOW - timedelta(hours=3)))
    with mail_queue.open_queue(settings.relay_queue) as queue:
        await queue.put(queued, b"text")
        fresh = (await lines(settings))["queue"]
        await queue.put(older, b"text")
        said = DeliveryProgress(recipients=("a@x.test",), due_at=NOW, attempts=3, said="451 4.7.1 not yet")
        await queue.save_progress("msg_2", said)
        before = files(settings.relay_queue)
        late = (await lines(settings))["queue"]
    assert (fresh.ok, "1 messages wait, the oldest for 20 min" in fresh.said) == (True, True)
    assert (late.ok, "2 messages wait, the oldest for 180 min" in late.said) == (False, True)
    assert "451 4.7.1 not yet" in late.said
    assert files(settings.relay_queue) == before
