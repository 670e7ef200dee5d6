"""P14: webhooks reach no inside address, by 31 tricks, each as a literal, by DNS, by a redirect and by rebinding.

Listeners stand on 127.0.0.1 and ::1, and every dial is written down: nothing may be dialled but what is public.
"""

import asyncio
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import httpcore2
import pytest

from letterhead.adapters.pinned_connections import MOST_DIALLED, system_names
from letterhead.adapters.webhooks import WebhookClient
from letterhead.core.names.ip_addresses import is_not_public, read_address
from letterhead.core.public.webhooks import EgressPolicy, HttpResult, WebhookTarget, parse_target
from letterhead.errors import Fault, Kind
from letterhead.worker import WorkerSettings
from tests.rigs import webhook_receiver
from tests.rigs.processes import free_port
from tests.rigs.webhook_receiver import Ledger, Mood

STRICT = EgressPolicy(http=True)
PUBLIC = "93.184.216.34"
# The host as an attacker writes it in a URL, and the address that a resolver would give for it.
TRICKS = {
    "loopback": ("127.0.0.1", "127.0.0.1"),
    "loopback elsewhere in its block": ("127.255.255.254", "127.255.255.254"),
    "decimal": ("2130706433", "127.0.0.1"),
    "hexadecimal": ("0x7f000001", "127.0.0.1"),
    "hexadecimal octets": ("0x7f.0.0.1", "127.0.0.1"),
    "octal": ("0177.0.0.1", "127.0.0.1"),
    "shortened": ("127.1", "127.0.0.1"),
    "zero": ("0", "0.0.0.0"),
    "this network": ("0.0.0.0", "0.0.0.0"),
    "localhost": ("localhost", "127.0.0.1"),
    "localhost with a final dot": ("localhost.", "127.0.0.1"),
    "private 10": ("10.0.0.1", "10.0.0.1"),
    "private 172": ("172.16.0.1", "172.16.0.1"),
    "private 192": ("192.168.0.1", "192.168.0.1"),
    "cloud metadata": ("169.254.169.254", "169.254.169.254"),
    "shared by a carrier": ("100.64.0.1", "100.64.0.1"),
    "protocol assignments": ("192.0.0.1", "192.0.0.1"),
    "benchmarks": ("198.18.0.1", "198.18.0.1"),
    "multicast": ("224.0.0.1", "224.0.0.1"),
    "broadcast": ("255.255.255.255", "255.255.255.255"),
    "loopback of IPv6": ("[::1]", "::1"),
    "unspecified": ("[::]", "::"),
    "IPv4-mapped": ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
    "IPv4-compatible": ("[::127.0.0.1]", "::127.0.0.1"),
    "IPv4-translated": ("[::ffff:0:127.0.0.1]", "::ffff:0:127.0.0.1"),
    "NAT64": ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
    "local NAT64": ("[64:ff9b:1::7f00:1]", "64:ff9b:1::7f00:1"),
    "6to4": ("[2002:7f00:1::]", "2002:7f00:1::"),
    "Teredo": ("[2001:0:7f00:1::]", "2001:0:7f00:1::"),
    "unique local": ("[fd00:ec2::254]", "fd00:ec2::254"),
    "link-local with its zone": ("[fe80::1%25lo]", "fe80::1%lo"),
}


@dataclass
class Dialler(httpcore2.AsyncNetworkBackend):
    """Writes down every dial; leads those to the one public address to the receiver, and all others where they ask."""

    public_port: int
    dialled: list[str] = field(default_factory=list)
    inner: httpcore2.AsyncNetworkBackend = field(default_factory=httpcore2.AnyIOBackend)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the hook's own signature
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(host)
        if host == PUBLIC:
            return await self.inner.connect_tcp("127.0.0.1", self.public_port, timeout)
        return await self.inner.connect_tcp(host, port, timeout)


class Names:
    """Answers look-ups with the answers it was given, one after the other; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def inside() -> Iterator[tuple[Ledger, Ledger]]:
    """Run what must never be reached, on one port of 127.0.0.1 and of ::1."""
    with webhook_receiver.running() as four, webhook_receiver.running(host="::1", port=four.port) as six:
        yield four, six


@pytest.fixture
def outside() -> Iterator[Ledger]:
    """Run a receiver that stands for one on the public Internet."""
    with webhook_receiver.running() as ledger:
        yield ledger


@pytest.fixture(autouse=True)
def untouched(inside: tuple[Ledger, Ledger]) -> Iterator[None]:
    """Hold that nobody even knocked inside."""
    yield
    assert [ledger.connections for ledger in inside] == [0, 0]


async def post(target: WebhookTarget, names: Names, dialler: Dialler) -> HttpResult:
    return await WebhookClient(STRICT, names, dial=dialler, seconds=3).post(target, {}, b"{}")


def target(host: str, port: int) -> WebhookTarget:
    """Make what a request is made of by hand, as if nobody had judged the URL."""
    return WebhookTarget(scheme="http", host=host, port=port, path="/")


def test_there_are_31() -> None:
    """The promise names 31 tricks, all of them different, and the rig's own public address is one."""
    assert len(TRICKS) == len({host for host, _ in TRICKS.values()}) == 31
    address = read_address(PUBLIC)
    assert address is not None
    assert is_not_public(address) is None


@pytest.mark.parametrize("trick", TRICKS)
async def test_literal(trick: str, inside: tuple[Ledger, Ledger]) -> None:
    """The URL is refused when it is added; and were it not, the real look-up leads nowhere either."""
    host, _ = TRICKS[trick]
    with pytest.raises(Fault) as caught:
        parse_target(f"http://{host}:{inside[0].port}/", STRICT)
    assert caught.value.kind in (Kind.WEBHOOK_NOT_PUBLIC, Kind.WEBHOOK_URL_INVALID)
    assert caught.value.fix
    dialler = Dialler(0)
    async with system_names() as names:
        client = WebhookClient(STRICT, names, dial=dialler, seconds=3)
        replied = await client.post(target(host.strip("[]").replace("%25", "%"), inside[0].port), {}, b"{}")
    assert replied.status is None
    assert dialler.dialled == []


@pytest.mark.parametrize("trick", TRICKS)
async def test_dns(trick: str, inside: tuple[Ledger, Ledger], outside: Ledger) -> None:
    """A good name that resolves inside is refused, and so is one that resolves to both sides, in either order."""
    _, address = TRICKS[trick]
    hooks = parse_target(f"http://hooks.acme.dev:{inside[0].port}/", STRICT)
    for answer in ([address], [PUBLIC, address], [address, PUBLIC]):
        dialler = Dialler(outside.port)
        replied = await post(hooks, Names(answer), dialler)
        assert replied.status is None
        assert "not public" in replied.said
        assert address not in replied.said, "what a name means inside is not told outside"
        assert dialler.dialled == []


@pytest.mark.parametrize("trick", TRICKS)
async def test_redirect(trick: str, inside: tuple[Ledger, Ledger], outside: Ledger) -> None:
    """A public receiver that redirects inside is answered to by nobody."""
    host, _ = TRICKS[trick]
    outside.mood, outside.elsewhere = Mood.REDIRECTS, f"http://{host}:{inside[0].port}/"
    dialler = Dialler(outside.port)
    replied = await post(parse_target("http://hooks.acme.dev/", STRICT), Names([PUBLIC]), dialler)
    assert replied.status == 302
    assert dialler.dialled == [PUBLIC]


@pytest.mark.parametrize("trick", TRICKS)
async def test_rebinding(trick: str, inside: tuple[Ledger, Ledger], outside: Ledger) -> None:
    """A name that leads outside once and inside from then on: asked once, and dialled where it led that time."""
    _, address = TRICKS[trick]
    names, dialler = Names([PUBLIC], [address]), Dialler(outside.port)
    hooks = parse_target(f"http://hooks.acme.dev:{inside[0].port}/", STRICT)
    assert (await post(hooks, names, dialler)).status == 200
    assert (names.asked, dialler.dialled) == (1, [PUBLIC])
    assert (await post(hooks, names, dialler)).status is None
    assert dialler.dialled == [PUBLIC]


async def test_a_thousand_addresses_are_not_knocked_at() -> None:
    """A name with very many addresses makes us try four of them."""
    dialler = Dialler(free_port("127.0.0.1"))
    replied = await post(target("hooks.acme.dev", 80), Names([PUBLIC] * 1000), dialler)
    assert replied.status is None
    assert dialler.dialled == [PUBLIC] * MOST_DIALLED


async def test_names_that_hang_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """While as many names hang as the worker can wait for in the minute that they do, another name is found at once."""
    over, places = threading.Event(), 2 * WorkerSettings().deliveries

    def look_up(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (PUBLIC, 0))] if not host.startswith("hangs") or over.wait(30) else []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with system_names() as names:
        try:
            hanging = [asyncio.wait_for(names(f"hangs{number}.dev", 80), 0.2) for number in range(4 * places)]
            assert all(
                isinstance(each, TimeoutError) for each in await asyncio.gather(*hanging, return_exceptions=True)
            )
            assert await asyncio.wait_for(names("hooks.acme.dev", 80), 5) == [PUBLIC]
        finally:
            over.set()


async def test_the_listeners_can_be_reached(inside: tuple[Ledger, Ledger]) -> None:
    """With the operator's leave both listeners answer, so that the silence above means something."""
    allowed = EgressPolicy(http=True, private=True)
    for ledger, host in zip(inside, ("127.0.0.1", "[::1]"), strict=True):
        url = parse_target(f"http://{host}:{ledger.port}/", allowed)
        assert (await WebhookClient(allowed, Names([]), seconds=3).post(url, {}, b"{}")).status == 200
        ledger.connections = 0
