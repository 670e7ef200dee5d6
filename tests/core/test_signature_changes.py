"""What broke a signature is named: a field that was added, a list, another selector; and DMARC's fix fits to it."""

from base64 import b64encode
from quopri import encodestring
from typing import Any

import dkim
import pytest

from letterhead.core.check.auth_report import AuthReport
from tests.core.receiver import Zone, judged
from tests.rigs.signing import OWN, sealed

COVERS = ("from", "to", "subject", "date", "message-id")
TEXT = (
    b"From: Shop <shop@quay.dev>\r\nTo: somebody@receiver.test\r\nSubject: Parcel\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <7@quay.dev>\r\n\r\nGood day.\r\n"
)
KEY = "k1._domainkey.quay.dev"
ZONE: Zone = {
    KEY: {"TXT": [OWN.record]},
    "_dmarc.quay.dev": {"TXT": ["v=DMARC1; p=reject"]},
    "out.quay.dev": {"TXT": ["v=spf1 ip4:9.9.9.0/24 -all"]},
}
SIGNED = sealed(TEXT, OWN, "quay.dev", "k1")
LIST = b"List-Id: The club <talk.club.test>\r\n"


def look(octets: bytes, zone: Zone | None = None, **given: Any) -> AuthReport:
    envelope = {"ip": "9.9.9.9", "mail_from": "x@elsewhere.test"} | given
    return judged(octets, {**ZONE, **(zone or {})}, sender="quay.dev", **envelope)


def oversigned(*names: str) -> bytes:
    """Sign as dkimpy does with fields named once more than they are there, so that nobody can add them."""
    covers = (*COVERS, "from", *names)
    head: bytes = dkim.sign(TEXT, b"k1", b"quay.dev", OWN.pem, include_headers=[name.encode() for name in covers])
    return head + TEXT


@pytest.mark.parametrize(
    ("sealed_names", "added", "named"),
    [
        (("reply-to",), b"Reply-To: x@club.test\r\n", "Reply-To was added"),
        (("reply-to", "list-id"), b"Reply-To: x@club.test\r\n" + LIST, "Reply-To and List-Id were added"),
        (("sender",), b"Sender: x@club.test\r\n", "Sender was added"),
        (("cc", "list-unsubscribe"), b"List-Unsubscribe: <mailto:x@club.test>\r\n", "List-Unsubscribe was added"),
    ],
)
def test_an_added_field_is_told_from_a_changed_one(sealed_names: tuple[str, ...], added: bytes, named: str) -> None:
    """Where the signer seals a field, adding it breaks the signature: nothing was changed, and the field is named."""
    signed = oversigned(*sealed_names)
    assert look(signed).dkim[0].verified.judgement.result == "pass"
    at_the_end = signed.replace(b"\r\n\r\nGood", b"\r\n" + added + b"\r\nGood")
    for octets in (added + signed, at_the_end):
        judgement = look(octets).dkim[0].verified.judgement
        assert judgement.result == "fail"
        assert named in judgement.why
        assert "nothing that was signed was changed" in judgement.why
        assert "h=" in (judgement.fix or "")


def test_a_changed_field_is_still_called_changed() -> None:
    """Undoing does not help: no field is said to be added that was there."""
    judgement = look(SIGNED.replace(b"Parcel", b"Parcels")).dkim[0].verified.judgement
    assert judgement.result == "fail"
    assert judgement.why.startswith("A signed header field was changed on the way. Signed are: from, to, ")
    assert "added" not in judgement.why


def test_a_list_is_named() -> None:
    """It tagged the subject and put a footer below: the list is to change, not the signer."""
    octets = LIST + SIGNED.replace(b"Subject: Parcel", b"Subject: [talk] Parcel") + b"-- \r\nthe club\r\n"
    found = look(octets)
    judgement = found.dkim[0].verified.judgement
    assert judgement.result == "fail"
    assert "“[talk]” was put before the subject" in judgement.why
    assert "body was changed" in judgement.why
    assert "mailing list talk.club.test" in judgement.why
    for fix in (judgement.fix, found.dmarc.judgement.fix):
        assert "at your signer there is nothing to mend" in (fix or "")
    assert found.dmarc.outcome == "rejected"
    assert "Sign" not in (found.dmarc.judgement.fix or "")
    by_post = octets.replace(LIST, b"List-Post: <mailto:talk@club.test>\r\n")
    assert "mailing list talk@club.test" in look(by_post).dkim[0].verified.judgement.why


def test_who_forwarded_is_named() -> None:
    """Above the signature, Received leads through a second organisation."""
    received = (
        b"Received: from out.club.test (out.club.test [8.8.8.8]) by mx.inn.test with ESMTPS; now\r\n"
        b"Received: from smtp.quay.dev (smtp.quay.dev [9.9.9.9]) by mx.club.test with ESMTPS; now\r\n"
    )
    judgement = look(received + SIGNED + b"more\r\n").dkim[0].verified.judgement
    assert "club.test handed it on" in judgement.why
    first_alone = b"Received: from out.club.test (out.club.test [8.8.8.8]) by mx.inn.test with ESMTPS; now\r\n"
    assert "handed it on" not in look(first_alone + SIGNED + b"more\r\n").dkim[0].verified.judgement.why


def test_a_good_message_of_a_list_passes() -> None:
    """A list that changes nothing breaks nothing."""
    found = look(LIST + SIGNED)
    assert (found.dkim[0].verified.judgement.result, found.dmarc.judgement.result) == ("pass", "pass")
    assert found.dmarc.judgement.fix is None


@pytest.mark.parametrize("how", ["q", "b"])
def test_a_signature_rewritten_as_encoded_words(how: str) -> None:
    """The relay that rewrote it is to blame; the signer, whose d= is still shown, is right."""
    field, rest = SIGNED.split(b"\r\n", 1)
    name, value = field.split(b": ", 1)
    parts = [value[at : at + 36] for at in range(0, len(value), 36)]
    if how == "b":
        words = [b"=?utf-8?B?" + b64encode(part) + b"?=" for part in parts]
    else:
        words = [b"=?UTF-8?Q?" + encodestring(part, header=True).replace(b"=\n", b"") + b"?=" for part in parts]
    found = look(name + b": " + b"\r\n ".join(words) + b"\r\n" + rest)
    signature, judgement = found.dkim[0].verified.signature, found.dkim[0].verified.judgement
    assert (judgement.result, signature.domain, signature.selector) == ("neutral", "quay.dev", "k1")
    assert "encoded words" in judgement.why
    assert "the signer is right" in (judgement.fix or "")
    assert "signing program" not in (judgement.fix or "")
    assert "Mend the signature of quay.dev" in (found.dmarc.judgement.fix or "")


def test_another_field_rewritten_as_encoded_words() -> None:
    """Where a signed field without free text was encoded, it is named."""
    octets = SIGNED.replace(b"<7@quay.dev>", b"=?utf-8?q?=3C7=40quay=2Edev=3E?=")
    assert "Message-ID was rewritten as encoded words" in look(octets).dkim[0].verified.judgement.why


@pytest.mark.parametrize(
    ("octets", "fix"),
    [
        (TEXT, "Have the server that sends it sign with d=quay.dev"),
        (SIGNED.replace(b"Good day", b"Bad day"), "Mend the signature of quay.dev that is there"),
        (sealed(TEXT, OWN, "quay.dev", "k7"), "Mend the signature of quay.dev that is there"),
        (sealed(TEXT, OWN, "other.test", "k1"), "Have the signer sign with d=quay.dev, or with a name"),
        (sealed(TEXT, OWN, "other.test", "k1") + b"x", "the signature that is there is of other.test"),
    ],
)
def test_the_fix_of_dmarc_fits_to_what_is_there(octets: bytes, fix: str) -> None:
    """None: sign. A broken one of the domain's: mend that. One of another domain: d=."""
    found = look(octets, {"k1._domainkey.other.test": {"TXT": [OWN.record]}})
    assert found.dmarc.judgement.result == "fail"
    assert fix in (found.dmarc.judgement.fix or "")


@pytest.mark.parametrize(
    ("octets", "fix"),
    [
        (TEXT, "Sign the message too. SPF alone"),
        (SIGNED.replace(b"Good day", b"Bad day"), "Mend the signature of quay.dev"),
        (sealed(TEXT, OWN, "other.test", "k1"), "sign with d=quay.dev too"),
    ],
)
def test_what_spf_alone_lets_pass_gets_a_fitting_fix_too(octets: bytes, fix: str) -> None:
    """“Sign it too” is said where no signature is there, and only there."""
    zone: Zone = {"k1._domainkey.other.test": {"TXT": [OWN.record]}}
    found = look(octets, zone, mail_from="a@out.quay.dev")
    assert (found.spf.judgement.result, found.dmarc.judgement.result) == ("pass", "pass")
    assert fix in (found.dmarc.judgement.fix or "")


def test_a_selector_that_the_domains_page_knows() -> None:
    """Where the signature names one without a key, the known one is named; and whether its key is the one."""
    signed = sealed(TEXT, OWN, "quay.dev", "default")
    fix = look(signed, known_keys=[KEY]).dkim[0].verified.judgement.fix or ""
    assert fix == f"Set the signer to the selector k1: the key that signed is published at {KEY}."
    other = sealed(TEXT, OWN.of_bits(2048), "quay.dev", "default")
    fix = look(other, known_keys=[KEY]).dkim[0].verified.judgement.fix or ""
    assert "selector k1 and to its key" in fix
    unpublished = look(signed, {KEY: {}}, known_keys=[KEY]).dkim[0].verified.judgement
    assert (unpublished.result, unpublished.code) == ("permerror", "dkim.missing")
    assert "Publish the key's TXT record at default._domainkey.quay.dev" in (unpublished.fix or "")


def test_a_domain_in_utf8() -> None:
    """It passes here, and many receivers fail it, unless the message came with SMTPUTF8 (RFC 8616 4)."""
    zone: Zone = {"k1._domainkey.xn--mller-kva.test": {"TXT": [OWN.record]}}
    signed = _utf8_signature()
    judgement = look(signed, zone).dkim[0].verified.judgement
    assert (judgement.result, judgement.fix) == ("pass", "Set the signer to d=xn--mller-kva.test and s=k1.")
    assert "many receivers fail it" in judgement.why
    received = b"Received: from a.quay.dev (a.quay.dev [9.9.9.9]) by mx.inn.test with UTF8SMTPS; now\r\n"
    assert look(received + signed, zone).dkim[0].verified.judgement.fix is None


def _utf8_signature() -> bytes:
    head: bytes = dkim.sign(TEXT, b"k1", "müller.test".encode(), OWN.pem, identity="@müller.test".encode())
    return head + TEXT


def test_raw_octets_in_a_header_are_noted() -> None:
    """They are signed as they are; without SMTPUTF8 they are not allowed, and often do not last."""
    text = TEXT.replace(b"Shop", b"Caf\xe9 \xc3\xa9")
    signed = sealed(text, OWN, "quay.dev", "k1")
    found = look(signed)
    assert found.dkim[0].verified.judgement.result == "pass"
    assert any("raw 8-bit octets (From)" in note for note in found.notes)
    received = b"Received: from a.quay.dev (a.quay.dev [9.9.9.9]) by mx.inn.test with UTF8SMTP; now\r\n"
    assert look(received + signed).notes == ()
    encoded = sealed(TEXT.replace(b"Shop", b"=?utf-8?q?Caf=C3=A9?="), OWN, "quay.dev", "k1")
    assert look(encoded).notes == ()


# --- RFC 6376 3.5 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "result"),
    [
        ("@quay.dev", "pass"),
        ("shop@news.quay.dev", "pass"),
        ("shop=40quay.dev", "pass"),
        ("shop@quay=2Edev", "pass"),
        ("=73hop@news=2Equay=2Edev", "pass"),
        ("shop@qu\r\n ay.dev", "pass"),
        ("shop@other=2Etest", "permerror"),
        ("shop@quay.dev=2Etest", "permerror"),
    ],
)
def test_an_identity_is_quoted_printable(identity: str, result: str) -> None:
    """i= is dkim-quoted-printable, where a fold stands for nothing (RFC 6376 2.11)."""
    signed = sealed(TEXT, OWN, "quay.dev", "k1", tags={"i": identity})
    assert look(signed).dkim[0].verified.judgement.result == result


@pytest.mark.parametrize(("length", "result"), [(5, "pass"), (11, "pass"), (12, "fail"), (9999, "fail")])
def test_a_length_beyond_the_body_fails(length: int, result: str) -> None:
    """The body has 11 octets; l= may not say more, whatever stands behind them."""
    judgement = look(sealed(TEXT, OWN, "quay.dev", "k1", length=length)).dkim[0].verified.judgement
    assert judgement.result == result
    if result == "fail":
        assert f"covers {length} octets of the body (l=), which has only 11" in judgement.why
        assert judgement.fix


@pytest.mark.parametrize(("made", "expires", "result"), [(1, 4000000000, "pass"), (5, 5, "fail"), (6, 5, "fail")])
def test_a_signature_expires_after_it_was_made(made: int, expires: int, result: str) -> None:
    """x= must be greater than t=, whatever the time is."""
    signed = sealed(TEXT, OWN, "quay.dev", "k1", tags={"t": str(made), "x": str(expires)})
    judgement = look(signed).dkim[0].verified.judgement
    assert judgement.result == result
    assert result == "pass" or "is not after" in judgement.why
