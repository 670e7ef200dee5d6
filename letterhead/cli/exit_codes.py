"""Knows how the command ends: the exit codes that scripts rely on, and the one way to print bad news."""

import sys
from enum import IntEnum

from letterhead.errors import Fault, Kind


class Exit(IntEnum):
    """Lists the exit codes; docs/cli.md is compared with them."""

    OK = 0
    NOT_GOOD = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4

    @property
    def meaning(self) -> str:
        """Says what the code means, in one sentence."""
        return MEANINGS[self]


MEANINGS = {
    Exit.OK: "It worked, and the answer is good.",
    Exit.NOT_GOOD: "It worked, and the answer is not good: a domain is not verified, a line of doctor failed.",
    Exit.USAGE: "The command line or a setting is wrong.",
    Exit.REFUSED: "The API, or our own start, refused; stderr says why, what to do, and the tracking id.",
    Exit.UNREACHABLE: "The server or the database could not be reached.",
}

_OF_FAULT = {
    Kind.CONFIG_INVALID: Exit.USAGE,
    Kind.STORAGE_UNAVAILABLE: Exit.UNREACHABLE,
    Kind.UNREACHABLE: Exit.UNREACHABLE,
}


class ApiRefused(Exception):
    """Says that the API refused a request, in the words of its error envelope.

    `code` is a text and no `Kind`: a newer server may know more of them than this command.
    """

    def __init__(self, code: str, message: str, fix: str | None = None, tracking_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.tracking_id = tracking_id


def report_fault(trouble: Fault | ApiRefused) -> Exit:
    """Prints what happened and what to do on stderr, and gives the exit code that says it to a script."""
    if isinstance(trouble, ApiRefused):
        _print(trouble.code, trouble.message, trouble.fix)
        if trouble.tracking_id:
            print(f"tracking id: {trouble.tracking_id}", file=sys.stderr)
        return Exit.REFUSED
    _print(trouble.kind.value, trouble.detail, trouble.fix)
    return _OF_FAULT.get(trouble.kind, Exit.REFUSED)


def _print(code: str, message: str, fix: str | None) -> None:
    print(f"letterhead: {message} [{code}]", file=sys.stderr)
    if fix:
        print(f"fix: {fix}", file=sys.stderr)
