"""Knows the signing relay's outside: how mail comes in by SMTP, and when what waits is handed on. Decides nothing.

What a message must be like and who may send it is `operations/relay.py`; how one octet follows another is aiosmtpd.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from letterhead.ports.deps import Deps
from letterhead.ports.relay import RelayDeps
from letterhead.relay.delivery_loop import DeliveryLoop
from letterhead.relay.smtp_connection import SmtpConnection, SmtpConnections
from letterhead.relay.submission_handler import SubmissionHandler

log = structlog.get_logger()
LEAVE_WITHIN = 15.0  # seconds in which messages that are being received may end
RELOAD_EVERY = 60.0  # seconds between looks at the certificate's files


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """Says how much is taken and handed on; `rate` and `burst` are messages per second and API key."""

    max_size: int  # octets of a message
    connections: int  # to the smart host
    rate: float = 50.0
    burst: int = 100
    clients: int = 200  # connections at once
    clients_each: int = 50  # of these from one address
    in_clear: bool = False  # API keys are taken without TLS
    timeout: float = 300.0  # seconds: RFC 5321 4.5.3.2.7
    remember_callers: float = 0.8  # seconds; a revoked key is dead within 1 s (SECURITY.md)
    failure_rate: float = 1.0  # failed sign-ins per second and address
    failure_burst: int = 30
    share_failures: bool = False  # with the other processes on this store


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Holds where the relay listens: `plain` begins in clear and may turn to TLS, `secure` is TLS at once."""

    plain: socket.socket
    secure: socket.socket | None
    context: ssl.SSLContext | None
    reload: Callable[[], bool]  # looks whether the certificate is another by now; true where it was loaded anew


async def run(deps: Deps, relaying: RelayDeps, settings: RelaySettings, ears: Listeners, stop: asyncio.Event) -> None:
    """Takes mail and hands it on until `stop` is set; then ends the replies and the handovers under way."""
    outgoing = DeliveryLoop(deps, relaying, settings.connections)
    await outgoing.load()
    doors = SmtpConnections(settings, ears.context)
    letterbox = SubmissionHandler(deps, relaying, settings, outgoing)
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: SmtpConnection(doors, letterbox, secure=False), sock=ears.plain)]
    if ears.secure is not None:
        secure = await loop.create_server(
            lambda: SmtpConnection(doors, letterbox, secure=True), sock=ears.secure, ssl=ears.context
        )
        servers.append(secure)
    log.info("relay.started", host=relaying.host, waiting=outgoing.waiting)
    async with asyncio.TaskGroup() as group:
        group.create_task(outgoing.run(stop))
        group.create_task(_renew(ears, stop))
        await stop.wait()
        await _leave(servers, doors)
    log.info("relay.stopped", waiting=outgoing.waiting)


async def _leave(servers: Sequence[asyncio.Server], doors: SmtpConnections) -> None:
    for server in servers:
        server.close()
    await doors.leave(LEAVE_WITHIN)


async def _renew(ears: Listeners, stop: asyncio.Event) -> None:
    """Takes a renewed certificate without a restart; one that does not load leaves the old one in use."""
    while ears.context is not None and not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), RELOAD_EVERY)
        except TimeoutError:
            try:
                if await asyncio.to_thread(ears.reload):
                    log.info("certificate.loaded")
            except OSError as error:  # ssl.SSLError is one
                log.warning("certificate.unusable", problem=str(error))
