"""Run a small IMAP server over TLS with one mailbox: as much of RFC 9051 as a look for one message takes."""

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from enum import StrEnum
from typing import Any

from tests.rigs.smtp import Certificate

USER, PASSWORD = "proof", "p@ss/word:2"


class Mood(StrEnum):
    """Says how the server treats who looks."""

    WILLING = "willing"
    NO_INBOX = "no-inbox"
    BREAKS_OFF = "breaks-off"  # after the sign-in
    CLOSED = "closed"  # lets nobody in


@dataclass
class Mail:
    """What lies in the mailbox, which commands came, and the server's mood."""

    port: int = 0
    held: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    mood: Mood = Mood.WILLING

    def search(self, word: str) -> list[int]:
        """Number the messages with a word in their subject, from 1."""
        subjects = [str(message_from_bytes(each, policy=policy.default)["Subject"]) for each in self.held]
        return [number for number, subject in enumerate(subjects, 1) if word.lower() in subject.lower()]


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        mail = self.server.mail
        self.wfile.write(b"* OK ready\r\n" if mail.mood is not Mood.CLOSED else b"* BYE not today\r\n")
        while mail.mood is not Mood.CLOSED and (line := self.rfile.readline().decode("ascii", "replace").strip()):
            tag, _, command = line.partition(" ")
            mail.asked.append(command)
            told = self._answer(mail, command)
            if told is None:
                return
            self.wfile.write(told + f"{tag} {self._word(mail, command)} done\r\n".encode())
            if command == "LOGOUT":
                return

    def _word(self, mail: Mail, command: str) -> str:
        refused = command.startswith("LOGIN") and command != f'LOGIN {USER} "{PASSWORD}"'
        nowhere = command.startswith("EXAMINE") and mail.mood is Mood.NO_INBOX
        return "NO" if refused or nowhere else "OK"

    def _answer(self, mail: Mail, command: str) -> bytes | None:
        if mail.mood is Mood.BREAKS_OFF and not command.startswith(("CAPABILITY", "LOGIN")):
            return None
        if command == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1\r\n"
        if command.startswith("EXAMINE"):
            return f"* {len(mail.held)} EXISTS\r\n".encode()
        if hit := re.fullmatch(r"UID SEARCH SUBJECT (\w+)", command):
            return f"* SEARCH {' '.join(map(str, mail.search(hit[1])))}".rstrip().encode() + b"\r\n"
        if hit := re.fullmatch(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", command):
            part = mail.held[int(hit[1]) - 1][: int(hit[2])]
            return f"* {hit[1]} FETCH (UID {hit[1]} BODY[]<0> {{{len(part)}}}\r\n".encode() + part + b")\r\n"
        return b""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, mail: Mail, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mail, self._context = mail, context

    def get_request(self) -> tuple[Any, Any]:
        """Wait for the next client; one that wants no TLS is gone at once."""
        plain, address = super().get_request()
        plain.settimeout(5)
        return self._context.wrap_socket(plain, server_side=True), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


@contextmanager
def running(shown: Certificate) -> Iterator[Mail]:
    """Run the server on 127.0.0.1 (`localhost` by its certificate)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.chain, shown.key)
    mail = Mail()
    with _Server(mail, context) as server:
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield mail
        finally:
            server.shutdown()
            thread.join()
