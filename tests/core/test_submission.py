"""What a message must be like to be taken, and what is added to it and taken away."""

from datetime import UTC, datetime

import pytest

from letterhead.core.relay.submission import SmtpReply, SubmissionRefused, Trace, author, complete_message, read

TRACE = Trace(
    id="msg_1",
    helo="client.dev",
    address="192.0.2.7",
    host="relay.dev",
    protocol="ESMTPSA",
    at=datetime(2026, 11, 23, 12, tzinfo=UTC),
)
PLAIN = b"From: Acme <hello@acme.dev>\r\nSubject: Hi\r\n there\r\n\r\nHello\r\n\r\nFrom: x@evil.dev\r\n"


def finished(content: bytes, trace: Trace = TRACE) -> bytes:
    """Read and complete."""
    return complete_message(read(content), trace, "acme.dev")


def test_nothing_is_changed_but_added_before() -> None:
    """The message stays as it is, octet by octet, behind what is added."""
    done = finished(PLAIN)
    assert done.endswith(PLAIN)
    assert done[: -len(PLAIN)].decode() == (
        "Received: from client.dev ([192.0.2.7])\r\n\tby relay.dev (Letterhead) with ESMTPSA id msg_1;\r\n"
        "\tMon, 23 Nov 2026 12:00:00 +0000\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <msg_1@acme.dev>\r\n"
    )


def test_what_is_there_is_not_added() -> None:
    """Date and Message-ID of the client's own stay."""
    done = finished(b"date: yesterday\r\nMESSAGE-ID: <x@y>\r\n" + PLAIN)
    assert done.count(b"Date:") == done.count(b"Message-ID:") == 0


def test_what_only_the_author_should_see_goes() -> None:
    """Bcc and Return-Path are taken away, folded ones whole; their like in the text stay."""
    done = finished(
        b"Bcc: a@x.dev,\r\n b@x.dev\r\nReturn-Path: <z@x.dev>\r\nResent-Bcc: c@x.dev\r\n" + PLAIN + b"Bcc: d\r\n"
    )
    assert done == finished(PLAIN + b"Bcc: d\r\n")


def test_what_steers_the_next_server_goes() -> None:
    """Orders to a provider or mail server are the operator's to give; an application's own fields stay."""
    orders = (
        "X-SES-TENANT: another", "X-SES-CONFIGURATION-SET: dedicated", "x-ses-source-arn: arn:aws:ses:x",
        "X-SMTPAPI: {}", "X-Mailgun-Dkim: no", "X-PM-Message-Stream: other", "X-MC-Subaccount: other",
        "X-MSYS-API: {}", "X-MJ-CustomID: 1", "X-Virtual-MTA: fast", "X-Job: 1", "X-SES-MESSAGE-TAGS: a=1,\r\n b=2",
    )  # fmt: skip
    assert finished("".join(f"{order}\r\n" for order in orders).encode() + PLAIN) == finished(PLAIN)
    own = b"X-Job-Number: 7\r\nX-Session: 1\r\nX-Mailer: acme\r\n" + PLAIN
    assert finished(own).endswith(own)


@pytest.mark.parametrize(
    "claim",
    [
        "relay.dev; dmarc=pass header.from=bank.test",
        "RELAY.dev 1; dkim=pass",
        "\r\n relay.dev;\r\n\tspf=pass",
        "(a comment; with a semicolon) relay.dev; spf=pass",
        '"relay.dev"; spf=pass',
        '"relay\\.dev"; spf=pass',
    ],
)
def test_a_result_in_our_name_goes(claim: str) -> None:
    """RFC 8601 5: nobody else may say what we found; what others say they found stays."""
    assert finished(f"Authentication-Results: {claim}\r\n".encode() + PLAIN) == finished(PLAIN)
    others = b"Authentication-Results: mx.relay.dev; spf=pass\r\nX-Results: relay.dev; spf=pass\r\n" + PLAIN
    assert finished(others).endswith(others)


@pytest.mark.parametrize("helo", ["a b", "x)\r\nBcc: y", "", "é", "<x>"])
def test_a_clients_name_breaks_nothing(helo: str) -> None:
    """Whatever it calls itself, Received stays one field."""
    import msgspec

    done = finished(PLAIN, msgspec.structs.replace(TRACE, helo=helo, address="2001:db8::1"))
    assert done.startswith(b"Received: from unknown ([IPv6:2001:db8::1])\r\n\tby ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no From"),
        (b"\r\nFrom: a@acme.dev\r\n\r\n", "no From"),
        (b"Subject: x\r\n\r\nFrom: a@acme.dev\r\n", "no From"),
        (b"From: a@acme.dev\r\nFROM: b@evil.dev\r\n\r\n", "2 fields named From"),
        (b"From: a@acme.dev\r\nFrom : b@evil.dev\r\n\r\n", "Line 2 of the message's header is no field"),
        (b"From: a@acme.dev\r\n \r\nFrom: b@evil.dev\r\n\r\n", "Line 1 of the message's header is no field"),
        (b" From: b@evil.dev\r\nFrom: a@acme.dev\r\n\r\n", "Line 1"),
        (b"From a@acme.dev\r\nFrom: a@acme.dev\r\n\r\n", "Line 1"),
        (b"From: a@acme.dev\r\nno field\r\n\r\n", "Line 2"),
        (b"From: a@acme.dev\r\nS\xc3\xbc: x\r\n\r\n", "Line 2"),
        (b"From: a@acme.dev\r\n: x\r\n\r\n", "Line 2"),
        (b"From: \xff@acme.dev\r\n\r\n", "not UTF-8"),
        (b"From: a@acme.dev\r\nSubject: a\r\nsubject: b\r\n\r\n", "2 fields named Subject"),
        (b"From: a@acme.dev,\r\n b@evil.dev\r\n\r\n", "several addresses"),
        (b"From: a@acme.dev\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", "too large"),
        (b"Received: x\r\n" * 101 + PLAIN, "circle"),
    ],
)
def test_what_is_refused(content: bytes, said: str) -> None:
    """What is no message, or could be read as another one, with the reason and what to do."""
    with pytest.raises(SubmissionRefused) as caught:
        author(read(content))
    assert said in caught.value.reply.detail
    assert caught.value.reply.fix
    assert caught.value.reply.code >= 500


def test_a_message_without_a_text() -> None:
    """A header alone is a message."""
    assert finished(b"From: a@acme.dev\r\nDate: x\r\nMessage-ID: y\r\n").endswith(b"Message-ID: y\r\n\r\n")


def test_replies_fit_smtp() -> None:
    """Lines of at most 512 octets of ASCII, each with code and status, whatever they quote."""
    reply = SmtpReply(code=550, status="5.7.1", detail="é\r\n250 " + "x" * 900 + "\U0001f600" * 90, fix="Do.")
    lines = reply.text().split("\r\n")
    assert len(lines) > 2
    assert all(line.startswith("550-5.7.1 ") for line in lines[:-1])
    assert lines[-1] == "550 5.7.1 Do."
    assert all(len(line) <= 510 and line.isascii() for line in lines)
