"""The commands that print every setting, and the version."""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

import letterhead
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
    """Print the version, the commit that it was built from, and the newest schema that it knows."""
    print(version_line())
    return Exit.OK


def version_line() -> str:
    """Return what `letterhead --version` prints."""
    from letterhead.wiring.assemble import SCHEMA

    return f"letterhead {__version__} (commit {built_from()}, schema {SCHEMA})"


def built_from() -> str:
    """Return the commit: the one that was built, or what git says of the clone that runs; else `unknown`."""
    package = Path(letterhead.__file__).parent
    written = (package / "data" / "commit.txt").read_text("ascii").strip()
    if not written.startswith("$"):
        return written[:12]
    if not (package.parent / ".git").exists() or not (git := shutil.which("git")):
        return "unknown"
    describe = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    said = subprocess.run([git, "-C", package.parent, *describe], capture_output=True, text=True, check=False)  # noqa: S603
    return said.stdout.strip() or "unknown"
