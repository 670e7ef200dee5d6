"""The command `letterhead config`, which prints every setting."""

import os
from pathlib import Path

from letterhead.cli.exit_codes import Exit
from letterhead.cli.tables import columns, console


def config() -> Exit:
    """Print every setting, its value (secrets masked), where it came from, what it does."""
    from letterhead.config import SYSTEM_FILE, rows

    shown = [(row.name, row.value, row.source, row.what) for row in rows(os.environ, Path(), SYSTEM_FILE)]
    console().print(columns(("SETTING", "VALUE", "FROM", "WHAT IT DOES"), shown))
    return Exit.OK
