"""The PROXY protocol is read to the letter: whatever is not in the specification names nobody."""

import struct
from ipaddress import ip_address

import pytest

from letterhead.core.relay.proxy_protocol import HEAD, SIGNATURE, body_length, parse_proxy_header, parse_proxy_line


def header(command: int, family: int, body: bytes) -> bytes:
    """Write a header of version 2."""
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body


def addresses(client: str) -> bytes:
    """Write the addresses and ports of a connection to ourselves."""
    server = "192.0.2.1" if "." in client else "2001:db8::1"
    return ip_address(client).packed + ip_address(server).packed + struct.pack("!HH", 50000, 25)


@pytest.mark.parametrize(
    ("line", "client"),
    [
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 587\r\n", "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 587\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 50000 587\r\n", "203.0.113.7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
    ],
)
def test_lines_of_version_1(line: bytes, client: str | None) -> None:
    """Each form that the specification has."""
    assert parse_proxy_line(line) == client


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"EHLO me\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 587\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 50000\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 587 1\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 587\r\n",
        b"PROXY TCP4 203.0.113.7  192.0.2.1 1 587\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 587\r\n",
        b"PROXY TCP4 203.0.113 192.0.2.1 1 587\r\n",
        b"PROXY UDP4 203.0.113.7 192.0.2.1 1 587\r\n",
        b"PROXY TCP4 \xff03.0.113.7 192.0.2.1 1 587\r\n",
        b"PROXY UNKNOWN" + b"x" * 200 + b"\r\n",
        b"proxy TCP4 203.0.113.7 192.0.2.1 1 587\r\n",
    ],
)
def test_other_lines_name_nobody(line: bytes) -> None:
    """What is nearly a header is none."""
    with pytest.raises(ValueError, match=r"."):
        parse_proxy_line(line)


@pytest.mark.parametrize(
    ("octets", "client"),
    [
        (header(1, 0x11, addresses("203.0.113.7")), "203.0.113.7"),
        (header(1, 0x11, addresses("203.0.113.7") + b"\x03\x00\x04abcd"), "203.0.113.7"),
        (header(1, 0x21, addresses("2001:db8::7")), "2001:db8::7"),
        (header(0, 0x00, b""), None),
        (header(0, 0x11, addresses("203.0.113.7")), None),
    ],
)
def test_headers_of_version_2(octets: bytes, client: str | None) -> None:
    """Addresses of both families, what follows them, and a proxy that speaks for itself."""
    head, body = octets[:HEAD], octets[HEAD:]
    assert body_length(head) == len(body)
    assert parse_proxy_header(head, body) == client


@pytest.mark.parametrize(
    "octets",
    [
        header(2, 0x11, addresses("203.0.113.7")),
        header(1, 0x12, addresses("203.0.113.7")),
        header(1, 0x31, bytes(216)),
        header(1, 0x00, b""),
        header(1, 0x11, b"\x01\x02\x03"),
        header(1, 0x21, addresses("203.0.113.7")),
        header(1, 0x11, addresses("203.0.113.7"))[:-1],
        header(1, 0x11, bytes(4000)),
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0",
        b"short",
    ],
)
def test_other_headers_name_nobody(octets: bytes) -> None:
    """Unknown commands, families without addresses of TCP, other versions, and lengths that are not kept."""
    with pytest.raises(ValueError, match=r"."):
        parse_proxy_header(octets[:HEAD], octets[HEAD:])
