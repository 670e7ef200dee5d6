"""The commands that back the database up, bring a backup back, and copy the database to another one."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from letterhead.cli.client import Api, operator_token, path_of
from letterhead.cli.exit_codes import ApiRefused, Exit
from letterhead.cli.process import load_settings
from letterhead.cli.serve import refuse_surprising_database
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from letterhead.config import Settings
    from letterhead.operations.backups import CheckedRows

EVERY_SECONDS = 0.1  # between two lines of progress
SHOWN = 10  # damaged secrets that are named


def backup(target: Path, /) -> Exit:
    """Back the database up into one file while the service works, and check it by opening every key in it.

    The file has every row as it was at one moment, and the same form for SQLite and Postgres. The key-encryption keys
    are NOT in it: keep LETTERHEAD_KEYS, or the file `keys` in the data folder, at another place.

    Parameters
    ----------
    target
        The new file, readable for you alone; or a folder, in which the file is named by the time.
    """
    from letterhead.wiring.backups import name_backup

    now = datetime.now(UTC)
    is_folder = os.path.isdir(target)  # noqa: PTH112 False, too, in a folder that this user may not enter
    path = target / name_backup(now) if is_folder else target
    return asyncio.run(_back_up(load_settings(quiet=True), path, now))


async def _back_up(settings: "Settings", path: Path, now: datetime) -> Exit:
    from letterhead.operations.backups import check_backup, write_backup
    from letterhead.wiring import backups

    progress = ProgressLine()
    async with backups.open_tables(settings) as (reader, keyring):
        with backups.write_backup_file(path, reader.revision, now) as writer:
            await write_backup(reader, writer, keyring, progress.of("Backing up"))
    with backups.read_backup_file(path) as written:
        checked = await check_backup(written, keyring, progress.of("Checking"))
    progress.end()
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    _print_backup(path, written.revision, checked, digest)
    await _record(settings, digest, sum(checked.counts.values()))
    return print_damage(checked)


async def _record(settings: "Settings", digest: str, rows: int) -> None:
    """Write a backup into the audit, by the running service where it alone may write; say so where that fails."""
    from letterhead.operations import audit
    from letterhead.wiring import backups

    try:
        try:
            async with backups.open_audit(settings) as deps:
                await audit.record_backup(deps, audit.Actor(name="operator"), digest, rows)
        except Fault as fault:
            if fault.kind is not Kind.DATABASE_IN_USE:
                raise
            with Api(operator_token()) as api:
                api.call("POST", path_of("audit", "backups"), {"rows": rows, "sha256": digest})
    except (Fault, ApiRefused) as refused:
        why = refused.message if isinstance(refused, ApiRefused) else refused.detail
        print(f"The backup is good; the audit has no row of it: {why}", file=sys.stderr)


def _print_backup(path: Path, revision: str, checked: "CheckedRows", digest: str) -> None:
    print_counts(checked.counts)
    size = path.stat().st_size / 1_000_000
    print(f"{path} has {sum(checked.counts.values())} rows of schema {revision}, {size:.1f} MB.")
    print(f"sha256 {digest}")
    print(f"It does NOT contain the key-encryption keys, without which it is worthless: {', '.join(checked.keys)}.")
    print("Keep LETTERHEAD_KEYS, or the file `keys` in the data folder, at another place with other readers.")


def restore(file: Path, /) -> Exit:
    """Bring a backup back into the database of the settings, which must be empty: all of it, or nothing.

    The backup is read and every key in it opened before anything is written. Sessions end, and reminders that are due
    are not sent; webhook deliveries that were pending are sent, with the ids that they had.

    Parameters
    ----------
    file
        What `letterhead backup` wrote, on SQLite or Postgres, by this version or an older one.
    """
    settings = load_settings(quiet=True)
    refuse_surprising_database(settings)
    return asyncio.run(_restore(settings, file))


async def _restore(settings: "Settings", file: Path) -> Exit:
    from letterhead.operations.backups import check_backup, check_seal, copy_rows, finish_copy
    from letterhead.wiring import backups
    from letterhead.wiring.assemble import database_url

    progress = ProgressLine()
    keyring = await backups.open_backup_keys(settings, file)
    with backups.read_backup_file(file) as reader:
        await check_backup(reader, keyring, progress.of("Checking"))
    async with backups.write_tables(database_url(settings)) as writer:
        with backups.read_backup_file(file) as reader:
            checked = await copy_rows(reader, writer, keyring, progress.of("Restoring"))
            check_seal(reader, keyring)  # this reading may be of another file than the first
        await finish_copy(reader, writer, keyring, checked, datetime.now(UTC), moved=False)
    progress.end()
    print_counts(checked.counts)
    made_at = f"{reader.head.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    print(f"The database is as it was at {made_at}: {sum(checked.counts.values())} rows, as many as were read.")
    print(f"What happened after {made_at} is not in it. Look through what was then deleted, revoked or rotated:")
    print("it is there again (API keys, set-up links, webhook secrets, domains, DKIM keys).")
    print("Everybody must sign in again. Reminders that were due are not sent; pending webhooks are, with their ids.")
    print(
        "Next: start the service, then run `letterhead doctor`, and `letterhead reconcile` where SES is the provider."
    )
    return print_damage(checked)


def copy_database(*, to: Annotated[str, Parameter(name="--to")]) -> Exit:
    """Copy the database of the settings to another, empty one: from SQLite to Postgres, or between servers.

    Stop the service first: a database that a process uses is refused. All is copied or nothing, every key is opened on
    the way, and the rows of both sides are counted.

    Parameters
    ----------
    to
        The URL of the empty database, as LETTERHEAD_DATABASE_URL would have it. Leave a password out: PGPASSWORD or
        ~/.pgpass may have it, which other users of this machine do not see.
    """
    return asyncio.run(_copy(load_settings(quiet=True), to))


async def _copy(settings: "Settings", to: str) -> Exit:
    from letterhead.operations.backups import copy_rows, finish_copy
    from letterhead.wiring import backups

    progress = ProgressLine()
    async with (
        backups.open_tables(settings, alone=True) as (reader, keyring),
        backups.write_tables(to) as writer,
    ):
        checked = await copy_rows(reader, writer, keyring, progress.of("Copying"))
        await finish_copy(reader, writer, keyring, checked, datetime.now(UTC), moved=True)
    progress.end()
    print_counts(checked.counts)
    print(f"Copied {sum(checked.counts.values())} rows: both databases have as many in every table.")
    print("Next, before you start the service again: set LETTERHEAD_DATABASE_URL to the new database.")
    if settings.keys is None:
        keys = settings.data_dir / "keys"
        print(
            f"Postgres needs LETTERHEAD_KEYS as well: set it to what {keys} holds. Keep the old file until all works."
        )
    else:
        print("LETTERHEAD_KEYS stays as it is. Keep the old database until all works, and start nothing on it.")
    return print_damage(checked)


def print_counts(counts: Mapping[str, int]) -> None:
    """Print how many rows each table has, unless there are none."""
    for name, number in counts.items():
        if number:
            print(f"{number:>10}  {name}")


def print_damage(checked: "CheckedRows") -> Exit:
    """Print whether every secret opened; what did not was damaged in the old database already."""
    if not checked.damaged:
        print(f"All {checked.opened} sealed secrets open, and each private key fits its public key.")
        return Exit.OK
    print(f"{len(checked.damaged)} sealed secrets do not open, {checked.opened} do:", file=sys.stderr)
    for each in checked.damaged[:SHOWN]:
        print(f"  {each}", file=sys.stderr)
    print("They are damaged in the database that was read. Rotate the keys of these domains.", file=sys.stderr)
    return Exit.NOT_GOOD


class ProgressLine:
    """One line on the terminal about what is being done; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._shows, self._last = sys.stderr.isatty(), 0.0

    def of(self, doing: str) -> Callable[[str, int], None]:
        """Return what is told the name of a table, and how many of its rows are done."""

        def show(table: str, rows: int) -> None:
            now = time.monotonic()
            if self._shows and now - self._last >= EVERY_SECONDS:
                self._last = now
                print(f"\r\x1b[K{doing}: {table} {rows}", end="", file=sys.stderr, flush=True)

        return show

    def end(self) -> None:
        """Clear the line."""
        if self._shows:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
