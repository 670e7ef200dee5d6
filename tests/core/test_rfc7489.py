"""Where receivers that still go by RFC 7489 judge otherwise, a proof says so; elsewhere it says nothing of them."""

import pytest

from letterhead.core.check.auth_report import AuthReport
from tests.core.receiver import Zone, judged
from tests.rigs.signing import OWN, sealed


def look(author: str, signer: str, records: dict[str, str], *, broken: bool = False) -> AuthReport:
    """Judge a message of one domain that another signed; SPF says nothing."""
    text = f"From: a@{author}\r\nTo: b@c.test\r\nSubject: x\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nx\r\n".encode()
    zone: Zone = {f"_dmarc.{name}": {"TXT": [record]} for name, record in records.items()}
    zone = {**zone, f"k1._domainkey.{signer}": {"TXT": [OWN.record]}, author: {"TXT": ["x"]}}
    octets = sealed(text, OWN, signer, "k1") + (b"more\r\n" if broken else b"")
    return judged(octets, zone, ip="9.9.9.9", mail_from="x@elsewhere.test", sender=author)


def older(found: AuthReport) -> str:
    """Return the note on older receivers, with DMARC's result before it; empty where there is none."""
    notes = [note for note in found.notes if "RFC 7489" in note]
    assert len(notes) < 2
    return f"{found.dmarc.judgement.result} {notes[0]}" if notes else ""


REJECT = "v=DMARC1; p=reject"


def test_an_organisation_by_the_public_suffix_list() -> None:
    """The parent signs and has no record: no relation by the tree walk, one organisation by the list."""
    found = look("my.mom.za.org", "mom.za.org", {"my.mom.za.org": REJECT})
    assert older(found) == (
        "fail Receivers that still go by RFC 7489 let it pass: by the public suffix list, mom.za.org and my.mom.za.org "
        "are of one organisation."
    )


def test_an_organisation_by_the_tree_walk() -> None:
    """A record above the registrable name makes one organisation of what the list holds for two."""
    found = look("one.co.uk", "two.co.uk", {"co.uk": REJECT, "one.co.uk": REJECT})
    assert found.dmarc.judgement.result == "pass"
    assert older(found).startswith("pass Receivers that still go by RFC 7489 reject it: by the public suffix list, two")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("v=DMARC1; p=reject; pct=0", "quarantine it: pct=0"),
        ("v=DMARC1; p=quarantine; pct=0", "deliver it: pct=0"),
        ("v=DMARC1; p=reject; pct=25", "reject only 25 % of such messages and quarantine the rest: pct=25"),
        ("v=DMARC1; p=reject; t=y", "reject it: the policy"),
    ],
)
def test_a_policy_that_they_apply_otherwise(record: str, said: str) -> None:
    """pct is theirs alone, t is new."""
    assert said in older(look("quay.dev", "quay.dev", {"quay.dev": record}, broken=True))


@pytest.mark.parametrize("record", [REJECT, "v=DMARC1; p=reject; pct=100", "v=DMARC1; p=none; pct=5"])
def test_nothing_is_said_where_they_agree(record: str) -> None:
    """Neither of a message that fails, nor of one that passes."""
    assert older(look("quay.dev", "quay.dev", {"quay.dev": record}, broken=True)) == ""
    assert older(look("quay.dev", "quay.dev", {"quay.dev": record})) == ""
    assert older(look("news.quay.dev", "quay.dev", {"quay.dev": record})) == ""


def test_a_policy_that_only_the_tree_walk_finds() -> None:
    """They look at the From domain and at the registrable one, not between."""
    found = look("a.b.quay.dev", "a.b.quay.dev", {"b.quay.dev": REJECT}, broken=True)
    assert older(found) == "fail Receivers that still go by RFC 7489 find no DMARC policy for a.b.quay.dev."
