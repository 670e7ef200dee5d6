"""Backups: write every row into a file, open every secret of it, and bring it back into an empty database.

The same way leads from one database to another. Nothing is called good before every sealed secret of it has opened.
"""

from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Final

import msgspec

from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.operations.sealed_rows import SecretCheck, holds_secrets
from letterhead.ports.backup import BackupReader, BackupWriter
from letterhead.ports.keyring import Keyring
from letterhead.ports.store.secrets import InstallationSecrets
from letterhead.ports.store.tables import ShowRows, TableReader, TableWriter

PURPOSE: Final = "backup"  # what a backup's digest is sealed for


class CheckedRows(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied or read: rows by table, how many secrets opened, which did not, and which keys sealed them."""

    counts: Mapping[str, int]
    opened: int
    damaged: tuple[str, ...]
    keys: tuple[str, ...]


class Vault(InstallationSecrets):
    """The installation's secrets in rows that were read; nothing that is stored here outlives the process."""

    def __init__(self, secrets: dict[str, bytes]) -> None:
        self._secrets = secrets

    async def installation_secret(self, name: str, blob: bytes | None = None) -> bytes | None:
        """Return a secret by its name; given a blob, keep it first if there is none yet."""
        return self._secrets.get(name) if blob is None else self._secrets.setdefault(name, blob)


async def read_vault(reader: TableReader) -> Vault:
    """Read the installation's secrets, which are in the first table.

    Raise Fault `schema-outdated` where there are none: the service has never started on this database.
    """
    table, secrets = reader.tables[0], dict[str, bytes]()
    async with aclosing(reader.rows(table)) as batches:
        async for rows in batches:
            records = table.records(rows)
            secrets |= {str(each["name"]): each["blob"] for each in records if isinstance(each["blob"], bytes)}
    if "sentinel" not in secrets:
        raise Fault(
            Kind.SCHEMA_OUTDATED,
            "The service has never been started on this database: it holds no secrets yet.",
            "Name the database of the service (give this command its settings), or start the service once.",
        )
    return Vault(secrets)


async def write_backup(reader: TableReader, writer: BackupWriter, keyring: Keyring, show: ShowRows) -> None:
    """Write every row into a file, and end it with its sealed digest."""
    counts: dict[str, int] = {}
    for table in reader.tables:
        counts[table.name] = 0
        async with aclosing(reader.rows(table)) as batches:
            async for rows in batches:
                writer.write(table, rows)
                counts[table.name] += len(rows)
                show(table.name, counts[table.name])
    writer.finish(counts, keyring.seal(Secret(writer.digest()), PURPOSE))


async def check_backup(reader: BackupReader, keyring: Keyring, show: ShowRows) -> CheckedRows:
    """Read a whole backup and open every secret in it.

    Faults: `archive-invalid` where it is not as it was written, `keyring-wrong` where a key-encryption key is missing.
    """
    checked = await copy_rows(reader, None, keyring, show)
    check_seal(reader, keyring)
    return checked


def check_seal(reader: BackupReader, keyring: Keyring) -> None:
    """Read the end of a backup whose rows were read; raise Fault `archive-invalid` where its seal is not ours."""
    seal = reader.end()
    try:
        is_ours = reveal(keyring.unseal(seal, PURPOSE)) == reader.digest()
    except Fault:
        is_ours = False
    if not is_ours:
        raise Fault(
            Kind.ARCHIVE_INVALID,
            "The seal of the backup does not open for what is in it: it was changed by somebody without the keys. "
            "Nothing was written.",
            "Bring the file again from where it is kept, or use another backup.",
        )


async def copy_rows(reader: TableReader, writer: TableWriter | None, keyring: Keyring, show: ShowRows) -> CheckedRows:
    """Copy every row, and open every secret on the way; without a writer the rows are only read.

    Raise Fault `keyring-wrong`, which names every key-encryption key that is missing.
    """
    check, counts = SecretCheck(keyring), dict[str, int]()
    if writer is not None:
        await writer.make_schema(reader.revision)
    for table in reader.tables:
        counts[table.name] = 0
        async with aclosing(reader.rows(table)) as batches:
            async for rows in batches:
                check.look_at(table, rows)
                if writer is not None:
                    await writer.write(table, rows)
                counts[table.name] += len(rows)
                show(table.name, counts[table.name])
    if check.missing:
        missing, have = (", ".join(map(repr, sorted(each))) for each in (check.missing, keyring.key_ids))
        raise Fault(
            Kind.KEYRING_WRONG,
            f"Secrets are sealed with key-encryption keys that are missing: {missing}. LETTERHEAD_KEYS holds {have}. "
            "Nothing was written.",
            f"Put {missing} after the first key into LETTERHEAD_KEYS (or the file `keys` in the data folder).",
        )
    damaged, keys = tuple(check.damaged), tuple(sorted(check.used))
    return CheckedRows(counts=counts, opened=check.opened, damaged=damaged, keys=keys)


async def check_written(reader: TableReader, writer: TableWriter, keyring: Keyring, checked: CheckedRows) -> None:
    """Read the new database, and open every secret in it as it is there; Fault `internal` where one differs."""
    check = SecretCheck(keyring)
    for table in reader.tables:
        if holds_secrets(table):
            async with aclosing(writer.rows(table)) as batches:
                async for rows in batches:
                    check.look_at(table, rows)
    if (check.opened, sorted(check.damaged)) != (checked.opened, sorted(checked.damaged)):
        worse = sorted(set(check.damaged) - set(checked.damaged))
        raise Fault(
            Kind.INTERNAL,
            f"The new database has other secrets than were read: {checked.opened} opened when they were read, "
            f"{check.opened} after they were written{f' ({worse[0]})' if worse else ''}. Nothing was written.",
            "Look for triggers and faults in the new database, or name another one; what was read is as it was.",
        )


async def finish_copy(
    reader: TableReader, writer: TableWriter, keyring: Keyring, checked: CheckedRows, now: datetime, *, moved: bool
) -> None:
    """Bring the new database up to date once its secrets have opened, and compare its rows with those that were read.

    Fault `internal`, as of `check_written`.
    """
    await check_written(reader, writer, keyring, checked)
    found = await writer.finish(moved=moved, now=int(now.timestamp() * 1000))
    if dict(found) != dict(checked.counts):
        differ = [name for name in checked.counts if found.get(name) != checked.counts[name]]
        raise Fault(
            Kind.INTERNAL,
            f"The new database has not as many rows as were read, in {', '.join(differ)}. Nothing was written.",
            "Report it with the names of these tables; the old database is as it was.",
        )
