"""The parser of settings that hold networks. Its errors are those of `values`."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from letterhead.config.values import split_list


def read_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Parse addresses and networks, separated by commas; an empty text is no networks."""
    parts = split_list(text) if text else []
    try:
        return tuple(ip_network(part) for part in parts)
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError("has a network with bits set behind its length, as 10.1.2.3/8 for 10.0.0.0/8") from None
        raise ValueError("holds something other than addresses and networks like 127.0.0.1 or 10.0.0.0/8") from None
