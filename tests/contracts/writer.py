"""Add domains for as long as it lives, and print each name once it was acknowledged: to be killed."""

import asyncio
import sys
from itertools import count

import structlog

from letterhead.adapters.storage import open_store
from letterhead.core.accounts.quotas import Limits
from letterhead.ports.store.domains import ClaimResult
from tests.contracts.samples import Shop, domain, pooled_keys


async def write(url: str, run: str) -> None:
    """Add one domain after the other to an account of its own."""
    async with open_store(url) as store:
        shop = Shop(store)
        made = await shop.account(id=f"account-{run}")
        for number in count():
            name = f"d{number}.run{run}.example"
            wanted = domain(made.id, name, id=name)
            assert await store.claim(shop.claim(wanted, own=pooled_keys(1)[0]), Limits()) is ClaimResult.ADDED
            print(name, flush=True)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(write(sys.argv[1], sys.argv[2]))
