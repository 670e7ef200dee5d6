"""Knows what the store needs of a database: run a named statement, alone or in a transaction. Knows no driver."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from letterhead.errors import Fault, Kind

SqlValue = str | int | bytes | None
T = TypeVar("T")


class DatabaseRow(Protocol):
    """Gives a column by its name."""

    def __getitem__(self, column: str, /) -> Any: ...


class DatabaseSession(Protocol):
    """Runs statements inside one transaction."""

    async def rows(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Runs one statement and gives what it selects or returns."""
        ...


TransactionBody = Callable[[DatabaseSession], Awaitable[T]]


class Engine(Protocol):
    """Runs statements; trouble of the database is Fault `storage-unavailable`, a broken constraint is `Clash`."""

    async def read(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Runs one statement that only reads."""
        ...

    async def write(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Runs one statement that writes, as a transaction of its own."""
        ...

    async def transact(self, work: TransactionBody[T]) -> T:
        """Runs work in one transaction, which may begin anew where others got in its way; work awaits only SQL."""
        ...

    async def shred(self) -> None:
        """Overwrites what was deleted, as far as the engine can."""
        ...


class ConstraintViolation(Fault):
    """Says that a row breaks a constraint of the schema: what is unique is there, or what it belongs to is gone."""

    def __init__(self) -> None:
        super().__init__(
            Kind.CONFLICT,
            "What was to be stored clashes with what is stored already.",
            "Read it again, then repeat the change if it is still wanted.",
        )


def unavailable(what: str, why: object) -> Fault:
    """Says that the database can't be used now; `why` is its own word."""
    return Fault(
        Kind.STORAGE_UNAVAILABLE,
        f"{what} could not be used: {why}.",
        "Nothing was changed if the request was a read; repeat a write with the same Idempotency-Key. "
        "If it lasts, look at the database's own log and its free disk space.",
    )


def storable(value: SqlValue) -> SqlValue:
    """Replaces what not every engine keeps in a text (NUL, lone surrogates), so that odd input is never an error."""
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
