"""The commands that carry an account from one installation to another, on the servers of both."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from letterhead.cli.exit_codes import Exit
from letterhead.cli.process import load_settings
from letterhead.cli.tables import columns, console, terminal_width
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from letterhead.config import Settings

LONGEST = 16_000_000  # octets of a line; a domain has some hundred thousand at most


def recipient() -> Exit:
    """Print the recipient key of this installation, to which `letterhead export account` seals private keys.

    It is a public key, and stays the same. Hand it to whoever exports on a way that nobody can change.
    """
    from letterhead.wiring.backups import open_recipient

    print(asyncio.run(open_recipient(load_settings(quiet=True))).public_text)
    return Exit.OK


def export_account(account_id: str, file: Path, /, *, recipient: str) -> Exit:
    """Write an account into a file, for `letterhead import account` on another installation, as the operator.

    Run it on the server, with its settings. With the embedded database stop the service first. The account stays as it
    is: close it once the other installation signs.

    Parameters
    ----------
    account_id
        The account's id, as `letterhead accounts list` shows it.
    file
        The new file, readable for you alone.
    recipient
        What `letterhead import recipient` prints on the other installation: private keys and webhook secrets are sealed
        to it.
    """
    return asyncio.run(_export(load_settings(quiet=True), account_id, file, recipient))


async def _export(settings: "Settings", account_id: str, file: Path, recipient: str) -> Exit:
    from letterhead.operations import account_archive
    from letterhead.operations.audit import Actor
    from letterhead.wiring import assemble, backups

    sealer = backups.HpkeSealer(recipient)
    async with assemble.open_deps(settings) as deps:
        lines = account_archive.export_account(deps, account_id, recipient, sealer, Actor(name="operator"))
        with backups.write_private_file(file) as out:
            async for line in lines:
                out.write(line)
    archive = account_archive.read_archive(read_lines(file))
    print(f"Wrote {account_id} into {file}: {len(archive.domains)} domains, {len(archive.webhooks)} webhooks, ", end="")
    print(f"{len(archive.events)} events.")
    print(f"sha256 of its lines {archive.sha256}")
    print("Not in it: API keys, kept credentials of DNS hosts, links, sessions, deliveries, the audit.")
    return Exit.OK


def import_account(file: Path, /, *, plan: Annotated[bool, Parameter(negative="")] = False) -> Exit:
    """Import an account that `letterhead export account` wrote on another installation, as the operator.

    Run it on the server, with its settings. With the embedded database stop the service first. A domain arrives as it
    is, and signs at once, where it was verified, nobody holds it here, and DNS serves its key; any other arrives as a
    claim that DNS must prove. All is written at once, or nothing. A new API key is printed.

    Parameters
    ----------
    file
        The file. Import only what an operator gave you whom you trust.
    plan
        Show how each domain would arrive, and do nothing.
    """
    return asyncio.run(_import(load_settings(quiet=True), file, plan_only=plan))


async def _import(settings: "Settings", file: Path, *, plan_only: bool) -> Exit:
    from letterhead.operations import account_archive
    from letterhead.operations.audit import Actor
    from letterhead.wiring import assemble, backups

    archive = account_archive.read_archive(read_lines(file))
    key = await backups.open_recipient(settings)
    async with assemble.open_deps(settings) as deps:
        plan = await account_archive.plan_import(deps, archive, key)
        rows = [(each.sender, each.arrives, each.why) for each in plan]
        print(f"The account {archive.head.account.id} ({archive.head.account.name!r}), ", end="")
        print(f"{len(plan)} domains, exported {archive.head.made_at:%Y-%m-%d %H:%M} UTC, sha256 {archive.sha256}")
        console().print(columns(("DOMAIN", "ARRIVES", "WHY"), rows, width=terminal_width()))
        good = Exit.OK if all(each.arrives == "as it is" for each in plan) else Exit.NOT_GOOD
        if plan_only:
            print("Nothing was written.")
            return good
        made = await account_archive.import_account(deps, archive, plan, key, Actor(name="operator"))
    print(made.text)
    console(stderr=True).print(f"Imported {archive.head.account.id}. Its new API key, above, is shown this once.")
    return good


def read_lines(file: Path) -> Iterator[bytes]:
    """Read the lines of a file, one after the other, each up to LONGEST; raise Fault `config-invalid`."""
    try:
        with file.open("rb") as lines:
            while line := lines.readline(LONGEST):
                yield line
    except OSError as error:
        fix = "Name a file that letterhead export account wrote, and that this user may read."
        raise Fault(Kind.CONFIG_INVALID, f"{file} can't be read: {error.strerror}.", fix) from error
