"""Commands that start the service's processes, and how these stop."""

import asyncio
import os
import shlex
import signal
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from letterhead import __version__
from letterhead.cli.exit_codes import Exit
from letterhead.cli.process import address, listener_shares, load_settings, log_start, open_listeners, run_in_loop
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from letterhead.config import Settings
    from letterhead.ports.deps import Deps
    from letterhead.relay import Listeners
    from letterhead.web.server import BackgroundTask
    from letterhead.worker import WorkerSettings

FIRST_KEY = "first-key"
ACCOUNTS_SHOWN = 5  # of those that a new key could be made for

Ready = Callable[["Deps", str], Awaitable[None]]


def run(*, fd: int | None = None) -> Exit:
    """Start API, worker and pages on the embedded database.

    The first start makes an account and a full-scope API key, prints the key once and keeps it in DATA_DIR/first-key.

    Parameters
    ----------
    fd
        The descriptor of a socket that listens already, in place of LETTERHEAD_BIND.
    """
    settings = load_settings(of_system=False)
    run_in_loop(serving(settings, fd=fd, ready=lambda deps, where: _welcome(deps, settings, where)))
    return Exit.OK


def serve(*, with_worker: Annotated[bool, Parameter(name="--worker")] = True, fd: int | None = None) -> Exit:
    """Serve the API until SIGTERM.

    Parameters
    ----------
    with_worker
        Check domains in this process too. Without, run `letterhead worker` beside it.
    fd
        The descriptor of a socket that listens already, in place of LETTERHEAD_BIND. A systemd socket unit passes
        one by itself.
    """
    run_in_loop(serving(load_settings(), fd=fd, with_worker=with_worker))
    return Exit.OK


def worker() -> Exit:
    """Check domains until SIGTERM; any number of these work beside each other on Postgres."""
    run_in_loop(_working(load_settings()))
    return Exit.OK


def migrate(*, new: bool = False) -> Exit:
    """Bring the database's schema to this version; does nothing where it is.

    Parameters
    ----------
    new
        Make the embedded database where no setting says where the database is.
    """
    from letterhead.wiring import assemble

    settings = load_settings()
    if not new:
        refuse_surprising_database(settings)
    url = assemble.database_url(settings)
    before = asyncio.run(_migrated(url))
    print(f"The schema was {before}; it is current." if before != "current" else "The schema is current already.")
    return Exit.OK


def refuse_surprising_database(settings: "Settings") -> None:
    """Raise Fault `config-invalid` where the database would be made anew at a place that nobody has chosen.

    A shell without the service's settings would else work on an empty database of its own, and say that all is well.
    """
    from letterhead import config

    url = settings.database_url
    if not isinstance(url, config.SqliteFile) or Path(url.path).exists():
        return
    if not config.is_database_chosen(os.environ, Path(), config.SYSTEM_FILE):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"No setting says where the database is, and its default, {url.path}, does not exist.",
            f"If a service runs on this machine, give this command its settings: {config.PREFIX}CONFIG=<its file>, "
            f"or {config.SYSTEM_FILE}. To make a new embedded database here: letterhead migrate --new.",
        )


async def _migrated(url: str) -> str:
    from letterhead.wiring import assemble

    before = await assemble.schema_state(url)
    await assemble.migrate(url)
    return before.value


async def serving(
    settings: "Settings", *, fd: int | None = None, with_worker: bool = True, ready: Ready | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, with what belongs to it; `ready` is called once all is open, with the address."""
    from letterhead.config import HostPort, SocketPath
    from letterhead.wiring import assemble

    background_tasks: tuple[BackgroundTask, ...] = ()
    with ExitStack() as listening:
        listeners = open_listeners(settings, fd, listening)
        ears = _relay_within(settings, listening)
        async with AsyncExitStack() as opened:
            deps = await opened.enter_async_context(assemble.open_deps(settings))
            name = listeners[0].getsockname()
            where = address(SocketPath(Path(name)) if isinstance(name, str) else HostPort(*name[:2]))
            if ready:
                await ready(deps, where)
            await log_start(settings, "serve", address=where, worker=with_worker, relay=ears is not None)
            if ears is not None:
                from letterhead.cli.relay import open_relay

                background_tasks = (await opened.enter_async_context(open_relay(deps, settings, ears)),)
            await serve_with(deps, settings, listeners, with_worker=with_worker, background_tasks=background_tasks)


def _relay_within(settings: "Settings", listening: ExitStack) -> "Listeners | None":
    """Take the signing relay's ports where only this process can run it: nobody else opens the embedded database."""
    from letterhead.config import SqliteFile

    if settings.relay_smarthost is None or not isinstance(settings.database_url, SqliteFile):
        return None
    from letterhead.cli.relay import listen_for_relay

    return listen_for_relay(settings, listening)


async def serve_with(
    deps: "Deps",
    settings: "Settings",
    listeners: Sequence[socket.socket],
    *,
    with_worker: bool = True,
    background_tasks: "tuple[BackgroundTask, ...]" = (),
) -> None:
    """Serve what was opened elsewhere (the demo stands in for the outside world)."""
    from letterhead import worker as working
    from letterhead.config import PostgresServer
    from letterhead.web import WebSettings
    from letterhead.web.app import create_app
    from letterhead.web.server import ServerSettings
    from letterhead.web.server import serve as serve_web

    has_socket = any(each.family == socket.AF_UNIX for each in listeners)
    app = create_app(
        deps,
        WebSettings(
            public_url=settings.public_url.rstrip("/"),
            operator_token=settings.operator_token,
            trusts_proxies=bool(settings.trusted_proxies) or has_socket,
            rate=settings.rate_limit.per_second,
            burst=settings.rate_limit.burst,
            share_failures=isinstance(settings.database_url, PostgresServer),  # the others have one process
            brand_name=settings.brand_name,
            brand_logo=settings.brand_logo,
            brand_colour=settings.brand_colour,
            support=settings.support,
            embed_origins=settings.embed_origins,
        ),
    )
    if with_worker:
        background_tasks = (*background_tasks, lambda stop: working.run(deps, _worker_settings(settings), stop))
    connections = listener_shares().api
    server = ServerSettings(
        connections=connections,
        connections_each=connections // 4,
        trusted_proxies=settings.trusted_proxies,
        trusts_socket=has_socket,
        trusts_parent=settings.opentelemetry_parent,
    )
    await serve_web(app, listeners, server, *background_tasks)  # type: ignore[arg-type] # the same protocol in looser types


def _worker_settings(settings: "Settings") -> "WorkerSettings":
    from letterhead.worker import WorkerSettings

    return WorkerSettings(checks=settings.check_concurrency, pooled_keys=settings.key_pool)


async def _working(settings: "Settings") -> None:
    from letterhead import worker as working
    from letterhead.wiring import assemble

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with assemble.open_deps(settings) as deps:
        if settings.worker_metrics_bind is not None:
            deps.meter.serve_metrics(settings.worker_metrics_bind.host, settings.worker_metrics_bind.port)
        await log_start(settings, "worker")
        await working.run(deps, _worker_settings(settings), stop)


async def _welcome(deps: "Deps", settings: "Settings", where: str) -> None:
    """Print where the service is and how to ask it; the first start makes the account that may."""
    path = settings.data_dir / FIRST_KEY
    key = await first_key(deps, path)
    print(f"Letterhead {__version__} runs on {where}; its data is in {settings.data_dir}. Ctrl-C stops it.")
    if key:
        print(f"\nYour API key, printed this once and kept in {path}:\n  {key}\n\nTry:\n  {curl(key, where)}")
        shown = settings.public_url if where.startswith("unix:") else where
        print(f"or open {shown} in a browser, and sign in with the key.")
    elif (trouble := await _trouble_with_key(deps, path)) is None:
        kept = f"$(cat {shlex.quote(str(path.absolute()))})"
        print(f"The API key of the first start is in {path}:\n  {curl(kept, where)}")
    else:
        print(f"\n{trouble} Use another key that you kept, or make a new one:")
        print(await _way_to_a_key(deps, settings, where))
    sys.stdout.flush()


async def _trouble_with_key(deps: "Deps", path: Path) -> str | None:
    """Return in a sentence why the kept first key lets nobody in; None where it does."""
    from letterhead.operations.accounts import caller_of

    try:
        key = (await asyncio.to_thread(path.read_text, "utf-8", "replace")).strip()
    except FileNotFoundError:
        return f"The API key of the first start is no longer kept in {path}."
    except OSError as error:
        return f"The API key of the first start can't be read from {path}: {error.strerror}."
    try:
        await caller_of(deps, key, "127.0.0.1")
    except Fault as fault:
        if fault.kind is not Kind.UNAUTHORIZED:
            raise
        return f"The API key in {path} is not valid: it was ended, or it is of another database."
    return None


async def _way_to_a_key(deps: "Deps", settings: "Settings", where: str) -> str:
    """Return the commands that make a key for an account whose owner has none, as the operator."""
    from letterhead.cli.client import DEFAULT_URL
    from letterhead.operations.accounts import list_accounts

    listed = await list_accounts(deps)
    server = "" if where == DEFAULT_URL else f"LETTERHEAD_URL={where} "
    lines = [f"  {server}letterhead accounts key {each.id}   # {each.name}" for each in listed[:ACCOUNTS_SHOWN]]
    if len(listed) > ACCOUNTS_SHOWN:
        lines.append(f"  {server}letterhead accounts list   # {len(listed) - ACCOUNTS_SHOWN} more accounts")
    if settings.operator_token is None:
        lines.insert(0, '  export LETTERHEAD_OPERATOR_TOKEN="$(openssl rand -hex 24)"   # then start again with it')
    else:
        lines.append("These commands need LETTERHEAD_OPERATOR_TOKEN, as this server has it.")
    return "\n".join(lines)


def curl(key: str, where: str) -> str:
    """Write a line that lists the account's domains."""
    if where.startswith("unix:"):
        where = f"--unix-socket {shlex.quote(where.removeprefix('unix:'))} http://localhost"
    return f'curl -H "Authorization: Bearer {key}" {where}/domains'


async def first_key(deps: "Deps", path: Path) -> str | None:
    """Open the first account and keep its key in a file of mode 0600; nothing where there is an account already."""
    from letterhead.operations.accounts import list_accounts

    if await list_accounts(deps):
        return None
    # Kept before the account is written: cut off in between, the next start finds no account and makes another key.
    _, key = await open_first(deps, lambda key: asyncio.to_thread(_keep, path, key))
    return key


def _keep(path: Path, key: str) -> None:
    try:
        _write(path, key)
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"Cannot keep the first API key in {path}: {error.strerror}.",
            f"Move what is in its way, or let this user write to {path.parent}, then start again.",
        ) from error


def _write(path: Path, key: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of an earlier database
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(descriptor)


async def open_first(deps: "Deps", keep: Callable[[str], Awaitable[None]] | None = None) -> tuple[str, str]:
    """Open the first account once its key's text is kept, and return its id and that text."""
    from letterhead.core.accounts.quotas import Limits
    from letterhead.operations.accounts import open_account
    from letterhead.operations.audit import Actor

    account, made = await open_account(
        deps, "first account", "postmaster@localhost", Limits(), Actor(name="operator"), keep=keep
    )
    return account.id, made.text
