"""When a message is tried again, who hears that it failed, and from which address it goes on."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.relay.dsn import report
from letterhead.core.relay.queue import (
    DeliveryProgress,
    Envelope,
    QueuedMessage,
    RecipientReply,
    ReplyClass,
    apply_replies,
    as_temporary,
    new_queued,
    return_path,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEEP = timedelta(days=5)
ENVELOPE = Envelope(
    id="msg_1",
    account_id="acc_1",
    key_id="key_1",
    author="acme.dev",
    sender="app@acme.dev",
    reports_to="app@acme.dev",
    recipients=("a@x.dev", "b@x.dev", "c@x.dev"),
    accepted_at=NOW,
)
TAKEN, LATER, REFUSED = (RecipientReply(word=word, said=f"{word} said") for word in ReplyClass)


def domain(mail_from: str | None, state: HealthState | None) -> Domain:
    """Make a verified domain."""
    return Domain(
        id="d",
        account_id="acc_1",
        sender="acme.dev",
        selector="s",
        public_key="p",
        mail_from=mail_from,
        created_at=NOW,
        last_sync=NOW,
        dkim=new_health(HealthState.VERIFIED, NOW),
        mail_from_health=None if state is None else new_health(state, NOW),
    )


def test_each_recipient_for_itself() -> None:
    """Who took it is done, who refused is reported, who said later is asked again."""
    answers = {"a@x.dev": TAKEN, "b@x.dev": LATER, "c@x.dev": REFUSED}
    result = apply_replies(new_queued(ENVELOPE, 100), answers, NOW, KEEP, 0.0)
    assert result.progress == DeliveryProgress(
        recipients=("b@x.dev",), due_at=NOW + timedelta(minutes=1), attempts=1, said="later said"
    )
    assert (result.taken, result.failed) == (1, {"c@x.dev": REFUSED})


def test_delays_grow_and_end() -> None:
    """Ever longer, to four hours; after five days the sender hears of it."""
    queued, now, delays = new_queued(ENVELOPE, 100), NOW, []
    while True:
        result = apply_replies(queued, dict.fromkeys(queued.progress.recipients, LATER), now, KEEP, 0.5)
        if result.progress is None:
            break
        delays.append(result.progress.due_at - now)
        queued, now = QueuedMessage(envelope=ENVELOPE, progress=result.progress), result.progress.due_at
    assert delays == sorted(delays)
    assert delays[-1] == timedelta(hours=4) * 1.1
    assert KEEP <= now - NOW < KEEP + timedelta(hours=5)
    assert all(answer.said.startswith("4.4.7") for answer in result.failed.values())
    assert set(result.failed) == set(ENVELOPE.recipients)


def test_what_could_not_be_reported_is_asked_again() -> None:
    """Nobody who took it is asked a second time."""
    answers = as_temporary({"a@x.dev": TAKEN, "b@x.dev": REFUSED, "c@x.dev": LATER})
    assert [answer.word for answer in answers.values()] == [ReplyClass.TAKEN, ReplyClass.LATER, ReplyClass.LATER]


@pytest.mark.parametrize(
    ("mail_from", "state", "sender", "path"),
    [
        ("lh.acme.dev", HealthState.VERIFIED, "app+7@elsewhere.dev", "app+7@lh.acme.dev"),
        ("lh.acme.dev", HealthState.PENDING, "app@elsewhere.dev", "app@acme.dev"),
        ("lh.acme.dev", HealthState.AT_RISK, "app@elsewhere.dev", "app@acme.dev"),
        ("lh.acme.dev", HealthState.FAILED, "app@elsewhere.dev", "app@acme.dev"),
        (None, None, '"ä b"@elsewhere.dev', "_b@acme.dev"),
        (None, None, "ü@elsewhere.dev", "bounces@acme.dev"),
        ("lh.acme.dev", HealthState.VERIFIED, "", ""),
    ],
)
def test_the_return_path(mail_from: str | None, state: HealthState | None, sender: str, path: str) -> None:
    """At the MAIL FROM domain while that is verified, else at the domain; the null path stays."""
    assert return_path(domain(mail_from, state), sender) == path


def test_files_of_this_version_stay_readable() -> None:
    """What was written beside a message is read by every later version: this text never changes."""
    written = (
        b'{"id":"msg_1","account_id":"acc_1","key_id":"key_1","author":"acme.dev","sender":"app@acme.dev",'
        b'"reports_to":"app@acme.dev","recipients":["a@x.dev","b@x.dev","c@x.dev"],'
        b'"accepted_at":"2026-11-23T12:00:00Z","what a newer version wrote":[1]}'
    )
    assert msgspec.json.decode(written, type=Envelope) == ENVELOPE
    progress = b'{"recipients":["b@x.dev"],"due_at":"2026-11-23T12:00:00Z"}'
    assert msgspec.json.decode(progress, type=DeliveryProgress) == DeliveryProgress(recipients=("b@x.dev",), due_at=NOW)


def test_a_report_is_one() -> None:
    """A multipart/report that programs read: for whom, which status, what was said; nothing in it breaks its form."""
    said = "550 5.1.1 <b@x.dev>: no such user\r\n--=_msg_1-r0\r\nSubject: x"
    head = b"From: hello@acme.dev\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nsecret text"
    octets = report(
        ENVELOPE,
        {"b@x.dev": RecipientReply(word=ReplyClass.REFUSED, said=said)},
        head,
        name="msg_1-r0",
        host="relay.dev",
        now=NOW,
    )
    assert octets.isascii()
    assert b"secret text" not in octets
    message = message_from_bytes(octets, policy=policy.default)
    assert (message["To"], message["From"].addresses[0].addr_spec) == ("app@acme.dev", "mailer-daemon@acme.dev")
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    text, status, original = message.iter_parts()
    assert "b@x.dev" in text.get_content()
    parts: Any = status.get_payload()
    of_message, of_recipient = parts
    assert of_message["Reporting-MTA"] == "dns; relay.dev"
    assert (of_recipient["Final-Recipient"], of_recipient["Action"], of_recipient["Status"]) == (
        "rfc822; b@x.dev",
        "failed",
        "5.1.1",
    )
    assert "From: hello@acme.dev" in original.as_string()
