"""The commands that print every setting, and the version."""

import os
from pathlib import Path

import msgspec

from letterhead import __version__
from letterhead.cli.exit_codes import Exit
from letterhead.cli.output import TABLE, Output, print_rows


def config(*, output: Output = TABLE) -> Exit:
    """Print every setting, its value (secrets masked), where it came from, what it does."""
    from letterhead.config import SYSTEM_FILE, rows

    shown = [(row.name, row.value, row.source, row.what) for row in rows(os.environ, Path(), SYSTEM_FILE)]
    fields = ("setting", "value", "from", "what")
    answer = msgspec.json.encode([dict(zip(fields, each, strict=True)) for each in shown]).decode()
    print_rows(output, answer, ("SETTING", "VALUE", "FROM", "WHAT IT DOES"), shown)
    return Exit.OK


def version() -> Exit:
    """Print the version."""
    print(f"letterhead {__version__}")
    return Exit.OK
