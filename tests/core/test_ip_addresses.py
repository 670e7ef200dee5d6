"""Which addresses are of the public Internet, by our own table."""

from ipaddress import IPv4Address, IPv4Network, ip_address
from random import Random

import pytest

from letterhead.core.names.ip_addresses import IPV4, IPV6, UNICAST, is_not_public, read_address

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
          "192.0.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
          "2001:4860:4860::8888", "2003::1", "2001:200::1", "3fff:1000::1"]  # fmt: skip
# Beside each block's first and last address: what hides an address of ours in another form.
HIDDEN = ["::127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1",
          "2002:7f00:1::", "2001:0:7f00:1::", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "4000::1",
          "1::1"]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_pass(text: str) -> None:
    """Addresses right beside the blocks, and such as everybody knows, are public."""
    assert is_not_public(ip_address(text)) is None


@pytest.mark.parametrize("text", HIDDEN)
def test_hidden_addresses_do_not_pass(text: str) -> None:
    """What leads inside by a tunnel, a translation or an old form is not public."""
    assert is_not_public(ip_address(text))


@pytest.mark.parametrize(("block", "what"), [*IPV4, *IPV6], ids=lambda part: str(part))
def test_blocks_do_not_pass(block: IPv4Network, what: str) -> None:
    """The first and the last address of each block are refused, with the rule that refuses them."""
    assert all(is_not_public(address) for address in (block[0], block[-1]))
    assert "RFC" in what


def test_nothing_passes_that_python_calls_private() -> None:
    """Our table refuses all that `is_global` refuses, and more; multicast is nobody's server either."""
    random = Random(1)
    drawn = [
        each for _ in range(20_000) for each in (IPv4Address(random.getrandbits(32)), UNICAST[random.getrandbits(125)])
    ]
    private = [each for each in drawn if not each.is_global or each.is_multicast]
    assert len(private) > 2_000
    assert [each for each in private if not is_not_public(each)] == []


@pytest.mark.parametrize(
    "text", ["127.1", "0x7f.0.0.1", "017.0.0.1", "2130706433", "fe80::1%eth0", "", "[::1]", "١.1.1.1"]
)
def test_only_the_usual_spelling_is_read(text: str) -> None:
    """Other spellings of an address are none."""
    assert read_address(text) is None
