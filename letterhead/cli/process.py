"""What every process of the service needs to start: settings, an event loop, a listening socket."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import socket
import stat
import sys
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from letterhead.config import HostPort, Settings, SocketPath
    from letterhead.operations.connection_limits import DescriptorShares

WAITING = 2048  # connections that the kernel holds for us
FIRST_PASSED = 3  # SD_LISTEN_FDS_START
# Objects made between two collections of cycles, and collections between two of the next generation: with Python's own
# 700 they took a tenth of a check's CPU (docs/performance.md, where the time goes).
COLLECTED_EVERY = (50_000, 20, 20)


def load_settings(*, quiet: bool = False, of_system: bool = True) -> "Settings":
    """Read the settings and prepare the process: logs in one form, no core dumps, all descriptors that it may have.

    Without `of_system` the file of this machine's own service counts only where LETTERHEAD_CONFIG names it.
    """
    from letterhead import config
    from letterhead.cli.logs import write_logs
    from letterhead.wiring import assemble

    settings = config.read(os.environ, Path(), config.SYSTEM_FILE if of_system else None)
    write_logs(settings.log_format, quiet=quiet)
    assemble.forbid_core_dumps()
    raise_descriptor_limit()
    return settings


async def log_start(settings: "Settings", role: str, **values: object) -> None:
    """Log what starts: version, address, engine and schema of the database."""
    import structlog

    from letterhead import __version__
    from letterhead.config import SqliteFile
    from letterhead.wiring import assemble

    url = settings.database_url
    structlog.get_logger().info(
        f"{role}.starting",
        version=__version__,
        **values,
        engine=f"SQLite {url.path}" if isinstance(url, SqliteFile) else "PostgreSQL",
        schema=await assemble.schema_revision(assemble.database_url(settings)),
        public_url=settings.public_url,
    )


def raise_descriptor_limit() -> None:
    """Raise the soft limit on open descriptors to the hard one: systemd's default of 1,024 is meant for select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listener_shares() -> "DescriptorShares":
    """Return how many connections the listeners of this process may hold."""
    from letterhead.operations.connection_limits import descriptor_shares

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return descriptor_shares(sys.maxsize if soft == resource.RLIM_INFINITY else soft)


def run_in_loop(work: Coroutine[object, object, None]) -> None:
    """Run on uvloop, where there is one."""
    gc.freeze()
    gc.set_threshold(*COLLECTED_EVERY)
    try:
        import uvloop
    except ImportError:  # PyPy
        asyncio.run(work)
    else:
        uvloop.run(work)


def listen(bind: "HostPort", name: str = "LETTERHEAD_BIND") -> socket.socket:
    """Take the port before anything else is opened; Fault `config-invalid` where it can't be had."""
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


def listen_on_socket(bind: "SocketPath", mode: int, stack: ExitStack) -> socket.socket:
    """Listen on a Unix socket of that mode until the end of `stack`, in place of one that nobody listens on any more.

    Fault `config-invalid` where that can't be: somebody listens there, or the path is something else.
    """
    path = bind.path
    try:
        remove_stale_socket(path)
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        umask = os.umask(0o777 & ~mode)  # a mode that is set after the bind would come too late
        try:
            listener.bind(str(path))
        finally:
            os.umask(umask)
        made = path.lstat()
        listener.listen(WAITING)
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"Cannot listen on the Unix socket {path}: {os.strerror(error.errno) if error.errno else error}.",
            f"Stop what listens there, make the folder {path.parent} and let this user write in it (in a unit by "
            f"RuntimeDirectory=), or choose another path: LETTERHEAD_BIND=unix:/run/letterhead/letterhead.sock",
        ) from error

    def remove() -> None:
        """Remove the file, unless it is that of a process that has started meanwhile."""
        with contextlib.suppress(OSError):
            found = path.lstat()
            if (found.st_ino, found.st_mtime_ns) == (made.st_ino, made.st_mtime_ns):
                path.unlink()

    stack.callback(remove)
    return listener


def remove_stale_socket(path: Path) -> None:
    """Remove a socket that a killed process has left; OSError where somebody listens, or where it is no socket."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a full queue is somebody's, too
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError as error:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def open_listeners(settings: "Settings", fd: int | None, stack: ExitStack) -> list[socket.socket]:
    """Take over the sockets that listen already (socket activation, or `--fd`), else listen on BIND.

    Fault `config-invalid` where what was passed does not listen.
    """
    from letterhead.config import SocketPath

    passed = [fd] if fd is not None else _activated_fds()
    if passed:
        return [stack.enter_context(_adopt(each)) for each in passed]
    if isinstance(settings.bind, SocketPath):
        return [listen_on_socket(settings.bind, settings.socket_mode, stack)]
    return [stack.enter_context(listen(settings.bind))]


def _activated_fds() -> list[int]:
    """Return the descriptors that systemd passes from 3 on, once: children must not take them for theirs."""
    # sd_listen_fds(3): they are meant for the process that LISTEN_PID names and for no other.
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    return list(range(FIRST_PASSED, FIRST_PASSED + int(count)))


def _adopt(fd: int) -> socket.socket:
    """Take over a descriptor; it stays open in the process that passed it, so that nobody is refused meanwhile."""
    try:
        passed = socket.socket(fileno=fd)
    except OSError as error:
        raise _no_listener(fd, os.strerror(error.errno or 0)) from error
    if passed.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX) or passed.type != socket.SOCK_STREAM:
        passed.detach()
        raise _no_listener(fd, "not a TCP or Unix stream socket")
    if not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        passed.detach()
        raise _no_listener(fd, "not listening")
    passed.set_inheritable(False)
    return passed


def _no_listener(fd: int, why: str) -> Fault:
    return Fault(
        Kind.CONFIG_INVALID,
        f"Descriptor {fd} was passed to be listened on, and is none to listen on: {why}.",
        "Pass a socket that listens: by a systemd socket unit with ListenStream=127.0.0.1:8025, or by --fd.",
    )


def address(bind: "HostPort | SocketPath") -> str:
    """Write where this machine reaches the service, as LETTERHEAD_URL takes it."""
    from letterhead.config import SocketPath

    if isinstance(bind, SocketPath):
        return str(bind)
    wild = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bind.host)  # noqa: S104 only compared
    return f"http://{wild}:{bind.port}" if wild else f"http://{bind}"
