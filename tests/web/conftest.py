"""Give the web tests a whole installation: a real server on a real socket, a real SQLite store, zone text for DNS."""

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.quotas import Limits
from letterhead.core.secret import Secret
from letterhead.operations import accounts
from letterhead.ports.alerts import AlertSender
from letterhead.ports.dns_host import HostedZones
from letterhead.ports.provider import ProviderNotifications
from letterhead.ports.resolver import Resolver
from letterhead.web import WebSettings
from letterhead.web.app import Unserved, create_app
from letterhead.web.context import AppState
from letterhead.web.server import Server, ServerSettings, disable_nagle
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, World, opened

OPERATOR_TOKEN = "an-operator-token-that-is-long-enough"
FAST = {"rate": 500, "burst": 1000}


class Installation:
    """A running installation, the keys of its accounts, and clients for each way to ask it."""

    def __init__(self, world: World, provider: SimulatedProvider, url: str, state: AppState) -> None:
        self.world, self.deps, self.provider, self.url = world, world.deps, provider, url
        self.state = state
        self.keys = {"acme": world.key}
        self.accounts = {"acme": world.account.id}

    def waiting(self) -> int:
        """Count the requests that wait for a change of a domain."""
        return sum(self.state.long_polls.held_by_account().values())

    async def open_account(self, name: str, limits: Limits | None = None) -> str:
        """Open an account and return its first key."""
        account, made = await accounts.open_account(
            self.deps, name, f"{name}@example.com", limits or Limits(), OPERATOR
        )
        self.accounts[name], self.keys[name] = account.id, made.text
        return made.text

    async def make_key(self, name: str, scope: Scope) -> str:
        """Make a further key of an account with a scope."""
        caller = await accounts.caller_of(self.deps, self.keys[name], "127.0.0.1")
        request = accounts.NewKeyRequest(name=f"{scope} key", scope=scope)
        made = await accounts.make_key(self.deps, caller.account_id, OPERATOR, request)
        return made.text

    def client(self, key: str | None = None) -> httpx2.AsyncClient:
        """Make a client that sends a key, or none."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False)


@asynccontextmanager
async def running(
    folder: Path,
    zones: str = "",
    limits: Limits | None = None,
    notices: ProviderNotifications | None = None,
    environment: Mapping[str, str] | None = None,
    server: ServerSettings | None = None,
    public_url: str | None = None,
    resolver: Resolver | None = None,
    provider: SimulatedProvider | None = None,
    hosted_zones: HostedZones | None = None,
    alerts: AlertSender | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    **web: Any,
) -> AsyncIterator[Installation]:
    """Run an installation in this event loop until the block ends; `web` are settings of the web face."""
    provider = provider or SimulatedProvider(lambda: datetime.now(UTC))
    stand = Overrides(
        resolver=resolver or ZoneFileResolver(zones),
        provider=provider,
        notices=notices,
        hosted_zones=hosted_zones,
        alerts=alerts,
        now=now,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        disable_nagle(listener)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with opened(folder, stand, limits, ALLOW_SPECIAL_USE="false", **(environment or {})) as world:
            token = Secret(OPERATOR_TOKEN.encode())
            settings = WebSettings(public_url=public_url or url, operator_token=token, **(FAST | web))
            app = create_app(world.deps, settings)
            async with served(app, listener, server):
                assert isinstance(app.default, Unserved)
                yield Installation(world, provider, url, app.default.state)


def damage(folder: Path, table: str, column: str, value: str) -> None:
    """Alter the sealed octets of one row, as a bad disk does."""
    with contextlib.closing(sqlite3.connect(folder / "letterhead.db", isolation_level=None)) as connection:
        changed = connection.execute(
            f"UPDATE {table} SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE {column} = ?",
            (value,),
        )
        assert changed.rowcount == 1


@asynccontextmanager
async def served(
    app: Callable[..., Awaitable[None]], listener: socket.socket, settings: ServerSettings | None = None
) -> AsyncIterator[None]:
    server = Server(app, settings)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 uvicorn offers nothing to wait for
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation with an account called acme."""
    async with running(tmp_path) as installation:
        yield installation


@pytest.fixture
async def acme(house: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask with the full-scope key of the account acme."""
    async with house.client(house.keys["acme"]) as client:
        yield client


@pytest.fixture
async def nobody(house: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask without a key."""
    async with house.client() as client:
        yield client


@pytest.fixture
async def operator(house: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask with the operator's token."""
    async with house.client(OPERATOR_TOKEN) as client:
        yield client
