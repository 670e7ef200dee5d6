"""A text that was meant as a DMARC record is written so that receivers use it, and loses no policy and no address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letterhead.core.dmarc.correction import corrected
from letterhead.core.dmarc.record import POLICIES, parse_dmarc_record, problems, reports

A, B = "rua=mailto:a@acme.dev", "mailto:b@acme.dev"
PIECES = st.sampled_from(
    ["v=DMARC1", "v=dmarc1", ";", " ", ",", "=", "p=reject", "p reject", "p:none", "P=rejct", "sp=none", "np=x", A, B]
    + ["rua=a@acme.dev", "ruf=mailto://x@acme.dev", "rua=", "fo=1", "fo=all", "adkim=s", "aspf=strict", "t=y", "pct=5"]
    + ["é", "x=y", "rua=https://r.example/d"]
)


@pytest.mark.parametrize(
    ("meant", "value"),
    [
        ("v=DMARC1; p=reject", "v=DMARC1; p=reject"),
        ("p=reject; v=DMARC1;", "v=DMARC1; p=reject"),
        ("v=dmarc1; p=Reject", "v=DMARC1; p=reject"),
        ("v:DMARC1, p:quarantine", "v=DMARC1; p=quarantine"),
        (f"v=DMARC1 p=reject {A}", f"v=DMARC1; p=reject; {A}"),
        (f"v=DMARC1;; p=none; {A}; {B}", f"v=DMARC1; p=none; {A},{B}"),
        (f"v=DMARC1; p=none; {A}; rua={B}", f"v=DMARC1; p=none; {A},{B}"),
        ("v=DMARC1; p=none; p=reject", "v=DMARC1; p=reject"),
        ("v=DMARC1; p=quar antine; sp=rejct", "v=DMARC1; p=quarantine; sp=reject"),
        ("v=DMARC1; p=block; np=never", "v=DMARC1; p=none"),
        ("v=DMARC1; p=reject; rua=a@acme.dev; fo=all; adkim=relaxed", f"v=DMARC1; p=reject; {A}"),
        ("v=DMARC1; p=reject; x=y; rua=mailto:", "v=DMARC1; p=reject; x=y"),
    ],
)
def test_what_was_meant_is_kept_and_the_rest_left_out(meant: str, value: str) -> None:
    """Each spoilt text gives the record that its owner had in mind."""
    assert corrected(meant) == value


def test_a_tag_can_be_left_out() -> None:
    """The fix for strict alignment is the same record without it."""
    assert corrected("v=DMARC1; p=reject; aspf=s; adkim=s", without="aspf") == "v=DMARC1; p=reject; adkim=s"


@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_text_becomes_a_record_that_needs_no_correction(text: str) -> None:
    """The result is used by receivers, has nothing that is ignored, and stays as it is when corrected again."""
    value = corrected(text)
    record = parse_dmarc_record(value)
    assert record.is_enforceable
    assert not record.bad_policies
    assert problems(record) == ()
    assert all(uri.host for name in ("rua", "ruf") for uri in reports(record, name))
    assert corrected(value) == value


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_policy_is_weakened_and_no_address_lost(text: str) -> None:
    """What receivers read today is in the corrected record too."""
    before, after = parse_dmarc_record(text), parse_dmarc_record(corrected(text))
    if not before.is_enforceable:
        return
    assert POLICIES.index(after.policy_of("p")) >= POLICIES.index(before.policy_of("p"))
    kept = {uri.text for name in ("rua", "ruf") for uri in reports(after, name)}
    assert {uri.text for name in ("rua", "ruf") for uri in reports(before, name) if uri.host} <= kept
