"""Speak SMTP octet by octet, also where no library would."""

import base64
import socket
from typing import ClassVar


class Wire:
    """Speaks octets over a socket."""

    made: ClassVar[list["Wire"]] = []

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self.socket.makefile("rb")
        self.made.append(self)

    @classmethod
    def close_all(cls) -> None:
        """Close all that were made."""
        while cls.made:
            wire = cls.made.pop()
            wire._file.close()
            wire.socket.close()

    def say(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(octets)

    def reply(self) -> bytes:
        """Read one reply, of several lines perhaps; nothing where the connection ended."""
        lines = b""
        while line := self._file.readline():
            lines += line
            if line[3:4] != b"-":
                break
        return lines

    def ask(self, line: bytes) -> bytes:
        """Say a line and read the reply."""
        self.say(line + b"\r\n")
        return self.reply()

    def sign_in(self, key: str) -> None:
        """Go as far as a signed-in client."""
        assert self.reply().startswith(b"220 relay.test ESMTP Letterhead")
        assert b"250-AUTH LOGIN PLAIN" in self.ask(b"EHLO client.test")
        word = base64.b64encode(b"\0x\0" + key.encode())
        assert self.ask(b"AUTH PLAIN " + word).startswith(b"235")

    def begin(self, key: str) -> None:
        """Go as far as the message itself."""
        self.sign_in(key)
        for line, code in (
            (b"MAIL FROM:<app@acme.test>", b"250"),
            (b"RCPT TO:<you@receiver.test>", b"250"),
            (b"DATA", b"354"),
        ):
            assert self.ask(line).startswith(code)

    def ended(self) -> bool:
        """Say whether the other side hung up."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
