"""Four records published in each of their 24 orders: at every step the open page says nothing false of any of them."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from playwright.sync_api import Browser, Page

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.plan.plan import RecordId
from letterhead.operations.setup_links import make_link
from letterhead.web import WebSettings
from letterhead.web.app import create_app
from letterhead.wiring.assemble import Overrides
from tests.browser.conftest import MX, SPF, watched
from tests.operations.world import OPERATOR, World, WrittenDns, opened
from tests.web.conftest import served

pytestmark = pytest.mark.timeout(600)
T = TypeVar("T")
RECORDS = (RecordId.DKIM, RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF, RecordId.DMARC)
PURPOSES = {RecordId.DKIM: 0, RecordId.MAIL_FROM_MX: 1, RecordId.MAIL_FROM_SPF: 1, RecordId.DMARC: 2}
OWN = {"PROVIDER": "dns", "MAIL_FROM_MX": MX, "MAIL_FROM_SPF": SPF}
KEY_ZONE = {
    "DKIM_ZONE": "keys.acme.dev",
    "DKIM_ZONE_TSIG": "letterhead:hmac-sha256:c2l4dGVlbiBvY3RldHMgb3IgbW9yZQ==",
    "DKIM_ZONE_SERVER": "127.0.0.1:1",  # nobody is there: the keys stand in the written zone
}
# All that the page says: per record its state, its word and what else stands in its row; the steps; the rest.
SAID = """() => ({
  rows: [...document.querySelectorAll(".records > li > article")].map(row => [row.id.slice(7), row.dataset.state,
    row.querySelector(".pill").textContent.trim(), row.querySelectorAll(".line, .finding, dt strong").length]),
  steps: [...document.querySelectorAll(".steps li")].map(each => each.className.slice(3)),
  banner: document.querySelector("#outcome").className.slice(10),
  text: document.querySelector("#outcome").innerText,
  action: document.querySelector("#outcome a.button")?.getAttribute("href").slice(8) ?? null,
  others: document.querySelectorAll("#others .finding").length,
  asks: [...document.querySelectorAll("#way, #more, #deadline")].filter(each => each.checkVisibility()).map(e => e.id),
})"""


class Walk(NamedTuple):
    """A running service on written DNS; `do` runs a coroutine in its loop."""

    world: World
    dns: WrittenDns
    provider: SimulatedProvider | None
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@contextmanager
def walking(folder: Path, provider: SimulatedProvider | None, environment: dict[str, str]) -> Iterator[Walk]:
    """Run the service in a thread of its own, without a worker: the test checks by hand."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    room = _running(folder, loop, provider, environment)
    try:
        walk = asyncio.run_coroutine_threadsafe(room.__aenter__(), loop).result(60)
        try:
            yield walk
        finally:
            asyncio.run_coroutine_threadsafe(room.__aexit__(None, None, None), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@asynccontextmanager
async def _running(
    folder: Path, loop: asyncio.AbstractEventLoop, provider: SimulatedProvider | None, environment: dict[str, str]
) -> AsyncIterator[Walk]:
    dns = WrittenDns("acme.dev")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        stand = Overrides(resolver=dns, provider=provider)
        async with opened(folder, stand, PUBLIC_URL=url, **environment) as world:
            app = create_app(world.deps, WebSettings(public_url=url, rate=500, burst=1000))
            async with served(app, listener):
                yield Walk(world, dns, provider, loop)


def at_once() -> SimulatedProvider:
    """Return a provider that agrees as soon as it is asked, as Amazon SES does when it has seen the key."""
    return SimulatedProvider(lambda: datetime.now(UTC), settles_after=timedelta())


def later() -> SimulatedProvider:
    """Return a provider that has not come to see the records yet."""
    return SimulatedProvider(lambda: datetime.now(UTC), settles_after=timedelta(days=1))


@pytest.mark.parametrize("kind", ["dns", "agrees at once", "agrees later", "delegated"])
def test_every_row_is_true_in_every_order(browser: Browser, tmp_path: Path, kind: str) -> None:
    """Each published record is found and each other one is awaited, nothing is red, one next action, one count."""
    delegated = kind == "delegated"
    provider = {"agrees at once": at_once, "agrees later": later}.get(kind, lambda: None)()
    environment = ({} if provider else OWN) | (KEY_ZONE if delegated else {})
    page = browser.new_page()
    errors = watched(page)
    with walking(tmp_path, provider, environment) as walk:
        for number, order in enumerate(permutations(RECORDS)):
            _walk(walk, page, f"s{number}.acme.dev", order, delegated=delegated, sends=kind != "agrees later")
    assert errors == []


def _walk(walk: Walk, page: Page, sender: str, order: tuple[RecordId, ...], *, delegated: bool, sends: bool) -> None:
    walk.do(walk.world.add(sender, delegated=delegated))
    link = walk.do(make_link(walk.world.deps, walk.world.account.id, sender, 14, OPERATOR)).url
    plan = walk.do(walk.world.view(sender)).plan
    planned = {each.id: each for each in plan.records}
    is_asked = walk.provider is not None
    beforehand = set(planned) - set(RECORDS)  # the second of two delegated keys
    walk.dns.publish(*plan.served, *(planned[each] for each in beforehand))
    for step in range(len(order) + 1):
        there = {*order[:step], *beforehand}
        walk.dns.publish(*(planned[each] for each in there))
        for _ in range(2 if is_asked else 1):  # by the second check the provider has been asked
            walk.do(walk.world.look(sender, thorough=True))
        page.goto(link, wait_until="domcontentloaded")
        _assert_true(page.evaluate(SAID), list(planned), there, sends=sends)
    walk.dns.withdraw(*plan.served, *planned.values())


def _assert_true(said: dict[str, Any], planned: list[RecordId], there: set[RecordId], *, sends: bool) -> None:
    words = {True: ("found", "Found", 0), False: ("missing", "Not there yet", 0)}
    rows = [[each.value, *words[each in there]] for each in planned]
    assert said["rows"] == rows
    assert said["others"] == 0
    complete = len(there) == len(planned)
    can_send = sends and RecordId.DKIM in there
    step = "done" if complete and sends else "ready" if can_send else "provider" if complete else "waiting"
    assert said["banner"] == step
    missing = [each for each in planned if each not in there]
    required = [each for each in missing if each is not RecordId.DMARC]
    assert said["action"] == (next(iter([*required, *missing])).value if missing else None)
    if said["banner"] != "done":
        assert f"{len(there)} of {len(planned)} published" in said["text"]
        assert ("you can send now" in said["text"]) == can_send
        of_steps = [[each for each in planned if PURPOSES.get(each, 0) == step] for step in range(3)]
        assert said["steps"] == ["found" if set(each) <= there else "missing" for each in of_steps]
    assert said["asks"] == ([] if said["banner"] == "done" else ["more"] if complete else ["way", "more"])
