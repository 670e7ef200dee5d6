"""The SQL statements by name, from one text for both engines.

What only one engine needs is in a comment that begins with its name, `/*postgresql FOR UPDATE SKIP LOCKED */`: code for
that engine, and removed for the other. The comments below a statement's name become its documentation in aiosql and are
not sent to the server.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import aiosql
from aiosql.adapters.aiosqlite import AioSQLiteAdapter
from aiosql.adapters.asyncpg import AsyncPGAdapter

FOLDER: Final = Path(__file__).parent / "sql"
_MARKED: Final = re.compile(r"/\*(sqlite|postgresql)\s(.*?)\*/", re.DOTALL)


class Dialect(StrEnum):
    """The engines, by the names that mark their parts of a text."""

    SQLITE = "sqlite"
    POSTGRES = "postgresql"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `parameters` are the names of its numbered parameters in order (PostgreSQL)."""

    sql: str
    parameters: tuple[str, ...]


def for_engine(script: str, dialect: str) -> str:
    """Uncomment what is meant for one engine, and remove what is meant for the other."""
    return _MARKED.sub(lambda marked: marked[2] if marked[1] == dialect else "", script)


def statements(dialect: Dialect) -> Mapping[str, Statement]:
    """Load all statements for one engine."""
    make: Callable[[], Any] = AsyncPGAdapter if dialect is Dialect.POSTGRES else AioSQLiteAdapter
    adapter = make()
    script = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.sql")))
    queries = aiosql.from_str(for_engine(script, dialect), lambda: adapter)
    order: Mapping[str, list[str]] = getattr(adapter, "var_sorted", {})
    return {
        name: Statement(sql=getattr(queries, name).sql.rstrip("; \n"), parameters=tuple(order.get(name, ())))
        for name in queries.available_queries
    }
