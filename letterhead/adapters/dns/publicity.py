"""Knows which addresses a stranger's nameserver may have: those of the public Internet, by the IANA registries.

`ipaddress.is_global` alone is not enough: it passes addresses that carry a private one inside (RFC 6052, 3056, 4380).
"""

import ipaddress

_NETWORKS = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
    *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
)
_SPECIAL = tuple(ipaddress.ip_network(each) for each in _NETWORKS)
_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 2.4: all that is given out; NAT64 and mapped ones lie outside


def public(address: str) -> bool:
    """Says whether an address is one of the public Internet, in no spelling anything else."""
    ip = ipaddress.ip_address(address)
    if ip.version == 6 and ip not in _UNICAST:
        return False
    return not any(ip in network for network in _SPECIAL if network.version == ip.version)
