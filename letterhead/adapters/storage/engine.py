"""What the store needs of a database: run a named statement, alone or in a transaction, with any driver."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from letterhead.errors import Fault, Kind

SqlValue = str | int | bytes | None
T = TypeVar("T")


class DatabaseRow(Protocol):
    """A row, whose columns are read by name."""

    def __getitem__(self, column: str, /) -> Any: ...


class DatabaseSession(Protocol):
    """One open transaction."""

    async def rows(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement and return the rows that it selects or returns."""
        ...


TransactionBody = Callable[[DatabaseSession], Awaitable[T]]


class Engine(Protocol):
    """A database of either kind.

    Its methods raise Fault `storage-unavailable` where the database fails, and `ConstraintViolation`.
    """

    async def read(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that only reads."""
        ...

    async def write(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that writes, as a transaction of its own."""
        ...

    async def transact(self, work: TransactionBody[T]) -> T:
        """Run `work` in one transaction, perhaps again where it lost to another one; it awaits only SQL."""
        ...

    async def shred(self) -> None:
        """Overwrite what was deleted, as far as the engine can."""
        ...


class ConstraintViolation(Fault):
    """A violated constraint of the schema: a unique value exists already, or what a row refers to is gone."""

    def __init__(self) -> None:
        super().__init__(
            Kind.CONFLICT,
            "What was to be stored clashes with what is stored already.",
            "Read it again, then repeat the change if it is still wanted.",
        )


def unavailable(what: str, why: object) -> Fault:
    """Return the Fault for a database that can't be used now; `why` is the driver's own text."""
    return Fault(
        Kind.STORAGE_UNAVAILABLE,
        f"{what} could not be used: {why}.",
        "Check that the database runs and that this machine reaches it; look at its own log and its free disk space.",
    )


def storable(value: SqlValue) -> SqlValue:
    """Replace what not every engine stores in a text (NUL, lone surrogates), so that no input is an error."""
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
