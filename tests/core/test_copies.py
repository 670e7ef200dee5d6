"""A damaged copy is told from a damaged message: what copying did is undone, and named."""

import time
from collections.abc import Callable

import pytest

from letterhead.core.check.auth_report import AuthReport
from tests.core.receiver import Zone, judged
from tests.rigs.signing import OWN, sealed

TEXT = (
    b"From: Shop <shop@quay.dev>\r\nTo: somebody@receiver.test\r\nSubject: Parcel\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <7@quay.dev>\r\n\r\n"
    b"Good day,\r\nFrom tomorrow on it is yours.\r\n.hidden\r\nbye\r\n"
)
ZONE: Zone = {"k1._domainkey.quay.dev": {"TXT": [OWN.record]}, "_dmarc.quay.dev": {"TXT": ["v=DMARC1; p=reject"]}}
SIGNED = sealed(TEXT, OWN, "quay.dev", "k1", canon=("relaxed", "simple"))


def look(octets: bytes) -> AuthReport:
    return judged(octets, ZONE, sender="quay.dev", ip="9.9.9.9", mail_from="x@elsewhere.test")


@pytest.mark.parametrize(
    ("damage", "note"),
    [
        (lambda octets: b"\xef\xbb\xbf" + octets, "byte-order mark"),
        (lambda octets: octets.decode().encode("utf-16"), "UTF-16"),
        (lambda octets: b"\r\n\r\n" + octets, "empty lines"),
        (lambda octets: b" \r\n\t\n" + octets, "empty lines"),
        (lambda octets: b"From shop@quay.dev Mon Nov 23 12:00:00 2026\r\n" + octets, "mbox"),
        (lambda octets: octets.replace(b"\r\n", b"\r\r\n"), "CR CR LF"),
        (lambda octets: octets.replace(b"\r\n", b"\r"), "CR alone"),
        (lambda octets: octets.replace(b"\r\n", b"\r\n\r\n"), "empty line after every line"),
        (lambda octets: b"    " + octets.replace(b"\r\n", b"\r\n    ").removesuffix(b"    "), "indented"),
        (lambda octets: b"> " + octets.replace(b"\r\n", b"\r\n> ").removesuffix(b"> "), "quoted"),
        (lambda octets: b"\xef\xbb\xbf\r\n" + octets.replace(b"\r\n", b"\n"), "byte-order mark"),
    ],
)
def test_what_no_message_has_is_undone(damage: Callable[[bytes], bytes], note: str) -> None:
    """The message is read as it was: it passes, and a note names what was done to the copy."""
    found = look(damage(SIGNED))
    assert found.dkim[0].verified.judgement.result == "pass"
    assert (found.dmarc.judgement.result, found.given.from_domain) == ("pass", "quay.dev")
    assert any(note in each for each in found.notes), found.notes


def test_a_whole_copy_has_no_note() -> None:
    """Line ends of LF alone are those of files."""
    assert look(SIGNED).notes == ()
    assert look(SIGNED.replace(b"\r\n", b"\n")).notes == ()
    assert look(SIGNED.replace(b"\r\n", b"\n")).dkim[0].verified.judgement.result == "pass"


MENDED: dict[str, Callable[[bytes], bytes]] = {
    "“>From ”": lambda octets: octets.replace(b"\r\nFrom tomorrow", b"\r\n>From tomorrow"),
    "two dots": lambda octets: octets.replace(b"\r\n.hidden", b"\r\n..hidden"),
    "a dot alone": lambda octets: octets + b".\r\n",
    "CR CR LF": lambda octets: octets.replace(b"day,\r\n", b"day,\r\r\n"),
    "a CR stands without": lambda octets: octets.replace(b"day,\r\n", b"day,\r"),
}


@pytest.mark.parametrize("named", MENDED)
def test_the_damage_that_broke_the_signature_is_named(named: str) -> None:
    """Undone one at a time: the signature is good then, and the copy is to blame."""
    judgement = look(MENDED[named](SIGNED)).dkim[0].verified.judgement
    assert judgement.result == "pass"
    assert f"copy of the message is damaged: {judgement.why.partition(': ')[2]}" in judgement.why
    assert named in judgement.why
    assert ";" not in judgement.why
    assert "by another way" in (judgement.fix or "")


def test_several_damages_are_undone_together() -> None:
    """A copy that went through an mbox file and through SMTP's dots has both."""
    octets = MENDED["two dots"](MENDED["“>From ”"](SIGNED))
    judgement = look(octets).dkim[0].verified.judgement
    assert judgement.result == "pass"
    assert "“>From ”" in judgement.why
    assert "two dots" in judgement.why


def test_octets_written_as_utf8() -> None:
    """A message in Latin-1 that was pasted as text has two octets for each letter."""
    text = TEXT.replace(b"bye", b"adi\xf3s")
    signed = sealed(text, OWN, "quay.dev", "k1")
    judgement = look(signed.decode("latin-1").encode()).dkim[0].verified.judgement
    assert judgement.result == "pass"
    assert "no UTF-8" in judgement.why
    lost = look(signed.decode("utf-8", "replace").encode())
    assert lost.dkim[0].verified.judgement.result == "fail"
    assert any("base64" in each for each in lost.notes)


def test_a_changed_message_is_no_damaged_copy() -> None:
    """Where undoing does not help, the message is said to be changed, and nothing is called damaged."""
    changed = MENDED["“>From ”"](SIGNED).replace(b"bye", b"by")
    judgement = look(changed).dkim[0].verified.judgement
    assert judgement.result == "fail"
    assert judgement.why.startswith("The body was changed")


def test_a_quoted_line_that_was_signed_stays() -> None:
    """A line that began with >From, or with two dots, when it was signed is as it was."""
    text = TEXT.replace(b"\r\nFrom tomorrow", b"\r\n>From tomorrow").replace(b"\r\n.hidden", b"\r\n..hidden")
    judgement = look(sealed(text, OWN, "quay.dev", "k1")).dkim[0].verified.judgement
    assert judgement.why == "The signature is good: nothing that it covers was changed on the way."


@pytest.mark.parametrize(
    "octets",
    [
        b"X: 1\r\n\r\nY: 2\r\n\r\nZ: 3\r\n\r\nnot doubled\r\nat all\r\n",
        b"X: 1\n  folded\nY: 2\n\n  indented\n  body\n",
    ],
)
def test_what_only_looks_like_damage_is_left(octets: bytes) -> None:
    """Paragraphs of one line each, and an indented body, are a message's own."""
    assert look(octets).given.message.undone == ()


def test_a_hostile_copy_is_judged_at_once() -> None:
    """Eight signatures that fail by a key of the sender's own, and all damages: less than 50 ms of CPU."""
    body = (b">From x\r\n..y\r\rz\r\r\n" * 3000)[:45_000] + b"\xc3\xa9\r\n.\r\n"
    text = SIGNED.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    signature = SIGNED.partition(b"\r\nFrom: ")[0] + b"\r\n"
    octets = signature * 7 + text + body
    least = 1.0
    for _ in range(5):
        began = time.process_time()
        assert look(octets).dkim[7].verified.judgement.result == "fail"
        least = min(least, time.process_time() - began)
    assert least < 0.05
