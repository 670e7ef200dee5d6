"""Show how one message is judged: what each way of breaking it is called, and that silence is never a failure."""

import inspect
import re
from datetime import timedelta
from typing import Any

import pytest

from letterhead.core.check import message_authentication
from letterhead.core.check.auth_report import AuthReport
from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.core.dkim import verify
from letterhead.core.message import message
from letterhead.core.message.envelope import Provenance
from letterhead.core.spf import check_host
from tests.core.receiver import NOW, Zone, judged
from tests.rigs.signing import OWN, sealed

TEXT = (
    b"From: Acme <hello@acme.dev>\r\nTo: somebody@receiver.test\r\nSubject: Good day\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@acme.dev>\r\n\r\nHello,\r\n\r\nthis is it.\r\n"
)
IP, SENDER = "192.0.2.25", "bounce@lh.acme.dev"
KEY = "lh1._domainkey.acme.dev"
ZONE: Zone = {
    KEY: {"TXT": [OWN.record]},
    "lh.acme.dev": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]},
    "acme.dev": {"TXT": ["site=1"]},
    "_dmarc.acme.dev": {"TXT": ["v=DMARC1; p=reject"]},
}
SIGNED = sealed(TEXT, OWN, "acme.dev", "lh1")


def look(octets: bytes = SIGNED, zone: Zone | None = None, **rest: Any) -> AuthReport:
    """Judge a message that came from the usual server by the usual envelope sender."""
    changed = {**ZONE, **(zone or {})}
    held = {name: values for name, values in changed.items() if values}
    return judged(octets, held, **({"ip": IP, "mail_from": SENDER} | rest))


def words(found: AuthReport) -> tuple[str, str, str, str]:
    """Sum a proof up: DKIM, SPF, DMARC, and what becomes of the message."""
    dkim = found.dkim[0].verified.judgement.result.value if found.dkim else "none"
    return dkim, found.spf.judgement.result.value, found.dmarc.judgement.result.value, found.dmarc.outcome


def codes(found: AuthReport) -> list[str]:
    """List the findings that are named."""
    parts = [*(each.verified.judgement for each in found.dkim), found.spf.judgement, found.dmarc.judgement]
    return [part.code for part in parts if part.code]


def test_a_good_message_passes() -> None:
    """Signature, SPF and DMARC pass, both are aligned, and there is nothing to mend."""
    found = look()
    assert words(found) == ("pass", "pass", "pass", "delivered")
    assert (found.dkim[0].aligned, found.spf.aligned, codes(found)) == (True, True, [])
    assert found.dmarc.judgement.fix is None


@pytest.mark.parametrize("header", ["simple", "relaxed"])
@pytest.mark.parametrize("body", ["simple", "relaxed"])
def test_every_canonicalisation(header: str, body: str) -> None:
    """RFC 6376 3.4: each form is read as the signer meant it; what relaxed forgives is forgiven, the rest is not."""
    text = TEXT.replace(b"Subject: Good day", b"Subject:  Good \t day\r\n\tand night ").replace(
        b"is it.", b"is \t it. "
    )
    text += b" \r\n\r\n" if body == "relaxed" else b"\r\n\r\n"
    signed = sealed(text, OWN, "acme.dev", "lh1", canon=(header, body))
    assert look(signed).dkim[0].verified.judgement.result == "pass"
    refolded = signed.replace(b"Good \t day\r\n\tand", b"Good day\r\n and")
    assert look(refolded).dkim[0].verified.judgement.result == ("pass" if header == "relaxed" else "fail")
    trimmed = signed.replace(b"is \t it. ", b"is it.")
    assert look(trimmed).dkim[0].verified.judgement.result == ("pass" if body == "relaxed" else "fail")


@pytest.mark.parametrize(
    ("octets", "result", "said"),
    [
        (SIGNED.replace(b"Hello,", b"Hallo,"), "fail", "body was changed"),
        (SIGNED + b"-- \r\na footer\r\n", "fail", "body was changed"),
        (SIGNED.replace(b"Good day", b"[list] Good day"), "fail", "header field was changed"),
        (sealed(TEXT, OWN, "acme.dev", "lh1", tags={"x": str(int(NOW.timestamp()) - 1)}), "fail", "expired"),
        (sealed(TEXT, OWN, "acme.dev", "lh1", covers=("to", "subject")), "permerror", "does not cover the From"),
        (sealed(TEXT, OWN, "acme.dev", "lh1", tags={"i": "@other.dev"}), "permerror", "i="),
        (sealed(TEXT, OWN, "acme.dev", "lh1", tags={"a": "rsa-sha1"}), "policy", "rsa-sha1"),
        (sealed(TEXT, OWN, "acme.dev", "lh1", tags={"a": "rot13"}), "neutral", "rot13"),
        (sealed(TEXT, OWN, "acme.dev", "lh1", tags={"v": "2"}), "neutral", "v=1"),
        (sealed(TEXT, OWN, "acme.dev", "lh1", tags={"c": "loose"}), "neutral", "c="),
        (sealed(TEXT, OWN, "acme.dev", "lh9"), "permerror", "There is no key at lh9._domainkey.acme.dev"),
        (SIGNED.replace(b"v=1;", b"v=1; v=1;"), "neutral", "a part twice"),
        (b"DKIM-Signature: nonsense\r\n" + TEXT, "neutral", "can't be read"),
    ],
)
def test_each_way_to_break_a_signature(octets: bytes, result: str, said: str) -> None:
    """What was changed on the way, or never good, is told in words, and what to do; SPF still lets DMARC pass."""
    found = look(octets)
    judgement = found.dkim[0].verified.judgement
    assert (judgement.result.value, words(found)[2]) == (result, "pass"), judgement
    assert said in judgement.why
    assert judgement.fix


def test_a_signature_is_good_until_it_expires() -> None:
    """x= is compared with the time of the judgement, to the second."""
    signed = sealed(TEXT, OWN, "acme.dev", "lh1", tags={"x": str(int(NOW.timestamp()))})
    assert look(signed, now=NOW - timedelta(seconds=1)).dkim[0].verified.judgement.result == "pass"
    assert look(signed, now=NOW).dkim[0].verified.judgement.result == "fail"


def test_a_signature_with_something_behind_it() -> None:
    """Where b= is not the last part, what stands behind it is signed too (RFC 6376 3.7)."""
    signed = sealed(TEXT, OWN, "acme.dev", "lh1", after="; z=old")
    assert look(signed).dkim[0].verified.judgement.result == "pass"
    assert look(signed.replace(b"z=old", b"z=new")).dkim[0].verified.judgement.result == "fail"


def test_fields_of_one_name_are_covered_from_the_bottom_up() -> None:
    """RFC 6376 5.4.2: what is added above later, and was not covered, may be anything; what was covered may not."""
    text = b"X: one\r\nX: two\r\n" + TEXT
    signed = sealed(text, OWN, "acme.dev", "lh1", covers=("from", "x"))
    assert look(signed).dkim[0].verified.judgement.result == "pass"
    assert look(b"X: zero\r\n" + signed.replace(b"X: one", b"X: 1")).dkim[0].verified.judgement.result == "pass"
    assert look(signed.replace(b"X: two", b"X: 2")).dkim[0].verified.judgement.result == "fail"
    both = sealed(text, OWN, "acme.dev", "lh1", covers=("from", "x", "x"))
    assert look(both).dkim[0].verified.judgement.result == "pass"
    assert look(both.replace(b"X: one", b"X: 1")).dkim[0].verified.judgement.result == "fail"


P = OWN.record.partition("p=")[2]


@pytest.mark.parametrize(
    ("record", "result", "code"),
    [
        ("v=DKIM1; k=rsa; p=", "permerror", "dkim.revoked"),
        ("v=DKIM1; k=rsa", "permerror", "dkim.no-key"),
        ("some words", "permerror", "dkim.syntax"),
        (f"v=DKIM1; p={P}; p={P}", "permerror", "dkim.duplicate-tag"),
        (f"p={P}; v=DKIM1", "permerror", "dkim.version-not-first"),
        (f"v=DKIM2; p={P}", "permerror", "dkim.bad-version"),
        (f"v=DKIM1; k=dsa; p={P}", "permerror", "dkim.unknown-algorithm"),
        (f"v=DKIM1; k=ed25519; p={P}", "permerror", "dkim.algorithm-mismatch"),
        (f"v=DKIM1; s=web; p={P}", "permerror", "dkim.service-excluded"),
        (f"v=DKIM1; h=sha1; p={P}", "permerror", "dkim.hash-excluded"),
        (f"v=DKIM1; p={P}!", "permerror", "dkim.bad-base64"),
        (f"v=DKIM1; p={P[:-40]}", "permerror", "dkim.bad-key"),
        (f"v=DKIM1; t=y; p={P}", "pass", "dkim.testing"),
        (f"v=DKIM1; t=s; p={P}", "pass", None),
    ],
)
def test_each_way_to_break_a_key(record: str, result: str, code: str | None) -> None:
    """A key that can't be used is named by its finding."""
    judgement = look(zone={KEY: {"TXT": [record]}}).dkim[0].verified.judgement
    assert (judgement.result.value, judgement.code) == (result, code), judgement.why


FAR_TOO_WEAK = (
    "v=DKIM1; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhALsFJmTRicd1fAAinv55CTKnLSuHLTEKt4YDYAXQDlrCczlqGU3nuFmAjdhRi6sDdSg+"
    "2S2hiL5+JBmkJKOZ+PAnciHXHAhA00MICvaJyy1Wcas23LrrJ6APGOq6AJIIjQIDAQAB"
)


def test_keys_of_others() -> None:
    """Another key is told from a changed header; too short ones do not count; several records are a warning."""
    other = sealed(TEXT, OWN.of_bits(2048), "acme.dev", "lh1")
    assert look(other).dkim[0].verified.judgement.code == "dkim.wrong-key"
    short = OWN.of_bits(1024)
    old = look(sealed(TEXT, short, "acme.dev", "lh1"), {KEY: {"TXT": [short.record]}}).dkim[0].verified
    assert (old.judgement.result.value, old.judgement.code, old.bits) == ("pass", "dkim.weak-key", 1024)
    broken = look(zone={KEY: {"TXT": [FAR_TOO_WEAK]}}).dkim[0].verified.judgement
    assert (broken.result.value, broken.code) == ("policy", "dkim.weak-key")
    both = look(zone={KEY: {"TXT": [OWN.of_bits(2048).record, OWN.record]}}).dkim[0].verified.judgement
    assert (both.result.value, both.code) == ("pass", "dkim.several-records")


def test_a_key_that_forbids_subdomains() -> None:
    """t=s refuses an identity below the signing domain, and only that (RFC 6376 3.6.1)."""
    signed = sealed(TEXT, OWN, "acme.dev", "lh1", tags={"i": "@news.acme.dev"})
    assert look(signed).dkim[0].verified.judgement.result == "pass"
    strict = look(signed, {KEY: {"TXT": [f"v=DKIM1; t=s; p={P}"]}}).dkim[0].verified.judgement
    assert (strict.result.value, strict.code) == ("permerror", "dkim.strict-identity")


def test_half_a_body_is_told() -> None:
    """l= verifies, and it is said that the rest of the body can be anybody's."""
    signed = sealed(TEXT, OWN, "acme.dev", "lh1", length=5)
    found = look(signed + b"and more\r\n").dkim[0].verified.judgement
    assert found.result == "pass"
    assert "only 5 octets" in found.why
    assert found.fix


def test_the_example_of_rfc_8463() -> None:
    """An Ed25519 signature made by others verifies, and fails when the message is another."""
    zone = {"brisbane._domainkey.football.example.com": {"TXT": [f"v=DKIM1; k=ed25519; p={ED25519_KEY}"]}}
    assert judged(ED25519, zone).dkim[0].verified.judgement.result == "pass"
    assert judged(ED25519.replace(b"dinner", b"supper"), zone).dkim[0].verified.judgement.result == "fail"
    bad = {"brisbane._domainkey.football.example.com": {"TXT": ["v=DKIM1; k=ed25519; p=AAAA"]}}
    assert judged(ED25519, bad).dkim[0].verified.judgement.code == "dkim.bad-key"


ED25519_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
ED25519 = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""


# --- DMARC -----------------------------------------------------------------------------------------------------

UNSIGNED: dict[str, Any] = {"mail_from": "x@elsewhere.test"}


@pytest.mark.parametrize(
    ("policy", "verdict", "outcome", "code"),
    [
        ("v=DMARC1; p=reject", "fail", "rejected", None),
        ("v=DMARC1; p=quarantine", "fail", "quarantined", None),
        ("v=DMARC1; p=none", "fail", "delivered", None),
        ("v=DMARC1; p=reject; t=y", "fail", "quarantined", None),
        ("v=DMARC1; sp=reject", "none", "delivered", "dmarc.policy-missing"),
        ("no policy", "none", "delivered", "dmarc.missing"),
        ("", "none", "delivered", "dmarc.missing"),
    ],
)
def test_what_becomes_of_a_message_that_nothing_proves(policy: str, verdict: str, outcome: str, code: str) -> None:
    """The policy that applies decides; without one anybody may send as the domain, and that is said."""
    zone: Zone = {"_dmarc.acme.dev": {"TXT": [policy]} if policy else {}}
    found = look(TEXT, zone, **UNSIGNED)
    assert words(found)[2:] == (verdict, outcome)
    assert found.dmarc.judgement.code == code


def test_two_policies_are_none() -> None:
    """RFC 9989 4.10: several records are discarded."""
    found = look(zone={"_dmarc.acme.dev": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}})
    assert (words(found)[2:], found.dmarc.judgement.code) == (("none", "delivered"), "dmarc.several-records")


@pytest.mark.parametrize(
    ("author", "exists", "outcome", "asked"),
    [
        ("news.acme.dev", True, "quarantined", "quarantine"),
        ("ghost.acme.dev", False, "rejected", "reject"),
        ("acme.dev", True, "delivered", "none"),
    ],
)
def test_the_policies_for_subdomains(author: str, exists: bool, outcome: str, asked: str) -> None:
    """sp for a subdomain that exists, np for one that does not, p for the domain itself."""
    zone = {"_dmarc.acme.dev": {"TXT": ["v=DMARC1; p=none; sp=quarantine; np=reject"]}}
    held: Zone = {**zone, author: {"A": ["192.0.2.1"]} if exists else {}}
    found = look(TEXT.replace(b"hello@acme.dev", f"hello@{author}".encode()), held, **UNSIGNED)
    assert found.dmarc.outcome == outcome
    assert found.dmarc.policy is not None
    assert found.dmarc.policy.asked == asked


def test_alignment_relaxed_and_strict() -> None:
    """A subdomain signs for its organisation unless the policy is strict; a stranger never does."""
    text = TEXT.replace(b"hello@acme.dev", b"hello@news.acme.dev")
    signed = sealed(text, OWN, "acme.dev", "lh1")
    assert words(look(signed, **UNSIGNED))[2:] == ("pass", "delivered")
    strict = look(signed, {"_dmarc.acme.dev": {"TXT": ["v=DMARC1; p=reject; adkim=s; aspf=s"]}})
    assert (words(strict), strict.dkim[0].aligned) == (("pass", "pass", "fail", "rejected"), False)
    assert strict.dmarc.judgement.code == "dmarc.strict-dkim"
    by_spf = look(TEXT, {"_dmarc.acme.dev": {"TXT": ["v=DMARC1; p=reject; aspf=s"]}})
    assert (words(by_spf)[2:], by_spf.dmarc.judgement.code) == (("fail", "rejected"), "dmarc.strict-spf")
    stranger = look(
        SIGNED.replace(b"hello@acme.dev", b"hello@bank.dev"), {"_dmarc.bank.dev": {"TXT": ["v=DMARC1; p=reject"]}}
    )
    assert words(stranger)[2:] == ("fail", "rejected")
    assert stranger.spf.aligned is False


def test_an_organisation_is_found_by_the_tree_walk() -> None:
    """psd=n and psd=y draw the border of an organisation (RFC 9989 4.10.2): siblings below it are not aligned."""
    text = TEXT.replace(b"hello@acme.dev", b"hello@one.acme.dev")
    signed = sealed(text, OWN, "two.acme.dev", "lh1")
    zone = {"lh1._domainkey.two.acme.dev": {"TXT": [OWN.record]}}
    assert look(signed, zone, **UNSIGNED).dkim[0].aligned is True
    border = {**zone, "_dmarc.acme.dev": {"TXT": ["v=DMARC1; p=reject; psd=y"]}}
    assert look(signed, border, **UNSIGNED).dkim[0].aligned is False


def test_alignment_is_told_of_what_fails_too() -> None:
    """Whether a broken signature would count is worth knowing: its organisation is asked for as well."""
    text = TEXT.replace(b"hello@acme.dev", b"hello@one.acme.dev")
    broken = sealed(text, OWN, "two.acme.dev", "lh1").replace(b"Hello", b"Hallo")
    zone: Zone = {"lh1._domainkey.two.acme.dev": {"TXT": [OWN.record]}}
    found = look(broken, zone, **UNSIGNED).dkim[0]
    assert (found.verified.judgement.result.value, found.aligned) == ("fail", True)
    apart: Zone = {**zone, "_dmarc.two.acme.dev": {"TXT": ["v=DMARC1; p=none; psd=n"]}}
    assert look(broken, apart, **UNSIGNED).dkim[0].aligned is False


def test_spf_from_elsewhere() -> None:
    """Another server's address fails by SPF alone; the signature still carries DMARC."""
    found = look(ip="198.51.100.9")
    assert words(found) == ("pass", "fail", "pass", "delivered")
    assert "198.51.100.9" in found.spf.judgement.why
    assert words(look(TEXT, ip="198.51.100.9"))[2:] == ("fail", "rejected")


@pytest.mark.parametrize("silent", [(KEY,), ("lh.acme.dev",), ("_dmarc.acme.dev",), ("_dmarc.dev",), tuple(ZONE)])
def test_silence_never_fails(silent: tuple[str, ...]) -> None:
    """Whatever does not answer, the verdict is never fail: what passes elsewhere passes, the rest is temperror."""
    found = look(silent=silent)
    assert words(found)[2] in ("pass", "temperror")
    assert "fail" not in words(found)
    alone = look(TEXT if silent == ("lh.acme.dev",) else SIGNED, silent=silent, mail_from="x@lh.acme.dev")
    assert words(alone)[2] in ("pass", "temperror")


def test_a_silent_key_is_deferred() -> None:
    """With nothing but a signature whose key DNS does not tell, the message is deferred and not rejected."""
    found = look(silent=(KEY,), **UNSIGNED)
    assert words(found) == ("temperror", "none", "temperror", "deferred")
    related = look(sealed(TEXT, OWN, "sub.acme.dev", "lh1"), {"lh1._domainkey.sub.acme.dev": {"TXT": [OWN.record]}},
                   silent=("_dmarc.sub.acme.dev",), **UNSIGNED)  # fmt: skip
    assert (related.dkim[0].aligned, words(related)[2]) == (None, "temperror")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"", "no From field"),
        (b"From: a@acme.dev\r\nFrom: b@acme.dev\r\n", "2 From fields"),
        (b"From: nobody\r\n", "names no domain"),
        (b"From: a@acme.dev, b@other.dev\r\n", "several domains"),
    ],
)
def test_a_message_of_nobody(header: bytes, why: str) -> None:
    """Without one From domain there is no policy to find."""
    found = look(header + b"Subject: x\r\n\r\nhello\r\n")
    assert words(found)[2:] == ("permerror", "rejected")
    assert why in found.dmarc.judgement.why


# --- the envelope ----------------------------------------------------------------------------------------------

INNER = b"Received: by inside.receiver.test with LMTP id 1; Mon, 23 Nov 2026 12:00:02 +0000\r\n"
PRIVATE = (
    b"Received: from mx.receiver.test (mx [10.0.0.7]) by inside.receiver.test; Mon, 23 Nov 2026 12:00:02 +0000\r\n"
)
PUBLIC = (
    b"Received: from out.acme.dev (out.acme.dev [9.9.9.9])\r\n\tby mx.receiver.test with ESMTPS; Mon, 23 Nov 2026\r\n"
)


def test_the_envelope_is_read_off_the_message() -> None:
    """Return-Path gives the sender; the topmost Received field with a public address the client, and it is told."""
    found = judged(b"Return-Path: <bounce@lh.acme.dev>\r\n" + INNER + PRIVATE + PUBLIC + SIGNED, ZONE)
    envelope = found.given.envelope
    assert (envelope.client_ip, envelope.helo) == ("9.9.9.9", "out.acme.dev")
    assert envelope.client_source is Provenance.RECEIVED
    assert (envelope.mail_from, envelope.mail_from_source) == ("bounce@lh.acme.dev", Provenance.RETURN_PATH)
    assert "[9.9.9.9]" in (envelope.received or "")
    assert found.spf.judgement.result == "fail"


def test_what_can_not_be_judged_is_said() -> None:
    """A private address alone, none at all, or no envelope sender: SPF is "none", with the reason."""
    for head, said in (
        (b"Return-Path: <a@lh.acme.dev>\r\n" + PRIVATE, "10.0.0.7 is private use"),
        (b"Return-Path: <a@lh.acme.dev>\r\n" + INNER, "no Received field"),
        (PUBLIC, "no Return-Path"),
    ):
        found = judged(head + SIGNED, ZONE)
        assert (found.spf.judgement.result.value, found.dmarc.judgement.result.value) == ("none", "pass")
        assert said in found.spf.judgement.why
        assert found.spf.judgement.fix
    assert "no address" in look(ip="300.1.1.1").spf.judgement.why


def test_a_bounce_is_judged_by_its_helo() -> None:
    """With the null sender SPF looks at the client's name (RFC 7208 2.4)."""
    zone: Zone = {"mta.acme.dev": {"TXT": ["v=spf1 ip4:192.0.2.25 -all"]}}
    found = look(TEXT, zone, mail_from="", helo="mta.acme.dev")
    assert (found.spf.identity, found.spf.domain, words(found)[1:3]) == ("helo", "mta.acme.dev", ("pass", "pass"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Acme <hello@acme.dev>", ["hello@acme.dev"]),
        ("hello@acme.dev (a (nested) comment <x@y.z>)", ["hello@acme.dev"]),
        ('"Acme, \\"Inc\\" <a@b.c>" <hello@acme.dev>, b@c.dev', ["hello@acme.dev", "b@c.dev"]),
        ("Team: a@b.dev, c@d.dev;", ["a@b.dev", "c@d.dev"]),
        ('"a@b"@c.dev', ['"a@b"@c.dev']),
        ("<@r.dev,@s.dev:x@t.dev>", ["@r.dev,@s.dev:x@t.dev"]),
        ("nobody", []),
        ("<<<((", []),
    ],
)
def test_addresses(text: str, found: list[str]) -> None:
    """Names, comments, quotes, groups and routes around an address are seen through."""
    assert list(message.parse_addresses(text)) == found


def test_a_domain_of_other_letters() -> None:
    """A U-label in From or d= is the A-label that DNS has (RFC 8616)."""
    assert message.domain_of("a@BÜCHER.example") == "xn--bcher-kva.example"
    assert message.a_label("faß.de") == "xn--fa-hia.de"
    assert message.domain_of("a@-") is None


def test_codes_are_those_of_the_catalogue() -> None:
    """Every finding that a proof names has its page."""
    modules = (message_authentication, verify, check_host)
    texts = "".join(inspect.getsource(module) for module in modules)
    named = set(re.findall(r'"((?:dkim|spf|dmarc|mail-from)\.[a-z-]+)"', texts))
    assert len(named) > 25
    assert named <= set(DIAGNOSES)
