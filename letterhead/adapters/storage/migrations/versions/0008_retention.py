"""Adds a limit of claims, and what pruning looks things up by; knows nothing of how long anything is kept."""

from pathlib import Path

from alembic import context, op

from letterhead.adapters.storage.statements import for_engine, one_by_one

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Runs the file beside this one."""
    script = Path(__file__).with_suffix(".sql").read_text("utf-8")
    for statement in one_by_one(for_engine(script, context.get_context().dialect.name)):
        op.execute(statement)
