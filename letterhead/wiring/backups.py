"""Databases and files that backups are read from and written to, with the keys that open what is in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from letterhead.adapters.backup_file import name_backup, read_backup_file, write_backup_file, write_private_file
from letterhead.adapters.keyring import EnvelopeKeyring, sealed_by
from letterhead.adapters.recipient import HpkeRecipient, HpkeSealer
from letterhead.adapters.storage import open_store, read_tables, write_tables
from letterhead.config import Settings
from letterhead.errors import Fault, Kind
from letterhead.operations.backups import read_vault
from letterhead.ports.deps import Clock
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.tables import TableReader
from letterhead.wiring.assemble import database_url
from letterhead.wiring.keyring import SENTINEL, open_keyring, pepper

__all__ = [
    "HpkeSealer",
    "name_backup",
    "open_audit",
    "open_backup_keys",
    "open_recipient",
    "open_tables",
    "read_backup_file",
    "write_backup_file",
    "write_private_file",
    "write_tables",
]


@asynccontextmanager
async def open_tables(settings: Settings, *, alone: bool = False) -> AsyncIterator[tuple[TableReader, EnvelopeKeyring]]:
    """Open the tables of the settings' database, as they are now, with the keys."""
    async with read_tables(database_url(settings), alone=alone) as reader:
        yield reader, await open_keyring(settings, await read_vault(reader))


async def open_backup_keys(settings: Settings, path: Path) -> EnvelopeKeyring:
    """Open the keys of the settings against what a backup holds.

    Faults: `archive-invalid`, and `keyring-wrong` where they are not those that the backup needs.
    """
    with read_backup_file(path) as reader:
        vault = await read_vault(reader)
    try:
        return await open_keyring(settings, vault)
    except Fault as fault:
        if fault.kind is not Kind.KEYRING_WRONG:
            raise
        sentinel = await vault.installation_secret(SENTINEL)
        needed = "" if sentinel is None else f" with key-encryption key {sealed_by(sentinel)!r}"
        detail = f"The backup {path} is sealed{needed}. {fault.detail} Nothing was written."
        raise Fault(fault.kind, detail, fault.fix) from fault


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditDeps:
    """The audit alone, for a command that is done without the service."""

    store: AccountStore
    now: Clock


@asynccontextmanager
async def open_audit(settings: Settings) -> AsyncIterator[AuditDeps]:
    """Open the audit of the settings' database; Fault `database-in-use` where a process has the embedded one open."""
    async with open_store(database_url(settings), connections=1) as store:
        yield AuditDeps(store=store, now=lambda: datetime.now(UTC))


async def open_recipient(settings: Settings) -> HpkeRecipient:
    """Return the recipient key of this installation, which follows from its pepper; the service may run meanwhile."""
    async with read_tables(database_url(settings)) as reader:
        vault = await read_vault(reader)
    return HpkeRecipient(await pepper(await open_keyring(settings, vault), vault))
