"""Hold the judging of strangers' messages: any octets come to a verdict, soon, and signatures as dkimpy sees them."""

import time
from collections.abc import Callable

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letterhead.core.check.auth_report import MOST_SIGNATURES, AuthReport
from letterhead.core.dkim import signature as dkim_signature
from letterhead.core.dkim.key_record import parse_key_record
from letterhead.core.dmarc.record import parse_dmarc_record
from letterhead.core.message import message
from tests.core.receiver import Zone, judged
from tests.rigs.signing import OWN

ZONE: Zone = {
    "lh1._domainkey.acme.dev": {"TXT": [OWN.record]},
    "acme.dev": {"TXT": ["v=spf1 -all"]},
    "_dmarc.acme.dev": {"TXT": ["v=DMARC1; p=reject"]},
}
FROM = b"From: a@acme.dev\r\n"
SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=acme.dev; s=lh1; h=from:x; bh=AAAA; b="
K = 1024


def fill(piece: bytes, octets: int = 60 * K) -> bytes:
    """Repeat a piece up to a size."""
    return (piece * (octets // len(piece) + 1))[:octets]


HOSTILE = {
    "nothing": b"",
    "one octet": b"\xff",
    "no header": b"\r\nbody",
    "no body": FROM,
    "10,000 fields": b"a: b\r\n" * 10_000 + FROM + b"\r\n",
    "a field of 60 KB": b"X: " + fill(b"x") + b"\r\n" + FROM + b"\r\n",
    "NUL": FROM + b"\0: \0\r\n\0\r\n\r\n\0",
    "8-bit": fill(bytes(range(128, 256)), 8 * K),
    "binary From": b"From: " + fill(bytes(range(128, 256)), 8 * K) + b"@acme.dev\r\n\r\n",
    "100 signatures": (SIGNATURE + b"AAAA\r\n") * 100 + FROM + b"\r\nbody",
    "d= of 1 KB": SIGNATURE.replace(b"acme.dev", fill(b"a.", K)) + b"AAAA\r\n" + FROM + b"\r\n",
    "d= of one label of 1 KB": SIGNATURE.replace(b"acme.dev", fill(b"a", K)) + b"AAAA\r\n" + FROM + b"\r\n",
    "d= of other letters": SIGNATURE.replace(b"acme.dev", fill("ß".encode(), 8 * K)) + b"AAAA\r\n" + FROM + b"\r\n",
    "h= of 20,000 names": SIGNATURE.replace(b":x;", fill(b":x", 40 * K) + b";") + b"AAAA\r\n" + FROM + b"\r\n",
    "b= of spaces": SIGNATURE + fill(b" ") + b"!\r\n" + FROM + b"\r\n",
    "b of folds": SIGNATURE + b"AAAA; b" + fill(b"\r\n ") + b"\r\n" + FROM + b"\r\n",
    "b again and again": SIGNATURE + b"AAAA" + fill(b"; b ") + b"\r\n" + FROM + b"\r\n",
    "semicolons": SIGNATURE + fill(b";") + b"\r\n" + FROM + b"\r\n",
    "body of spaces": SIGNATURE + b"AAAA\r\n" + FROM + b"\r\n" + fill(b" ") + b"x",
    "body of line ends": SIGNATURE + b"AAAA\r\n" + FROM + b"\r\n" + fill(b"\r\n"),
    "body of spaces and line ends": (SIGNATURE + b"AAAA\r\n") * 8 + FROM + b"\r\n" + fill(b" \r\n", 55 * K),
    "folds": b"X:" + fill(b"\r\n ") + b"\r\n" + FROM + b"\r\n",
    "quotes in From": b"From: " + fill(b'"') + b"a@acme.dev\r\n\r\n",
    "half a quote in From": b'From: "' + fill(b"\\") + b"a@acme.dev\r\n\r\n",
    "brackets in From": b"From: " + fill(b"(") + fill(b"<", K) + b"a@acme.dev\r\n\r\n",
    "commas in From": b"From: " + fill(b"a@b.c,") + b"\r\n\r\n",
    "one mile of From": b"From: a@" + fill(b"a.") + b"\r\n\r\n",
    "Received": (b"Received: from " + fill(b"[1.", 3 * K) + b"\r\n") * 20 + FROM + b"\r\n",
    "Received of spaces": b"Received: from" + fill(b" ") + b"\r\n" + FROM + b"\r\n",
    "Return-Path": b"Return-Path: <" + fill(b"a") + b"@acme.dev>\r\n" + FROM + b"\r\n",
    "macros in Return-Path": b"Return-Path: <" + fill(b"%{s}", 8 * K) + b"@acme.dev>\r\n" + FROM + b"\r\n",
    "numbers": SIGNATURE.replace(b"v=1", b"v=1; l=" + b"9" * 70 + b"; x=" + b"9" * 12) + b"AAAA\r\n" + FROM + b"\r\n",
    "huge numbers": SIGNATURE.replace(b"v=1", b"v=1; t=" + fill(b"9")) + b"AAAA\r\n" + FROM + b"\r\n",
    "time of no calendar": SIGNATURE.replace(b"v=1", b"v=1; x=999999999999") + b"AAAA\r\n" + FROM + b"\r\n",
}  # fmt: skip


def seconds(judge: Callable[[], AuthReport]) -> float:
    """Measure the CPU that a judgement takes, with nothing remembered from before."""
    for cache in (parse_key_record, parse_dmarc_record, message.a_label):
        cache.cache_clear()
    began = time.process_time()
    judge()
    return time.process_time() - began


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_judged_at_once(name: str) -> None:
    """Each comes to a verdict, raises nothing, and takes less than 50 ms of CPU for everything."""
    octets = HOSTILE[name]

    def judge() -> AuthReport:
        return judged(octets, ZONE, ip="192.0.2.1", mail_from=None if "Return-Path" in name else "a@acme.dev")

    found = judge()
    assert found.dmarc.judgement.why
    assert all(each.verified.judgement.result != "pass" for each in found.dkim)
    assert min(seconds(judge) for _ in range(5)) < 0.05


def test_no_more_than_eight_signatures_are_looked_at() -> None:
    """The rest is counted and said."""
    found = judged(HOSTILE["100 signatures"], ZONE)
    assert (len(found.dkim), found.given.skipped) == (MOST_SIGNATURES, 92)


@given(st.binary(max_size=400))
def test_any_octets_are_judged(octets: bytes) -> None:
    """No octets make the judge raise, before or after a signature and a From field."""
    for whole in (octets, FROM + octets, SIGNATURE + octets + b"\r\n" + FROM, FROM + b"\r\n" + octets):
        assert judged(whole, ZONE, ip="192.0.2.1", mail_from="a@acme.dev").dmarc.judgement.why


PIECES = [b"v=1", b"a=rsa-sha256", b"b=", b"bh=AAAA", b"d=acme.dev", b"h=from", b"s=lh1", b"l=1", b"x=1", b"c=relaxed",
          b"i=@", b"q=dns/txt", b"t=", b";", b"=", b" ", b"\r\n ", b"\xc3\x9f", b"\xff"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=24).map(b"; ".join))
def test_any_signature_field_is_read(value: bytes) -> None:
    """Whatever stands in a DKIM-Signature field, it is read, and gives octets to hash where it is whole."""
    read = message.parse_message(b"DKIM-Signature: " + value + b"\r\n" + FROM + b"\r\nbody")
    signature = dkim_signature.parse_signature(read.fields_named("dkim-signature")[0])
    assert isinstance(dkim_signature.head_octets(read, signature), bytes)
    assert isinstance(dkim_signature.body_octets(read, signature), bytes)


LINES = st.lists(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(
        lambda text: text.replace("x", " ").replace("y", "\t")
    ),
    max_size=6,
)
CANONS = st.sampled_from([b"simple", b"relaxed"])


@settings(deadline=None, max_examples=60)
@given(LINES, LINES, CANONS, CANONS, st.booleans(), st.binary(max_size=3))
def test_signatures_are_judged_as_by_dkimpy(
    folded: list[str], lines: list[str], header: bytes, body: bytes, length: bool, spoil: bytes
) -> None:
    """What dkimpy signs passes; what it finds spoilt fails here too, and the other way round."""
    subject = "\r\n ".join(["Subject: s", *(line for line in folded if line.strip())])
    text = (f"From: a@acme.dev\r\n{subject}\r\nTo: b@c.dev\r\n\r\n" + "".join(f"{line}\r\n" for line in lines)).encode()
    signed = dkim.sign(text, b"lh1", b"acme.dev", OWN.pem, canonicalize=(header, body), length=length) + text
    assert judged(signed, ZONE).dkim[0].verified.judgement.result == "pass"
    for spoilt in (
        signed + b"\r\n",
        signed + spoil + b"\r\n",
        signed.replace(b"Subject: s", b"Subject: " + spoil + b"s"),
    ):
        if spoilt.endswith(b"\r\n.\r\n"):
            continue  # as a copy of what SMTP sent ends: the dot is taken away, and it is told
        if spoilt.count(b"\r\n\r\n") and b"\0" not in spoilt and not set(spoil) & set(b"\r\n\x0b\x0c:"):
            theirs = _dkimpy(spoilt)
            ours = judged(spoilt, ZONE).dkim[0].verified.judgement.result == "pass"
            assert ours is theirs, spoilt


def _dkimpy(octets: bytes) -> bool:
    try:
        return bool(dkim.verify(octets, dnsfunc=lambda name, timeout=5: OWN.record.encode()))
    except dkim.DKIMException:
        return False
