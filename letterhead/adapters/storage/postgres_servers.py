"""The servers that the URL of a PostgreSQL database names, and how a connection to one of them is opened.

Each address of each host gets a time of its own, and the last good one is first: a machine that has vanished costs
seconds once. The sockets notice a dead peer by TCP_USER_TIMEOUT, long before a statement's own time is over.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from letterhead.adapters.storage.engine import unavailable
from letterhead.adapters.storage.postgres_files import (
    find_password,
    read_service,
    refuse_missing_files,
    system_context,
)
from letterhead.adapters.storage.postgres_url import (
    OF_DRIVER,
    PostgresUrlError,
    check_keys,
    read_postgres_url,
    server_settings,
    translate_key,
)
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    Driver = asyncpg.Connection[asyncpg.Record]
else:
    Driver = asyncpg.Connection

CONNECT_SECONDS: Final = 2.0  # for one address, unless the URL says more
ONLY_SECONDS: Final = 5.0  # where no other one could be tried instead: a busy machine needs longer than two
ALL_SECONDS: Final = 10.0  # for all of them
SUSPECT_SECONDS: Final = 30.0  # for so long a host that did not answer is tried last
UNACKNOWLEDGED_MS: Final = 2000  # octets that the peer's kernel has not acknowledged for so long: it is gone
# What a server does about clients that are gone; poolers know none of these.
CLIENT_GONE: Final = {
    "idle_in_transaction_session_timeout": "3s",  # nothing but SQL is awaited within a transaction, and it holds locks
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# Of clients that are gone and wait in a row for one row, each would hold it for as long as the first. A contended row
# is waited for twice, for its tuple and then for its holder's transaction, and each wait has this time to itself: two
# of them end before the first holder is given up. Live clients try again.
LOCK_GONE: Final = {"lock_timeout": "1200ms"}
KEEPALIVE: Final = {"keepalives_idle": 15, "keepalives_interval": 2, "keepalives_count": 3}
SOCKETS: Final = ("/run/postgresql", "/var/run/postgresql", "/tmp")  # noqa: S108 where Debian and others have them
DEFAULT_PORT: Final = "5432"
_OF_ENVIRONMENT: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "passfile": "PGPASSFILE",
    "application_name": "PGAPPNAME",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
NEXT_HOST: Final = (  # what says nothing of the other hosts
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting up, shutting down
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One address of one host; `target` is what a socket connects to, and the name of a file for a Unix socket."""

    host: str
    port: int
    family: socket.AddressFamily
    target: Any

    def __str__(self) -> str:
        if self.family is socket.AF_UNIX:
            return str(self.target)
        where = self.host if self.host == self.target[0] else f"{self.host} ({self.target[0]})"
        return f"{where}:{self.port}"


class PostgresConnection(Driver):
    """A connection that knows which server it leads to, and what its pool has to know of it."""

    address: ServerAddress
    generation: int = 0
    last_used: float = 0.0  # of the monotonic clock
    replayed: int = 0  # the position up to which a replica is known to have replayed


class _DialingLoop:
    """The running loop, whose connections go to one address, by sockets that notice a peer that is gone.

    The driver takes a loop, and opens its own connections and those of its cancel requests by it.
    """

    def __init__(self, address: ServerAddress, keys: Mapping[str, str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._address, self._keys = address, keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(
        self, factory: Callable[[], asyncio.Protocol], host: str, _port: int, **more: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Open a connection to the address; `host` is only the name that its certificate must have."""
        opened = socket.socket(self._address.family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            set_liveness(opened, self._keys)
            await self._loop.sock_connect(opened, self._address.target)
            name = host if more.get("ssl") else None
            return await self._loop.create_connection(factory, sock=opened, server_hostname=name, **more)
        except BaseException:
            opened.close()
            raise


def set_liveness(opened: socket.socket, keys: Mapping[str, str]) -> None:
    """Have a socket notice that its peer is gone, when it waits for an answer and when it is idle."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(keys.get("tcp_user_timeout", UNACKNOWLEDGED_MS)))
    if keys.get("keepalives") == "0":
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for key, option in (
        ("keepalives_idle", socket.TCP_KEEPIDLE),
        ("keepalives_interval", socket.TCP_KEEPINTVL),
        ("keepalives_count", socket.TCP_KEEPCNT),
    ):
        value = int(keys.get(key, 0)) or KEEPALIVE[key]  # 0 is the system's default in libpq: two hours
        opened.setsockopt(socket.IPPROTO_TCP, option, value)


class PostgresServers:
    """The servers of one URL, and what is known of them: where they were, who was good last, who did not answer."""

    def __init__(self, url: str, environ: Mapping[str, str] = os.environ, *, reads_only: bool = False) -> None:
        """Read the URL, and what the environment and the service file add to it; raise Fault `config-invalid`.

        Of several servers one that takes writes is preferred, unless it `reads_only`.
        """
        try:
            keys = read_postgres_url(url)
            added: dict[str, str] = {}
            for key, name in _OF_ENVIRONMENT.items():
                if environ.get(name):
                    added |= translate_key(key, environ[name])
            if "host" in keys:
                added.pop("hostaddr", None)
                if "port" not in keys and "," in added.get("port", ""):
                    added.pop("port")
            service = keys.get("service", added.get("service"))
            if service:
                added |= read_service(service, keys.get("servicefile", added.get("servicefile")), environ)
            self._keys = {**added, **keys}
            check_keys(self._keys)
            refuse_missing_files(self._keys, environ)
        except PostgresUrlError as error:
            raise Fault(Kind.CONFIG_INVALID, f"The URL of the database {error}.", error.fix) from None
        self._environ, self._reads_only = environ, reads_only
        self.is_pooled = True  # until a server has shown that it answers itself
        self._last_good: ServerAddress | None = None
        self._silent: dict[ServerAddress, float] = {}
        self._resolved: dict[str, list[ServerAddress]] = {}  # for a moment in which no name server answers

    @property
    def statement_cache(self) -> int | None:
        """How many statements the URL wants prepared for each connection; None where it says nothing."""
        size = self._keys.get("statement_cache_size")
        return None if size is None else int(size)

    @property
    def connection_limit(self) -> int | None:
        """How many connections the URL allows; None where it says nothing."""
        limit = self._keys.get("connection_limit")
        return None if limit is None else int(limit)

    async def connect(self, statement_cache: int = 0, statement_seconds: float | None = None) -> PostgresConnection:
        """Open a connection to a server that takes writes, or to the best one that there is.

        It prepares up to `statement_cache` statements, and gives each up after `statement_seconds`.
        Raise Fault `storage-unavailable` where none answers, `config-invalid` where the URL asks for what can't be.
        """
        reasons: list[str] = []
        second_best: PostgresConnection | None = None
        until = time.monotonic() + ALL_SECONDS
        try:
            # The last good one first, those that did not answer a moment ago last.
            silent = {address for address, at in self._silent.items() if at > time.monotonic() - SUSPECT_SECONDS}
            addresses = await self._addresses()
            for address in sorted(addresses, key=lambda each: (each in silent, each != self._last_good)):
                seconds = min(self._seconds(is_only=len(addresses) == 1), until - time.monotonic())
                if seconds <= 0:
                    break
                try:
                    connection = await self._open(address, seconds, (statement_cache, statement_seconds))
                    suits = await self._suits(connection)
                except NEXT_HOST as error:
                    reasons.append(f"{address}: {self._noted(address, error)}")
                    continue
                if suits:
                    self._last_good = address
                    self._silent.pop(address, None)
                    return connection
                if second_best is None and self._wanted in ("any", "prefer-standby"):
                    second_best = connection
                else:
                    connection.terminate()
                    reasons.append(f"{address}: it is not {self._wanted}")
        except BaseException:
            if second_best is not None:
                second_best.terminate()
            raise
        if second_best is not None:
            return second_best
        raise unavailable("PostgreSQL", "; ".join(reasons) or "no host is named")

    def suspect(self, connection: PostgresConnection) -> None:
        """Try the server of a connection that died without a word after the others."""
        self._silent[connection.address] = time.monotonic()

    @property
    def _wanted(self) -> str:
        return self._keys.get("target_session_attrs", "any")

    def _seconds(self, *, is_only: bool = False) -> float:
        asked = int(self._keys.get("connect_timeout", 0))
        if asked > 0:
            return float(max(2, asked))
        return ONLY_SECONDS if is_only else CONNECT_SECONDS

    def _noted(self, address: ServerAddress, error: BaseException) -> str:
        """Note a server that did not answer, and return why a connection to it failed."""
        if isinstance(error, TimeoutError):
            self._silent[address] = time.monotonic()
            return "no answer"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate can't be verified ({error.verify_message})"
        if isinstance(error, OSError):
            number = error.errno or 0
            of_system = os.strerror(number) if number > 0 and not isinstance(error, ssl.SSLError) else error.strerror
            return of_system or str(error)
        return str(error) or type(error).__name__

    async def _addresses(self) -> list[ServerAddress]:
        """Return every address of every host, in the order of the URL."""
        hosts = self._keys.get("host", "").split(",")
        numbers = self._keys.get("hostaddr", "").split(",")
        ports = self._keys.get("port", DEFAULT_PORT).split(",")
        found: list[ServerAddress] = []
        for index in range(max(len(hosts), len(numbers))):
            host, numeric = hosts[index % len(hosts)], numbers[index % len(numbers)]
            port = int(ports[index % len(ports)] or DEFAULT_PORT)
            if not host and not numeric:
                found += await asyncio.to_thread(_sockets_here, port)
                host = "localhost"
            if host.startswith("/") and not numeric:
                found.append(_socket_address(host, port))
            else:
                found += await self._resolve(host or numeric, numeric or host, port)
        return found

    async def _resolve(self, host: str, name: str, port: int) -> list[ServerAddress]:
        try:
            async with asyncio.timeout(self._seconds()):
                answers = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError):
            return self._resolved.get(f"{name}:{port}") or [ServerAddress(host, port, socket.AF_INET, (name, port))]
        found = [ServerAddress(host, port, socket.AddressFamily(family), target) for family, _, _, _, target in answers]
        self._resolved[f"{name}:{port}"] = found
        return found

    async def _open(
        self, address: ServerAddress, seconds: float, statements: tuple[int, float | None]
    ) -> PostgresConnection:
        keys, user = self._keys, self._keys.get("user")
        database = keys.get("dbname") or user
        tls = {key: keys[key] for key in OF_DRIVER if key in keys}
        context = system_context(tls) if tls.get("sslrootcert") == "system" else None
        if context is not None:
            tls = {key: value for key, value in tls.items() if key in ("krbsrvname", "gsslib", "sslnegotiation")}
        password = keys.get("password") or find_password(keys, address.host, address.port, self._environ)
        settings = server_settings(keys)
        if not self.is_pooled:
            ours = CLIENT_GONE if statements[1] is None else CLIENT_GONE | LOCK_GONE
            settings = {
                **{key: value for key, value in ours.items() if key not in keys.get("options", "")},
                **settings,
            }
        with _refusals(user, database):
            connection = await asyncpg.connect(
                f"postgresql:///?{urlencode(tls)}" if tls else None,
                host=str(Path(address.target).parent) if address.family is socket.AF_UNIX else address.host,
                port=address.port,
                user=user,
                password=password,
                database=database,
                ssl=context,
                loop=cast("asyncio.AbstractEventLoop", _DialingLoop(address, keys)),
                timeout=seconds,
                command_timeout=statements[1],
                statement_cache_size=statements[0],
                server_settings=settings,
                target_session_attrs=SessionAttribute.any,
                connection_class=PostgresConnection,
            )
        connection.address, connection.last_used = address, time.monotonic()
        return connection

    async def _suits(self, connection: PostgresConnection) -> bool:
        """Whether a server is as the URL wants it; where it wants any, and there are several, one that takes writes."""
        if self._wanted == "any" and (
            self._reads_only or "," not in self._keys.get("host", self._keys.get("hostaddr", ""))
        ):
            return True
        return await is_writable(connection) != (self._wanted in ("read-only", "standby", "prefer-standby"))


async def is_writable(connection: PostgresConnection) -> bool:
    """Whether a server takes writes; it says so by itself since PostgreSQL 14, and a pooler does not hand that on."""
    said = connection.get_settings()
    if getattr(said, "default_transaction_read_only", "off") == "on":
        return False
    standby = getattr(said, "in_hot_standby", None)
    if standby is None:
        return not await connection.fetchval("SELECT pg_catalog.pg_is_in_recovery()", timeout=CONNECT_SECONDS)
    return bool(standby == "off")


def _sockets_here(port: int) -> list[ServerAddress]:
    return [each for folder in SOCKETS if Path((each := _socket_address(folder, port)).target).exists()]


def _socket_address(folder: str, port: int) -> ServerAddress:
    path = folder if ".s.PGSQL." in folder else f"{folder}/.s.PGSQL.{port}"
    return ServerAddress(folder, port, socket.AF_UNIX, path)


@contextmanager
def _refusals(user: str | None, database: str | None) -> Iterator[None]:
    """Translate what a server refuses at the start of a connection into Faults that say what to do."""
    try:
        yield
    except asyncpg.InvalidAuthorizationSpecificationError as error:  # class 28
        fix = (
            "Check user and password in the URL of the database. A missing role: CREATE ROLE name LOGIN PASSWORD '…'. "
            "A machine that may not connect: add it to the server's pg_hba.conf."
        )
        raise refused(error, fix) from error
    except asyncpg.InvalidCatalogNameError as error:  # 3D000
        owner = user or "its role"
        fix = (
            f"Create it (createdb --owner={owner} {database or 'NAME'}), then run letterhead migrate; or mend the URL."
        )
        raise refused(error, fix) from error
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError, asyncpg.ProtocolViolationError) as error:
        if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" not in str(error):
            raise
        detail = f"The URL of the database asks for a setting that the server does not know: {error}."
        fix = "Take that key out of the URL, its options or PGOPTIONS; at PgBouncer see ignore_startup_parameters."
        raise Fault(Kind.CONFIG_INVALID, detail, fix) from error
    except asyncpg.ClientConfigurationError as error:
        fix = "Mend the URL of the database, or the PG… variable that adds to it."
        raise Fault(Kind.CONFIG_INVALID, f"The URL of the database can't be used: {error}.", fix) from error


def refused(error: Exception, fix: str) -> Fault:
    """Return the Fault for a server that answers, and refuses."""
    return Fault(Kind.STORAGE_UNAVAILABLE, f"PostgreSQL refuses: {error}.", fix)
