"""Speak the milter protocol, version 6, as a mail server does for one message."""

import re
import socket
import struct
from typing import BinaryIO

ACTIONS, STEPS = 0x1FF, 0  # all that a filter may change; every step is asked for and answered
LAST = (b"a", b"c", b"r", b"t", b"d", b"y")  # accept, continue, reject, temporary failure, discard, a reply of its own
INSERT = b"i"


def sign(port: int, text: bytes) -> bytes:
    """Return the message with the fields that the filter inserts; AssertionError where it does anything else."""
    head, _, body = text.partition(b"\r\n\r\n")
    fields = [field.partition(b":") for field in re.split(rb"\r\n(?![ \t])", head)]
    (author,) = [value for name, _, value in fields if name.lower() == b"from"]
    sender = author.rpartition(b"<")[2].strip(b"> ")
    steps = [
        (b"O", struct.pack(">III", 6, ACTIONS, STEPS)),
        (b"C", b"localhost\0" + b"4" + struct.pack(">H", 25) + b"127.0.0.1\0"),
        (b"H", b"sender.test\0"),
        (b"M", b"<" + sender + b">\0"),
        (b"R", b"<you@receiver.test>\0"),
        *((b"L", name + b"\0" + value.strip() + b"\0") for name, _, value in fields),
        (b"N", b""),
        (b"B", body),
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client, client.makefile("rb") as replies:
        for step, data in steps:
            _send(client, step, data)
            reply, said = _read(replies)
            assert reply in (b"O", b"c"), (step, reply, said)
        _send(client, b"E", b"")
        change, said = _read(replies)
        while change not in LAST:
            assert change == INSERT, (change, said)
            name, value, _ = said[4:].split(b"\0")
            text = name + b": " + value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").strip() + b"\r\n" + text
            change, said = _read(replies)
        assert change in (b"a", b"c"), (change, said)
    return text


def _send(client: socket.socket, step: bytes, data: bytes) -> None:
    client.sendall(struct.pack(">I", len(data) + 1) + step + data)


def _read(replies: BinaryIO) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", replies.read(4))
    octets = replies.read(length)
    return octets[:1], octets[1:]
