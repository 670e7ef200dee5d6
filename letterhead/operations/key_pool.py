"""Knows how keys are made ahead, so that no request waits for one."""

import asyncio

from letterhead.operations.ids import new_id
from letterhead.ports.deps import Deps
from letterhead.ports.keyring import KeyPair, PooledKey

BATCH = 4


async def fill(deps: Deps, wanted: int) -> bool:
    """Adds a few keys to the pool where it holds fewer than `wanted`; true where it is full."""
    level = (await deps.store.backlog(deps.now())).pooled_keys
    missing = min(wanted - level, BATCH)
    if missing <= 0:
        return True
    pairs = [await asyncio.to_thread(deps.keyring.make_pair) for _ in range(missing)]
    await deps.store.pool_keys([new_pooled_key(deps, pair) for pair in pairs])
    return False


def new_pooled_key(deps: Deps, pair: KeyPair) -> PooledKey:
    """Seals a new key for the pool."""
    key_id = new_id(deps, "key")
    sealed = deps.keyring.seal(pair.private_key, f"pool|{key_id}")
    return PooledKey(id=key_id, public_key=pair.public_key, sealed=sealed)
