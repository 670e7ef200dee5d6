"""Knows the demo: domains in every state on made-up zones, served by the real service, without any network."""

import asyncio
import contextlib
import os
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from letterhead.cli.exit_codes import Exit

if TYPE_CHECKING:
    from letterhead.cli.demo.stage import Zones
    from letterhead.config import Settings
    from letterhead.ports.deps import Deps

APPEARS_AFTER = 20.0  # seconds
SETTLES_AFTER = timedelta(seconds=1)  # so long the simulated provider takes
BEAT = 0.5


def demo() -> Exit:
    """Show domains in every state, one of which turns SUCCESS while you watch. Needs no network; keeps nothing."""
    from letterhead.cli.process import run_in_loop

    with tempfile.TemporaryDirectory(prefix="letterhead-demo-") as folder:
        run_in_loop(_demo(_settings(Path(folder))))
    return Exit.OK


def _settings(folder: Path) -> "Settings":
    """Takes the address and the log's form from the environment, and nothing else: no real installation is touched."""
    from letterhead import config

    kept = ("BIND", "PUBLIC_URL", "LOG_FORMAT", "OPERATOR_TOKEN")
    environ = {config.PREFIX + name: os.environ.get(config.PREFIX + name, "") for name in kept}
    environ |= {
        "LETTERHEAD_DATA_DIR": str(folder),
        "LETTERHEAD_PROVIDER": "simulated",
        "LETTERHEAD_ALLOW_SPECIAL_USE": "true",
    }
    return config.read(environ, folder)


async def _demo(settings: "Settings") -> None:
    from letterhead.cli.demo.stage import DemoClock, Zones, live
    from letterhead.cli.demo.story import PARTS
    from letterhead.cli.logs import write_logs
    from letterhead.cli.process import address, listen
    from letterhead.cli.serve import curl, open_first, serve_with
    from letterhead.wiring import assemble

    write_logs(settings.log_format, quiet=True)
    clock, zones = DemoClock(), Zones()
    moods = {part.sender: assemble.SimulatedBehaviour(part.mood) for part in PARTS}
    provider = assemble.SimulatedProvider(clock, behaviours=moods, settles_after=SETTLES_AFTER)
    with listen(settings.bind) as listener:
        async with assemble.open_deps(
            settings, assemble.Overrides(resolver=zones, provider=provider, now=clock)
        ) as deps:
            account_id, key = await open_first(deps)
            await live(deps, clock, zones, account_id)
            where = address(settings.bind)
            print(f"The demo runs on {where}; it keeps nothing. Ctrl-C ends it.\n\nTry:\n  {curl(key, where)}")
            print(f"  LETTERHEAD_URL={where} LETTERHEAD_API_KEY={key} letterhead domains list")
            print(f"or open {where} in a browser, and sign in with the key.\n", flush=True)
            narrator = Narrator(deps, zones, account_id)
            await serve_with(deps, settings, [listener], background_tasks=(narrator.tell,))


@dataclass(slots=True)
class Narrator:
    """Tells what happens: each domain's story, the record that appears, and each event as it comes."""

    deps: "Deps"
    zones: "Zones"
    account_id: str
    last: str | None = None

    async def tell(self, stop: asyncio.Event) -> None:
        """Tells until it is over."""
        from letterhead.cli.demo.story import APPEARS, PARTS
        from letterhead.core.domain.domain import status
        from letterhead.operations.domains import list_domains
        from letterhead.ports.store.domains import DomainQuery

        tales = {part.sender: part.tale for part in PARTS}
        for domain in await list_domains(self.deps, self.account_id, DomainQuery()):
            print(f"  {status(domain):<18} {domain.sender:<20} {tales[domain.sender]}")
        print(f"\nIn {APPEARS_AFTER:g} s the records of {APPEARS} appear in its zone. Watching.", flush=True)
        await self._news(silently=True)
        began = asyncio.get_running_loop().time()
        published = False
        while not stop.is_set():
            if not published and asyncio.get_running_loop().time() - began >= APPEARS_AFTER:
                await self._publish()
                published = True
            await self._news()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BEAT)

    async def _publish(self) -> None:
        from letterhead.cli.demo.story import APPEARS
        from letterhead.operations.domains import find_domain, plan_of

        domain = await find_domain(self.deps, self.account_id, APPEARS)
        self.zones.publish("good", plan_of(self.deps, domain))
        print(f"{self.deps.now():%H:%M:%S}  {APPEARS}: its records are in the zone now", flush=True)

    async def _news(self, *, silently: bool = False) -> None:
        from letterhead.operations.events import account_events

        while events := await account_events(self.deps, self.account_id, None, self.last, 100):
            self.last = events[-1].id
            for each in events if not silently else ():
                told = each.event
                print(f"{told.at:%H:%M:%S}  {each.sender}: {told.kind.value} ({told.detail})", flush=True)
