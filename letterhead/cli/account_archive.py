"""The commands that carry an account from one installation to another, on the servers of both."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from letterhead.cli.client import Api, operator_token, path_of
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

    Run it on the server, with its settings; the service may run. With the embedded database the running service is
    asked, and with LETTERHEAD_URL the service there: that needs LETTERHEAD_OPERATOR_TOKEN. The account stays as it is:
    close it once the other installation signs.

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
    from letterhead.operations import account_archive

    if os.environ.get("LETTERHEAD_URL"):
        _ask_for_archive(operator_token(), account_id, file, recipient)
    else:
        try:
            asyncio.run(_export(load_settings(quiet=True), account_id, file, recipient))
        except Fault as fault:
            if fault.kind is not Kind.DATABASE_IN_USE:
                raise
            try:
                token = operator_token()
            except Fault:
                raise fault from None
            _ask_for_archive(token, account_id, file, recipient)
    archive = account_archive.read_archive(read_lines(file))
    print(f"Wrote {account_id} into {file}: {len(archive.domains)} domains, {len(archive.webhooks)} webhooks, ", end="")
    print(f"{len(archive.events)} events.")
    print(f"sha256 of its lines {archive.sha256}")
    print("Not in it: API keys, kept credentials of DNS hosts, links, sessions, deliveries, the audit.")
    return Exit.OK


async def _export(settings: "Settings", account_id: str, file: Path, recipient: str) -> None:
    from letterhead.operations.account_export import export_account as export_lines
    from letterhead.operations.audit import Actor
    from letterhead.wiring import assemble, backups

    sealer = backups.HpkeSealer(recipient)
    async with assemble.open_deps(settings) as deps:
        with backups.write_private_file(file) as out:
            async for line in export_lines(deps, account_id, recipient, sealer, Actor(name="operator")):
                out.write(line)


def _ask_for_archive(token: str, account_id: str, file: Path, recipient: str) -> None:
    """Have the running service write the account; what breaks off leaves no file."""
    from letterhead.wiring.backups import write_private_file

    with Api(token) as api, write_private_file(file) as out:
        for piece in api.stream("POST", path_of("accounts", account_id, "archive"), {"recipient": recipient}):
            out.write(piece)


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
