"""The mailbox of proofs, read by IMAP (RFC 9051) in a thread, since `imaplib` blocks.

The server is the operator's own; the messages in the mailbox were written by anybody. Nothing is changed there.
"""

import asyncio
import contextlib
import imaplib
import re
import ssl
from collections.abc import Callable, Sequence

from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

SECONDS = 10.0  # for each step of the conversation
ALL_SECONDS = 20.0
CONNECTIONS = 2  # threads that may wait for the mailbox
LARGEST = 64 * 1024  # octets of a message
MOST_FOUND = 4  # messages of one token that are fetched


class ImapMailbox:
    """The INBOX of one user, read over a new connection for each search."""

    def __init__(
        self, host: str, port: int, user: str, password: Secret,
        *, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:  # fmt: skip
        self._host, self._port, self._user, self._password, self._trust = host, port, user, password, trust
        self._connections = asyncio.Semaphore(CONNECTIONS)

    async def find(self, token: str) -> bytes | None:
        """Return the message with a token in its subject, the oldest of several.

        Raise Fault `provider-failed` where the mailbox can't be read.
        """
        if not re.fullmatch(r"[a-z0-9]{8,100}", token):
            raise ValueError("a token is of small letters and digits alone")  # it goes into a command
        try:
            async with asyncio.timeout(ALL_SECONDS), self._connections:
                return await asyncio.to_thread(self._find, token)
        except TimeoutError as late:
            raise _unread(f"it did not answer within {ALL_SECONDS:g} s") from late
        except (imaplib.IMAP4.error, OSError) as error:  # ssl.SSLError is an OSError
            raise _unread(str(error)[:200] or type(error).__name__) from error

    def _find(self, token: str) -> bytes | None:
        box = imaplib.IMAP4_SSL(self._host, self._port, ssl_context=self._trust(), timeout=SECONDS)
        try:
            box.login(self._user, reveal(self._password).decode())
            _parts(box.select("INBOX", readonly=True))
            listed = [part for part in _parts(box.uid("SEARCH", "SUBJECT", token)) if isinstance(part, bytes)]
            for number in b" ".join(listed).split()[:MOST_FOUND]:
                # PEEK leaves the message unread; a part of it is asked for, so that its size is bounded
                for part in _parts(box.uid("FETCH", number.decode("ascii"), f"(BODY.PEEK[]<0.{LARGEST + 1}>)")):
                    match part:
                        case (_, bytes(octets)):  # a literal
                            return octets[:LARGEST]
                        case _:
                            continue
            return None
        finally:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                box.logout()
            with contextlib.suppress(OSError):  # a logout that failed leaves the connection open
                box.shutdown()


def _parts(response: tuple[str, Sequence[object]]) -> Sequence[object]:
    status, parts = response
    if status != "OK":
        raise imaplib.IMAP4.error(f"it answered {status}: {parts[0]!r}"[:200])
    return parts


def _unread(why: str) -> Fault:
    return Fault(
        Kind.PROVIDER_FAILED,
        f"The mailbox for proofs can't be read: {why}.",
        "Ask again in a minute. The operator looks at LETTERHEAD_PROOF_IMAP_URL; until then the message's source can "
        "be sent as raw.",
        provider="mailbox",
    )
