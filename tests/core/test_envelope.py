"""The hop that counts for SPF: the last one from one organisation to another, and what the receiver wrote above it."""

import pytest

from letterhead.core.check.auth_report import AuthReport
from tests.core.receiver import Zone, judged

ZONE: Zone = {
    "quay.dev": {"TXT": ["v=spf1 -all"]},
    "out.quay.dev": {"TXT": ["v=spf1 ip4:9.9.9.0/24 ~all"]},
    "_dmarc.quay.dev": {"TXT": ["v=DMARC1; p=reject"]},
}
MX = "Received: from smtp.quay.dev (smtp.quay.dev [9.9.9.7])\r\n\tby mx1.inn.co.uk (Postfix) with ESMTPS id 1; now\r\n"
INSIDE = "Received: from filter3 (filter3.inn.co.uk [8.8.4.4]) by store.inn.co.uk with ESMTP; now\r\n"
UNNAMED = "Received: from filter3 ([8.8.4.4]) by store.inn.co.uk with ESMTP; now\r\n"
FORWARDED = "Received: from relay.club.test (relay.club.test [8.8.8.8]) by mx1.inn.co.uk with ESMTPS; now\r\n"
SPF = "Received-SPF: pass (mx1.inn.co.uk: ok) client-ip=9.9.9.7; envelope-from=a@out.quay.dev; helo=smtp.quay.dev;\r\n"
OTHER_SPF = SPF.replace("9.9.9.7", "9.9.9.8")
RESULTS = "Authentication-Results: mx1.inn.co.uk;\r\n spf=pass (sender IP is 9.9.9.7) smtp.mailfrom=out.quay.dev\r\n"
FOREIGN_RESULTS = RESULTS.replace("mx1.inn.co.uk", "mx.elsewhere.test").replace("9.9.9.7", "9.9.9.9")
LETTER = "From: a@quay.dev\r\nSubject: x\r\n\r\nx\r\n"


def look(*fields: str, path: str = "a@out.quay.dev", ip: str | None = None) -> AuthReport:
    octets = (f"Return-Path: <{path}>\r\n" + "".join(fields) + LETTER).encode()
    return judged(octets, ZONE, sender="quay.dev", ip=ip)


@pytest.mark.parametrize(
    "fields",
    [
        (MX,),
        (INSIDE, MX),
        (INSIDE, SPF, MX),
        (INSIDE, RESULTS, MX),
        (UNNAMED, SPF, MX),
        (UNNAMED, RESULTS, MX),
        (SPF, INSIDE, MX),
        (SPF, UNNAMED, MX),
        (FOREIGN_RESULTS, MX),
        (MX, SPF.replace("9.9.9.7", "4.4.4.4")),
        (MX, MX.replace("9.9.9.7", "4.4.4.4")),
        (MX.replace("from smtp.quay.dev (", "from localhost ("),),
        (INSIDE.replace("(filter3.inn", "(filter3.deep.inn"), MX),
    ],
)
def test_the_hop_into_the_receivers_house_counts(fields: tuple[str, ...]) -> None:
    """Hops within the house are passed over, whatever their addresses; what stands below may be forged."""
    found = look(*fields)
    envelope = found.given.envelope
    assert (envelope.client_ip, envelope.doubt) == ("9.9.9.7", None)
    assert (found.spf.judgement.result, found.dmarc.judgement.result) == ("pass", "pass")
    assert found.notes == ()


@pytest.mark.parametrize(
    ("fields", "ip", "doubt"),
    [
        ((INSIDE,), "8.8.4.4", "of one organisation"),
        ((UNNAMED,), "8.8.4.4", "no Received field shows"),
        ((UNNAMED, MX.replace("9.9.9.7", "4.4.4.4")), "4.4.4.4", "does not say whose"),
        ((SPF.replace("9.9.9.7", "4.4.4.4"), MX), "4.4.4.4", "names 4.4.4.4, and the Received field below it 9.9.9.7"),
        ((RESULTS.replace("9.9.9.7", "4.4.4.4"), MX), "4.4.4.4", "Authentication-Results names 4.4.4.4"),
    ],
)
def test_what_is_not_sure_is_said(fields: tuple[str, ...], ip: str, doubt: str) -> None:
    """No plain failure, and no advice to authorise what may be the receiver's own address."""
    found = look(*fields)
    envelope = found.given.envelope
    assert envelope.client_ip == ip
    assert doubt in (envelope.doubt or "")
    judgement = found.spf.judgement
    assert judgement.result == "none"
    assert "not sure" in judgement.why
    assert "softfail" in judgement.why
    assert judgement.fix == "Give clientIp: the address of the server that handed the message to the receiver."
    assert any("is not sure" in note and "clientIp" in note for note in found.notes)
    assert "SPF could not be judged here" in found.dmarc.judgement.why


def test_a_doubtful_address_that_passes_does_pass() -> None:
    """The record names it: it is the client, and the doubt stands in a note."""
    found = look(OTHER_SPF, MX)
    assert found.spf.judgement.result == "pass"
    assert found.given.envelope.client_ip == "9.9.9.8"
    assert len(found.notes) == 1


def test_a_given_address_is_sure() -> None:
    """What the caller knows is not doubted."""
    found = look(UNNAMED, ip="4.4.4.4")
    assert (found.spf.judgement.result, found.given.envelope.doubt) == ("softfail", None)


def test_a_forwarder_is_not_to_be_authorised() -> None:
    """After a second organisation SPF fails in any case; its address is not advised."""
    found = look(FORWARDED, MX.replace("mx1.inn.co.uk", "mx.club.test"))
    judgement = found.spf.judgement
    assert (found.given.envelope.client_ip, judgement.result) == ("8.8.8.8", "softfail")
    assert "club.test forwarded" in (judgement.fix or "")
    assert "8.8.8.8" not in (judgement.fix or "")
    direct = look(MX.replace("9.9.9.7", "4.4.4.4")).spf.judgement
    assert "ip4:4.4.4.4" in (direct.fix or "")


def test_anothers_record_is_not_the_domains_to_mend() -> None:
    """A list's own MAIL FROM domain is the list's: the fix says whom to tell."""
    judgement = look(MX, path="list@club.test").spf.judgement
    assert judgement.result == "none"
    assert (judgement.fix or "").startswith("club.test is not quay.dev's, so tell whoever runs it: ")
