"""The command `letterhead demo`: domains in every state, on made-up zones, in the real service without a network.

- `story`: the domains, their zones and their past.
- `stage`: the clock and the zones, and how the past is replayed.
"""

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
SETTLES_AFTER = timedelta(seconds=1)  # the simulated provider's delay
POLL_SECONDS = 0.5


def demo() -> Exit:
    """Show domains in every state, one of which turns SUCCESS while you watch. Needs no network; keeps nothing."""
    from letterhead import config
    from letterhead.cli.process import run_in_loop

    with tempfile.TemporaryDirectory(prefix="letterhead-demo-") as folder:
        # Nothing else comes from the environment: no real installation is touched.
        kept = ("BIND", "PUBLIC_URL", "LOG_FORMAT", "OPERATOR_TOKEN")
        environ = {config.PREFIX + name: os.environ.get(config.PREFIX + name, "") for name in kept}
        environ |= {
            "LETTERHEAD_DATA_DIR": folder,
            "LETTERHEAD_PROVIDER": "simulated",
            "LETTERHEAD_ALLOW_SPECIAL_USE": "true",
        }
        run_in_loop(_run_demo(config.read(environ, Path(folder))))
    return Exit.OK


async def _run_demo(settings: "Settings") -> None:
    from letterhead.cli.demo.stage import DemoClock, Zones, replay_past
    from letterhead.cli.demo.story import DOMAINS
    from letterhead.cli.logs import write_logs
    from letterhead.cli.process import address, open_listeners
    from letterhead.cli.serve import curl, open_first, serve_with
    from letterhead.wiring import assemble

    write_logs(settings.log_format, quiet=True)
    clock, zones = DemoClock(), Zones()
    behaviours = {story.sender: assemble.SimulatedBehaviour(story.behaviour) for story in DOMAINS}
    provider = assemble.SimulatedProvider(clock, behaviours=behaviours, settles_after=SETTLES_AFTER)
    with contextlib.ExitStack() as stack:
        (listener,) = open_listeners(settings, None, stack)
        async with assemble.open_deps(
            settings, assemble.Overrides(resolver=zones, provider=provider, now=clock)
        ) as deps:
            account_id, key = await open_first(deps)
            await replay_past(deps, clock, zones, account_id)
            where = address(settings.bind)
            print(f"The demo runs on {where}; it keeps nothing. Ctrl-C ends it.\n\nTry:\n  {curl(key, where)}")
            print(f"  LETTERHEAD_URL={where} LETTERHEAD_API_KEY={key} letterhead domains list")
            print(f"or open {where} in a browser, and sign in with the key.\n", flush=True)
            printer = EventPrinter(deps, zones, account_id)
            await serve_with(deps, settings, [listener], background_tasks=(printer.run,))


@dataclass(slots=True)
class EventPrinter:
    """A background task that prints each domain's story and each event, and publishes the records that appear."""

    deps: "Deps"
    zones: "Zones"
    account_id: str
    last: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Print until `stop` is set."""
        from letterhead.cli.demo.story import APPEARS, DOMAINS
        from letterhead.core.domain.domain import status
        from letterhead.operations.domains import find_domain, list_domains, plan_of
        from letterhead.ports.store.domains import DomainQuery

        texts = {story.sender: story.text for story in DOMAINS}
        for domain in await list_domains(self.deps, self.account_id, DomainQuery()):
            print(f"  {status(domain):<18} {domain.sender:<20} {texts[domain.sender]}")
        print(f"\nIn {APPEARS_AFTER:g} s the records of {APPEARS} appear in its zone. Watching.", flush=True)
        await self._print_events(quiet=True)
        began = asyncio.get_running_loop().time()
        published = False
        while not stop.is_set():
            if not published and asyncio.get_running_loop().time() - began >= APPEARS_AFTER:
                domain = await find_domain(self.deps, self.account_id, APPEARS)
                self.zones.publish("good", plan_of(self.deps, domain))
                print(f"{self.deps.now():%H:%M:%S}  {APPEARS}: its records are in the zone now", flush=True)
                published = True
            await self._print_events()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)

    async def _print_events(self, *, quiet: bool = False) -> None:
        from letterhead.operations.events import account_events

        while events := await account_events(self.deps, self.account_id, None, self.last, 100):
            self.last = events[-1].id
            for each in events if not quiet else ():
                event = each.event
                print(f"{event.at:%H:%M:%S}  {each.sender}: {event.kind.value} ({event.detail})", flush=True)
