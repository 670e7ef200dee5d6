"""Accept SMTP connections: each is counted before an octet is read, and before its TLS handshake.

One from a proxy counts for the proxy until its PROXY protocol header is read, and then for the client that this names.
"""

import asyncio
import contextlib
import errno
import socket
import ssl

import structlog

from letterhead.core.relay.proxy_protocol import (
    HEAD,
    LONGEST_LINE,
    SIGNATURE,
    START,
    body_length,
    parse_proxy_header,
    parse_proxy_line,
)
from letterhead.relay.smtp_connection import SmtpConnection, SmtpConnections
from letterhead.relay.submission_handler import SubmissionHandler

log = structlog.get_logger()
HANDSHAKE_SECONDS = 10.0  # a client that connects to the TLS port and says nothing keeps its place no longer
HEADER_SECONDS = 5.0  # in which a proxy must have said who the client is
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
                address = str(peer[0])
                if connections.limits.is_proxy(address):
                    starting.create_task(_start_behind_proxy(client, address, connections, handler, context))
                    continue
                connection = SmtpConnection(connections, handler, address, secure=context is not None)
                if connections.add(connection):
                    starting.create_task(_start(client, connection, connections, context))
                else:
                    _refuse(client, in_clear=context is None)


async def _start_behind_proxy(
    client: socket.socket,
    proxy: str,
    connections: SmtpConnections,
    handler: SubmissionHandler,
    context: ssl.SSLContext | None,
) -> None:
    """Read who the client is, before TLS and SMTP begin; a proxy that does not say it is not served."""
    if connections.closing or not connections.limits.add(proxy):
        _refuse(client, in_clear=context is None)
        return
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            address = await _read_proxy_header(client) or proxy
    except (OSError, ValueError, asyncio.CancelledError) as error:  # TimeoutError is an OSError
        client.close()
        if isinstance(error, asyncio.CancelledError):
            raise
        log.warning("relay.no-proxy-header", proxy=proxy, problem=str(error) or type(error).__name__)
        return
    finally:
        connections.limits.remove(proxy)
    connection = SmtpConnection(connections, handler, address, secure=context is not None)
    if connections.add(connection):
        await _start(client, connection, connections, context)
    else:
        _refuse(client, in_clear=context is None)


async def _read_proxy_header(client: socket.socket) -> str | None:
    """Read a header of the PROXY protocol and no octet more: what follows is the client's."""
    start = await _read(client, len(SIGNATURE))
    if start == SIGNATURE:
        head = start + await _read(client, HEAD - len(SIGNATURE))
        return parse_proxy_header(head, await _read(client, body_length(head)))
    while start.startswith(START) and not start.endswith(b"\r\n") and len(start) < LONGEST_LINE:
        start += await _read(client, 1)
    return parse_proxy_line(start)


async def _read(client: socket.socket, number: int) -> bytes:
    """Read so many octets; ValueError where the connection ends before."""
    octets = b""
    while len(octets) < number:
        more = await asyncio.get_running_loop().sock_recv(client, number - len(octets))
        if not more:
            raise ValueError("the connection ended")
        octets += more
    return octets


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
