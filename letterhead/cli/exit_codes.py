"""The exit codes that scripts rely on, and how a failure is printed."""

import sys
from collections.abc import Iterable
from enum import IntEnum

from letterhead.errors import Fault, Kind


class Exit(IntEnum):
    """An exit code of the command; docs/cli.md lists them."""

    OK = 0
    NOT_GOOD = 1
    USAGE = 2
    DRIFT = 2  # of `import SOURCE --plan`, and of `apply --plan`, which has 3 for a file that is wrong, as its kind has
    REFUSED = 3
    UNREACHABLE = 4
    NOT_SEEN = 5

    @property
    def meaning(self) -> str:
        """What the code means, in one sentence."""
        return MEANINGS[self]


MEANINGS = {
    Exit.OK: "It worked, and the answer is good.",
    Exit.NOT_GOOD: "It worked, and the answer is not good: a domain is not verified, a line of doctor failed.",
    Exit.USAGE: "A wrong command line or setting; of `apply --plan` and `import SOURCE --plan`: there is work to do.",
    Exit.REFUSED: "The API, or our own start, refused; stderr says why, what to do, and the tracking id.",
    Exit.UNREACHABLE: "The server or the database could not be reached.",
    Exit.NOT_SEEN: "It worked, and DNS did not say enough: neither good nor bad. Try again later.",
}

# From best to worst, where one command checks several domains.
_ORDER = (Exit.OK, Exit.NOT_SEEN, Exit.NOT_GOOD, Exit.UNREACHABLE, Exit.REFUSED, Exit.USAGE)

_OF_FAULT = {
    Kind.CONFIG_INVALID: Exit.USAGE,
    Kind.STORAGE_UNAVAILABLE: Exit.UNREACHABLE,
    Kind.UNREACHABLE: Exit.UNREACHABLE,
}


def worst(codes: Iterable[Exit]) -> Exit:
    """Return the worst of several exit codes."""
    return max(codes, key=_ORDER.index, default=Exit.OK)


class ApiRefused(Exception):
    """An error response of the API, with the fields of its envelope.

    `code` is a text and no `Kind`: a newer server may have codes that this command does not.
    """

    def __init__(self, code: str, message: str, fix: str | None = None, tracking_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.tracking_id = tracking_id


def report_fault(error: Fault | ApiRefused) -> Exit:
    """Print what happened and what to do on stderr, and return the exit code for scripts."""
    if isinstance(error, ApiRefused):
        _print(error.code, error.message, error.fix)
        if error.tracking_id:
            print(f"tracking id: {error.tracking_id}", file=sys.stderr)
        return Exit.REFUSED
    _print(error.kind.value, error.detail, error.fix)
    return _OF_FAULT.get(error.kind, Exit.REFUSED)


def _print(code: str, message: str, fix: str | None) -> None:
    print(f"letterhead: {message} [{code}]", file=sys.stderr)
    if fix:
        print(f"fix: {fix}", file=sys.stderr)
