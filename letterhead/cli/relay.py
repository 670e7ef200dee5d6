"""The start of the signing relay, in a process of its own or in that of the API."""

import asyncio
import os
import signal
import socket
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from letterhead.cli.exit_codes import Exit
from letterhead.cli.process import listen, listener_shares, load_settings, log_start, run_in_loop
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from letterhead.config import Settings
    from letterhead.ports.deps import Deps
    from letterhead.relay import Listeners
    from letterhead.web.server import BackgroundTask


def relay() -> Exit:
    """Take mail by SMTP from whoever has an API key, sign it, and hand it to LETTERHEAD_RELAY_SMARTHOST, until SIGTERM.

    With the embedded database `letterhead run` and `serve` do this within; with Postgres this is a process of its own.
    """
    run_in_loop(_run_relay(load_settings()))
    return Exit.OK


async def _run_relay(settings: "Settings") -> None:
    from letterhead.config import SqliteFile
    from letterhead.wiring import assemble

    if isinstance(settings.database_url, SqliteFile):
        raise Fault(
            Kind.CONFIG_INVALID,
            "The embedded database belongs to one process, so the relay can't have it beside the API.",
            "Start `letterhead serve` (or `run`): with LETTERHEAD_RELAY_SMARTHOST set it runs the relay within. "
            "Or set LETTERHEAD_DATABASE_URL to a Postgres, which any number of processes share.",
        )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ExitStack() as stack:
        listeners = listen_for_relay(settings, stack)
        async with assemble.open_deps(settings) as deps:
            await log_start(settings, "relay", address=str(settings.relay_bind))
            if settings.relay_metrics_bind is not None:
                deps.meter.serve_metrics(settings.relay_metrics_bind.host, settings.relay_metrics_bind.port)
            async with open_relay(deps, settings, listeners) as run:
                await run(stop)


@asynccontextmanager
async def open_relay(deps: "Deps", settings: "Settings", listeners: "Listeners") -> "AsyncIterator[BackgroundTask]":
    """Open the relay's queue, and yield the task that relays until it is stopped; Fault `config-invalid`."""
    from letterhead import relay as relaying
    from letterhead.config import PostgresServer, is_loopback
    from letterhead.operations.connection_limits import MOST_OF_RELAY_EACH
    from letterhead.wiring import relay as wiring_relay

    connections = listener_shares().relay
    limits = relaying.RelaySettings(
        clients=connections,
        clients_each=min(connections // 4, MOST_OF_RELAY_EACH),
        max_size=settings.relay_max_size,
        connections=settings.relay_connections,
        rate=settings.rate_limit.per_second,
        burst=settings.rate_limit.burst,
        proxies=settings.relay_proxies,
        share_failures=isinstance(settings.database_url, PostgresServer),
        in_clear=settings.relay_auth_in_clear or is_loopback(settings.relay_bind.host),
    )
    if settings.relay_certificate is not None:
        deps.meter.watch_certificate(lambda: wiring_relay.certificate_end(settings))
    async with wiring_relay.relaying(settings) as parts:
        yield lambda stop: relaying.run(deps, parts, limits, listeners, stop)


def listen_for_relay(settings: "Settings", stack: ExitStack) -> "Listeners":
    """Bind the relay's ports and load its certificate, before anything else is opened; Fault `config-invalid`."""
    from letterhead.relay import Listeners
    from letterhead.wiring import relay as wiring_relay

    context = wiring_relay.certificate(settings)
    plain = stack.enter_context(listen(settings.relay_bind, "LETTERHEAD_RELAY_BIND"))
    secure: socket.socket | None = None
    if settings.relay_tls_bind is not None:
        secure = stack.enter_context(listen(settings.relay_tls_bind, "LETTERHEAD_RELAY_TLS_BIND"))
    return Listeners(plain=plain, secure=secure, context=context, reload=_reloader(settings, context))


def _reloader(settings: "Settings", context: object) -> "Callable[[], bool]":
    """Return the function that loads the certificate again where its files changed."""
    import ssl

    from letterhead.wiring import relay as wiring_relay

    files = [path for path in (settings.relay_certificate, settings.relay_certificate_key) if path is not None]
    loaded = [os.stat(path).st_mtime_ns for path in files]  # noqa: PTH116

    def reload() -> bool:
        nonlocal loaded
        now = [os.stat(path).st_mtime_ns for path in files]  # noqa: PTH116
        if now == loaded or not isinstance(context, ssl.SSLContext):
            return False
        wiring_relay.load_certificate(context, settings)
        loaded = now
        return True

    return reload
