"""Knows how a migration runs: the SQL lies beside it, in one text for both engines. Knows no migration."""

from pathlib import Path

from alembic import context, op

from letterhead.adapters.storage.statements import for_engine, one_by_one


def run(migration: str) -> None:
    """Runs the SQL file beside a migration's own."""
    script = Path(migration).with_suffix(".sql").read_text("utf-8")
    for statement in one_by_one(for_engine(script, context.get_context().dialect.name)):
        op.execute(statement)
