"""DKIM keys that are made ahead, so that no request waits for one."""

import asyncio
from typing import Protocol

from letterhead.operations.ids import IdNeeds, new_id
from letterhead.ports.keyring import KeyPair, Keyring, PooledKey
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.monitoring import MonitoringStore

BATCH = 4


class PooledKeyNeeds(IdNeeds, Protocol):
    """What sealing a key for the pool needs."""

    @property
    def keyring(self) -> Keyring: ...


class StoreForKeyPool(DomainStore, MonitoringStore, Protocol):
    """The pool, and how many keys are in it."""


class KeyPoolNeeds(PooledKeyNeeds, Protocol):
    """What filling the pool needs."""

    @property
    def store(self) -> StoreForKeyPool: ...


async def fill(deps: KeyPoolNeeds, wanted: int) -> bool:
    """Add a few keys to the pool where it has fewer than `wanted`; true where it is full."""
    level = (await deps.store.backlog(deps.now())).pooled_keys
    missing = min(wanted - level, BATCH)
    if missing <= 0:
        return True
    pairs = [await asyncio.to_thread(deps.keyring.make_pair) for _ in range(missing)]
    await deps.store.pool_keys([new_pooled_key(deps, pair) for pair in pairs])
    return False


def new_pooled_key(deps: PooledKeyNeeds, pair: KeyPair) -> PooledKey:
    """Seal a new key for the pool."""
    key_id = new_id(deps, "key")
    sealed = deps.keyring.seal(pair.private_key, f"pool|{key_id}")
    return PooledKey(id=key_id, public_key=pair.public_key, sealed=sealed)
