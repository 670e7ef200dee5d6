"""Questions before something is destroyed: asked at a terminal, answered by --yes in a script."""

import sys
from typing import Annotated

from cyclopts import Parameter

from letterhead.errors import Fault, Kind

Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask; a script must say so.")]


def is_confirmed(loss: str, *, yes: bool, word: str | None = None) -> bool:
    """Return whether a person at the terminal agrees to a loss, by typing `word` where mail would stop.

    Raise Fault `config-invalid` where nobody can be asked and `--yes` was not given.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        detail = f"{loss} Nobody can be asked here, so nothing was done."
        raise Fault(Kind.CONFIG_INVALID, detail, "Add --yes to do it without a question.")
    asked = f"Type {word} to go on: " if word else "Go on? [y/N] "
    print(f"{loss}\n{asked}", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if answer.lower() == word if word else answer.lower() in ("y", "yes"):
        return True
    print("Nothing was done.", file=sys.stderr)
    return False
