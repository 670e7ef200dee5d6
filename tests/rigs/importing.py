"""Import from a source into an installation that asks the lab's DNS, as its own process does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from letterhead.core.dns.records import split_text
from letterhead.wiring.assemble import Overrides
from tests.acceptance.test_signers import served
from tests.operations.world import Clock, World, noon, opened
from tests.rigs.command import Result, letterhead
from tests.rigs.dns_lab import DnsLab
from tests.rigs.import_sources import commands_of, run_as_printed
from tests.rigs.signing import Pair


def publish_key(lab: DnsLab, sender: str, selector: str, pair: Pair) -> None:
    """Publish a key's record, as the customer of another program has it."""
    text = " ".join(f'"{each}"' for each in split_text(pair.record))
    lab.publish(f"{selector}._domainkey.{sender}", "TXT", text)


@dataclass(frozen=True, slots=True)
class Importing:
    """An installation that is served, and the settings of a command on the same machine."""

    world: World
    settings: Mapping[str, str]
    folder: Path

    async def call(self, *arguments: str) -> Result:
        """Run a command."""
        return await asyncio.to_thread(letterhead, *arguments, folder=self.folder, **self.settings)

    async def run_page(self, page: str, places: Mapping[str, str], programs: Mapping[str, str]) -> list[Result]:
        """Run the commands of a page as printed, with other places and programs."""
        results = []
        for printed in commands_of(page):
            command = printed
            for theirs, ours in places.items():
                command = command.replace(theirs, ours)
            results.append(await asyncio.to_thread(run_as_printed, command, self.folder, programs, **self.settings))
        return results


@asynccontextmanager
async def importing(lab: DnsLab, data: Path, folder: Path) -> AsyncIterator[Importing]:
    """Run an installation."""
    resolver = f"127.0.0.1:{lab.resolver_port}"
    dns = {"DNS_RESOLVERS": resolver, "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port)}
    async with opened(data, Overrides(now=Clock(noon())), **dns) as world, served(world) as url:
        asked = {"URL": url, "API_KEY": world.key, "DNS_RESOLVERS": resolver, "ALLOW_SPECIAL_USE": "true"}
        yield Importing(world, asked, folder)
