"""The PROXY protocol, versions 1 and 2, by which a TCP proxy names the client before its first octet.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"  # of version 2, 12 octets; no line of version 1 is shorter than these
START: Final = b"PROXY "  # of version 1
HEAD: Final = 16  # octets of version 2 up to its length, and with it
LONGEST_LINE: Final = 107  # octets of version 1, with CR LF
LONGEST_BODY: Final = 2048  # octets of version 2: addresses, and what else a proxy tells


def parse_proxy_line(line: bytes) -> str | None:
    """Return the client's address in a line of version 1, or None where the proxy speaks for itself or does not know.

    ValueError for any other line.
    """
    if len(line) > LONGEST_LINE or not line.endswith(b"\r\n") or not line.startswith(START):
        raise ValueError("no line of the PROXY protocol")
    words = line[len(START) : -2].decode("ascii").split(" ")  # UnicodeDecodeError is a ValueError
    if words[0] == "UNKNOWN":
        return None
    family, client, server, *ports = words
    if family not in ("TCP4", "TCP6") or len(ports) != 2 or not all(map(_is_port, ports)):
        raise ValueError("no family and addresses of TCP")
    address: type[IPv4Address] | type[IPv6Address] = IPv4Address if family == "TCP4" else IPv6Address
    address(server)
    return _shown(address(client))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) < 65536


def body_length(head: bytes) -> int:
    """Return how many octets follow the head of version 2; ValueError for another head, or more than are read."""
    length = int.from_bytes(head[14:16])
    if len(head) != HEAD or not head.startswith(SIGNATURE) or head[12] >> 4 != 2 or length > LONGEST_BODY:
        raise ValueError("no head of version 2")
    return length


def parse_proxy_header(head: bytes, body: bytes) -> str | None:
    """Return the client's address in a header of version 2, or None where the proxy speaks for itself.

    ValueError for another command, and for clients that did not come by TCP.
    """
    if len(body) != body_length(head):
        raise ValueError("cut short")
    command, family = head[12] & 0x0F, head[13]
    if command == 0:  # LOCAL: the proxy looks whether we live
        return None
    if command != 1:
        raise ValueError("an unknown command")
    if family == 0x11 and len(body) >= 12:
        return _shown(IPv4Address(body[:4]))
    if family == 0x21 and len(body) >= 36:
        return _shown(IPv6Address(body[:16]))
    raise ValueError("no addresses of TCP")


def _shown(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
