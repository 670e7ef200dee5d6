"""Connections count for the network of their client, and each listener has a share of the descriptors."""

from ipaddress import ip_network

import pytest

from letterhead.operations.connection_limits import ConnectionLimits, descriptor_shares


def test_one_network_and_all() -> None:
    """The /64 of IPv6 is one network, each IPv4 address is one, and an IPv4-mapped address is that address."""
    limits = ConnectionLimits(6, 2)
    assert [limits.add(f"2001:db8::{number}") for number in range(3)] == [True, True, False]
    assert [limits.add(each) for each in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1")] == [True, True, False]
    assert [limits.add(each) for each in ("192.0.2.2", "2001:db8:0:1::1", "192.0.2.3")] == [True, True, False]
    limits.remove("2001:db8::1")
    assert limits.add("192.0.2.3")
    assert not limits.add("192.0.2.4")


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5"])
def test_a_proxy_has_the_limit_in_all_alone(address: str) -> None:
    """Its connections are those of many clients."""
    limits = ConnectionLimits(3, 1, [ip_network("10.0.0.0/8"), ip_network("2001:db8::5")])
    assert [limits.add(address) for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(("descriptors", "shares"), [(1024, (512, 128)), (524_288, (16_384, 200))])
def test_shares_leave_descriptors_for_the_rest(descriptors: int, shares: tuple[int, int]) -> None:
    """API and relay together leave at least three eighths; with many, memory bounds them."""
    assert descriptor_shares(descriptors) == shares
    assert sum(shares) <= descriptors * 5 // 8
