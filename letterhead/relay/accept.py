"""Accept SMTP connections: each is counted before an octet is read, and before its TLS handshake."""

import asyncio
import contextlib
import errno
import socket
import ssl

import structlog

from letterhead.relay.smtp_connection import SmtpConnection, SmtpConnections
from letterhead.relay.submission_handler import SubmissionHandler

log = structlog.get_logger()
HANDSHAKE_SECONDS = 10.0  # a client that connects to the TLS port and says nothing keeps its place no longer
PAUSE_SECONDS = 1.0  # where the process or the system has no descriptor left
TOO_MANY = b"421 4.7.0 Too many connections; come back in a moment.\r\n"
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


async def accept_connections(
    listener: socket.socket,
    connections: SmtpConnections,
    handler: SubmissionHandler,
    context: ssl.SSLContext | None = None,
) -> None:
    """Accept connections until cancelled, then close the listener; with a context, TLS is the first thing spoken."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    with contextlib.closing(listener):
        async with asyncio.TaskGroup() as starting:
            while True:
                try:
                    client, peer = await loop.sock_accept(listener)
                except OSError as error:  # accept(2): also what befell a connection that waited to be accepted
                    if error.errno in _NO_ROOM:
                        log.warning("relay.no-descriptors", problem=str(error))
                        await asyncio.sleep(PAUSE_SECONDS)
                    continue
                connection = SmtpConnection(connections, handler, str(peer[0]), secure=context is not None)
                if connections.add(connection):
                    starting.create_task(_start(client, connection, connections, context))
                else:
                    _refuse(client, in_clear=context is None)


async def _start(
    client: socket.socket, connection: SmtpConnection, connections: SmtpConnections, context: ssl.SSLContext | None
) -> None:
    """Shake hands where TLS comes first, and pass the connection to its protocol."""
    timeout = None if context is None else HANDSHAKE_SECONDS
    try:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: connection, client, ssl=context, ssl_handshake_timeout=timeout
        )
    except (OSError, asyncio.CancelledError) as error:  # ssl.SSLError and TimeoutError are OSErrors
        connections.remove(connection)
        client.close()
        if isinstance(error, asyncio.CancelledError):
            raise


def _refuse(client: socket.socket, *, in_clear: bool) -> None:
    """Close a connection that is one too many; without TLS, say so first."""
    with client, contextlib.suppress(OSError):
        if in_clear:
            client.setblocking(False)
            client.send(TOO_MANY)
