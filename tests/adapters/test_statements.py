"""Show that every SQL statement says what it is for, and that only SQL reaches the server."""

import aiosql
import pytest

from letterhead.adapters.storage.statements import FOLDER, Dialect, for_engine, statements


def test_every_statement_says_what_it_is_for() -> None:
    """The comment below a statement's name begins with a sentence."""
    script = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.sql")))
    queries = aiosql.from_str(for_engine(script, Dialect.SQLITE), "aiosqlite")
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    assert len(names) > 100
    without = [name for name in names if not (getattr(queries, name).__doc__ or "")[:1].isupper()]
    assert without == []


@pytest.mark.parametrize("dialect", Dialect)
def test_comments_are_not_sent(dialect: Dialect) -> None:
    """No statement holds a comment of ours; a comment for the other engine is gone too."""
    sent = {name: statement.sql for name, statement in statements(dialect).items()}
    assert [name for name, sql in sent.items() if "--" in sql or "/*" in sql] == []
    assert all(sql.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH") for sql in sent.values())
