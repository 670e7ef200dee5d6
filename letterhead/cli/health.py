"""The command `letterhead health`: whether a process of this machine works, as a container's health check asks."""

import socket
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from letterhead.cli.exit_codes import Exit

if TYPE_CHECKING:
    from letterhead.config import HostPort, Settings

SECONDS = 4.0
PROCESSES = Literal["serve", "worker", "relay"]


def health(process: Annotated[PROCESSES, Parameter(show_default=False)] = "serve", /) -> Exit:
    """Ask a process of this machine whether it is alive, as a container's health check does: exit code 0, else 1.

    The command reads the settings of the process, and opens no database. `letterhead doctor` looks at all the rest.

    Parameters
    ----------
    process
        `serve` (also `run`) answers HTTP at LETTERHEAD_BIND, `relay` greets at LETTERHEAD_RELAY_BIND, `worker` serves
        its metrics at LETTERHEAD_WORKER_METRICS_BIND, which has to be set.
    """
    from letterhead.cli.process import load_settings

    said = {"serve": ask_server, "worker": ask_worker, "relay": ask_relay}[process](load_settings(quiet=True))
    print(said or f"{process} is alive.")
    return Exit.NOT_GOOD if said else Exit.OK


def ask_server(settings: "Settings") -> str | None:
    """Return what is wrong with the server; None where it answers."""
    from letterhead.cli.process import address

    return ask_http(address(settings.bind), "/healthz", "LETTERHEAD_BIND")


def ask_worker(settings: "Settings") -> str | None:
    """Return what is wrong with the worker; None where it serves its metrics."""
    from letterhead.cli.process import address

    if settings.worker_metrics_bind is None:
        return "Nothing tells how the worker is: set LETTERHEAD_WORKER_METRICS_BIND=127.0.0.1:9100 for it and for this."
    return ask_http(address(settings.worker_metrics_bind), "/metrics", "LETTERHEAD_WORKER_METRICS_BIND")


def ask_http(url: str, path: str, setting: str) -> str | None:
    """Return what is wrong at a URL of this machine; None where it answers 200."""
    import httpx2

    from letterhead.cli.client import http_client

    try:
        with http_client(url, timeout=SECONDS) as client:
            status = client.get(path).status_code
    except httpx2.HTTPError as error:
        return f"No answer at {url}: {error}. Read the log of the process; {setting} must be its own."
    return None if status == 200 else f"{url}{path} answers {status}. Read the log of the process."


def ask_relay(settings: "Settings") -> str | None:
    """Return what is wrong with the relay; None where it greets, or says that it has too many connections."""
    bind: HostPort = settings.relay_bind
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)  # noqa: S104 only compared
    try:
        with socket.create_connection((host, bind.port), timeout=SECONDS) as connection:
            greeting = connection.recv(512)
    except OSError as error:
        return f"No greeting at {bind}: {error}. Read the log of the relay; LETTERHEAD_RELAY_BIND must be its own."
    if greeting[:3] in (b"220", b"421"):
        return None
    return f"{bind} is no relay of Letterhead. LETTERHEAD_RELAY_BIND must be that of the relay."
