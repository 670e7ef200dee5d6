"""The commands `letterhead import postal` and `mailcow`: rows that the operator's own client of the database printed.

Nothing connects to the database from here: the rows come by a pipe or from files, so this command needs no access to it
and could not change it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from letterhead.cli.exit_codes import Exit
from letterhead.cli.imports.execution import MailFromLabel, OnlyDomains, PlanOnly, run_import
from letterhead.cli.imports.source_files import read_hash, read_table
from letterhead.cli.keys import AsJson
from letterhead.core.imports import mailcow as mailcow_schema
from letterhead.core.imports import postal as postal_schema
from letterhead.core.imports.dumps import parse_rows
from letterhead.errors import Fault, Kind


def postal(
    rows: Path,
    /,
    *,
    dkim_identifier: str = "postal",
    return_path_prefix: str = "psrp",
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    mail_from: MailFromLabel = None,
    as_json: AsJson = False,
) -> Exit:
    """Add the domains of Postal, each with its own selector and key where DNS serves that key.

    Reads the rows of its table `domains`, as `mariadb --batch` prints them (docs/coming-from/postal.md has the query).
    Postal goes on signing meanwhile. Done twice, it changes nothing. Exit codes as of `apply`.

    Parameters
    ----------
    rows
        The rows; - reads standard input.
    dkim_identifier
        dns.dkim_identifier of postal.yml, where it is set.
    return_path_prefix
        dns.custom_return_path_prefix of postal.yml, where it is set.
    """
    read = read_rows(rows, postal_schema.COLUMNS, postal_schema.QUERY)
    found = postal_schema.find_postal_domains(read, dkim_identifier, return_path_prefix)
    return run_import(found, domain, mail_from, plan=plan, as_json=as_json)


def mailcow(
    rows: Path,
    /,
    *,
    keys: Annotated[Path, Parameter(help="The hash DKIM_PRIV_KEYS, from redis-cli --json HGETALL.")],
    selectors: Annotated[Path, Parameter(help="The hash DKIM_SELECTORS, likewise.")],
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    mail_from: MailFromLabel = None,
    as_json: AsJson = False,
) -> Exit:
    """Add the active domains of mailcow, each with its own selector and key where DNS serves that key.

    Reads the rows of its tables `domain` and `alias_domain`, as `mariadb --batch` prints them, and the two hashes of
    its Redis (docs/coming-from/mailcow.md has the commands). mailcow goes on signing meanwhile. Done twice, it changes
    nothing. Exit codes as of `apply`.

    Parameters
    ----------
    rows
        The rows; - reads standard input.
    """
    read = read_rows(rows, mailcow_schema.COLUMNS, mailcow_schema.QUERY)
    found = mailcow_schema.find_mailcow_domains(read, read_hash(keys), read_hash(selectors))
    return run_import(found, domain, mail_from, plan=plan, as_json=as_json)


def read_rows(path: Path, columns: Sequence[str], query: str) -> list[dict[str, str | None]]:
    """Return rows with these columns; Fault `config-invalid`, which names the query that prints them."""
    rows = parse_rows(read_table(path, "The file of rows"))
    if rows is None or any(column not in row for row in rows for column in columns):
        detail = f"{path} does not have the columns {', '.join(columns)} in rows of `mariadb --batch`."
        raise Fault(Kind.CONFIG_INVALID, detail, f'Print them with: mariadb --batch -e "{query}"')
    return rows
