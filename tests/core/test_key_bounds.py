"""What an API key may be held to: names at the dot, networks as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letterhead.core.accounts.accounts import ApiKey, Scope, is_last_full_key
from letterhead.core.accounts.key_bounds import DomainBinding, are_within, is_from, parse_networks
from letterhead.errors import Fault
from tests.contracts.samples import NOW

LABELS = st.text("ab1", min_size=1, max_size=3)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


@given(st.lists(NAMES, min_size=1, max_size=3), NAMES, st.booleans())
def test_names_below_count_label_by_label(names: list[str], sender: str, below: bool) -> None:
    """A name is covered where its labels end in those of a bound name: all of them, or more where those below count."""
    binding = DomainBinding(names=tuple(names), covers_below=below)
    labels = sender.split(".")
    above = {".".join(labels[at:]) for at in range(1 if below else len(labels), len(labels))} | {sender}
    assert binding.covers(sender) == bool(above & set(names))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"), ("192.0.2.7", "192.0.2.7/32"), ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"), ("::ffff:192.0.2.0/120", "192.0.2.0/24"), ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)  # fmt: skip
def test_networks_are_read(written: str, read: str) -> None:
    """Each is kept in its one spelling; IPv4 within IPv6 is IPv4."""
    assert parse_networks([written, written]) == (read,)


@pytest.mark.parametrize(
    "written", ["", "x", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/-1", "1.2.3", "fe80::1%eth0/64"]
)
def test_other_texts_are_no_networks(written: str) -> None:
    """Each is refused by a sentence that says how networks are written."""
    with pytest.raises(Fault) as refused:
        parse_networks([written])
    assert (refused.value.kind, "rite" in (refused.value.fix or "")) == ("parameter-invalid", True)


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("192.0.2.0", True), ("192.0.2.255", True), ("192.0.3.0", False), ("::ffff:192.0.2.9", True),
        ("2001:db8:0:1::7", True), ("2001:db9::1", False), ("unknown", False), ("", False), ("192.0.2.1 ", False),
        ("::192.0.2.1", False),
    ],
)  # fmt: skip
def test_an_address_lies_in_a_network_or_not(address: str, inside: bool) -> None:
    """By its bits, in either spelling of IPv4; what is no address lies nowhere."""
    assert is_from(("192.0.2.0/24", "2001:db8::/32"), address) is inside


def test_networks_within_networks() -> None:
    """Each has to lie in one of the outer ones, of its own family."""
    outer = ("192.0.2.0/24", "2001:db8::/32")
    assert are_within(("192.0.2.128/25", "2001:db8:1::/48"), outer)
    assert not are_within(("192.0.2.0/23",), outer)
    assert not are_within(("192.0.2.0/24", "198.51.100.0/24"), outer)
    assert not are_within(("::/0",), outer)


def test_a_bound_key_is_no_last_full_key() -> None:
    """The one that is bound to nothing must stay, since a bound one makes no other."""
    full = ApiKey(id="1", account_id="a", name="x", key_type="secret", scope=Scope.FULL, masked="x", created_at=NOW)
    bound = ApiKey(
        id="2", account_id="a", name="x", key_type="secret", scope=Scope.FULL, masked="x", created_at=NOW,
        binding=DomainBinding(names=("acme.dev",)),
    )  # fmt: skip
    assert is_last_full_key([full, bound], "1")
    assert not is_last_full_key([full, bound], "2")
