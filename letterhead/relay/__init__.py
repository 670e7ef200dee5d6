"""The signing relay: an SMTP server for submission, and the deliveries of its queue to the smart host.

Who may send, and what a message must be like, is decided in `operations/relay.py`; SMTP itself is aiosmtpd.

- `accept`: the accept of connections, counted before their first octet.
- `smtp_connection`: one client's connection, over aiosmtpd.
- `submission_handler`: the replies to AUTH, MAIL, RCPT and DATA.
- `delivery_loop`: the deliveries from the queue.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from letterhead.operations import heartbeats
from letterhead.operations.connection_limits import MOST_OF_RELAY, MOST_OF_RELAY_EACH, Network
from letterhead.ports.deps import Deps
from letterhead.ports.relay import RelayDeps
from letterhead.ports.store.monitoring import Role
from letterhead.relay.accept import accept_connections
from letterhead.relay.delivery_loop import DeliveryLoop
from letterhead.relay.smtp_connection import SmtpConnections
from letterhead.relay.submission_handler import SubmissionHandler

log = structlog.get_logger()
CLOSE_WITHIN = 15.0  # seconds in which messages that are being received may end
RELOAD_EVERY = 60.0  # seconds between two checks of the certificate's files


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """The limits of the relay; `rate` and `burst` are messages per second, and at once, for each account."""

    max_size: int  # octets of a message
    connections: int  # to the smart host
    rate: float = 50.0
    burst: int = 100
    clients: int = MOST_OF_RELAY  # connections at once, on all ports
    clients_each: int = MOST_OF_RELAY_EACH  # of these from one network
    proxies: tuple[Network, ...] = ()  # from these, and from no others, a PROXY protocol header names the client
    in_clear: bool = False  # API keys are taken without TLS
    timeout: float = 300.0  # seconds: RFC 5321 4.5.3.2.7
    remember_callers: float = 0.8  # seconds; a revoked key is dead within 1 s (SECURITY.md)
    failure_rate: float = 1.0  # failed sign-ins per second and address
    failure_burst: int = 30
    share_failures: bool = False  # with the other processes on this store


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The listening sockets: `plain` begins in clear and offers STARTTLS, `secure` is TLS from the first octet."""

    plain: socket.socket
    secure: socket.socket | None
    context: ssl.SSLContext | None
    reload: Callable[[], bool]  # loads the certificate where its files changed; true where it did


async def run(
    deps: Deps, relaying: RelayDeps, settings: RelaySettings, listeners: Listeners, stop: asyncio.Event
) -> None:
    """Accept mail and deliver it until `stop` is set; then finish the replies and the deliveries under way."""
    outgoing = DeliveryLoop(deps, relaying, settings.connections)
    await outgoing.load()
    connections = SmtpConnections(settings, listeners.context)
    handler = SubmissionHandler(deps, relaying, settings, outgoing)
    process = heartbeats.new_process(deps, Role.RELAY)
    log.info("relay.started", host=relaying.host, waiting=outgoing.waiting)
    async with asyncio.TaskGroup() as group:
        group.create_task(heartbeats.beat_until(deps, process, stop))
        group.create_task(outgoing.run(stop))
        group.create_task(_reload_certificate(listeners, stop))
        accepting = [group.create_task(accept_connections(listeners.plain, connections, handler))]
        if listeners.secure is not None:
            secure = accept_connections(listeners.secure, connections, handler, listeners.context)
            accepting.append(group.create_task(secure))
        await stop.wait()
        connections.closing = True
        for task in accepting:
            task.cancel()
        await asyncio.wait(accepting)
        await connections.close_all(CLOSE_WITHIN)
    await heartbeats.end(deps, process)
    log.info("relay.stopped", waiting=outgoing.waiting)


async def _reload_certificate(listeners: Listeners, stop: asyncio.Event) -> None:
    """Load a renewed certificate without a restart; while one does not load, the old one stays in use."""
    while listeners.context is not None and not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), RELOAD_EVERY)
        except TimeoutError:
            try:
                if await asyncio.to_thread(listeners.reload):
                    log.info("certificate.loaded")
            except OSError as error:  # ssl.SSLError is one
                log.warning("certificate.unusable", problem=str(error))
