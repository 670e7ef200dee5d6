"""What every process of the service needs to start: settings, an event loop, a listening socket."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from letterhead.config import HostPort, Settings

WAITING = 2048  # connections that the kernel holds for us

BackgroundTask = Callable[[asyncio.Event], Awaitable[None]]


def load_settings(*, quiet: bool = False) -> "Settings":
    """Reads the settings and readies the process for keeping secrets: logs in one form, no core dumps."""
    from letterhead import config
    from letterhead.cli.logs import write_logs
    from letterhead.wiring import assemble

    settings = config.read(os.environ, Path())
    write_logs(settings.log_format, quiet=quiet)
    assemble.forbid_core_dumps()
    return settings


def run_in_loop(work: Coroutine[object, object, None]) -> None:
    """Runs on uvloop, where there is one."""
    try:
        import uvloop
    except ImportError:  # PyPy
        asyncio.run(work)
    else:
        uvloop.run(work)


def listen(bind: "HostPort", name: str = "LETTERHEAD_BIND") -> socket.socket:
    """Takes the port before anything else is opened; Fault `config-invalid` where it can't be had."""
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    try:
        return socket.create_server((bind.host, bind.port), family=family, backlog=WAITING)
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"Cannot listen on {bind}: {os.strerror(error.errno) if error.errno else error}.",
            f"Stop what listens there (perhaps Letterhead runs already: curl {address(bind)}/status), "
            f"or choose another: {name}=127.0.0.1:{bind.port + 1 if bind.port >= 1024 else 8587}",
        ) from error


def address(bind: "HostPort") -> str:
    """Writes where this machine reaches the service."""
    wild = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bind.host)  # noqa: S104 only compared
    return f"http://{wild}:{bind.port}" if wild else f"http://{bind}"
