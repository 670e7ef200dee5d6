"""Adds what finds the held names above and below a name; knows nothing of who is told."""

from pathlib import Path

from alembic import context, op

from letterhead.adapters.storage.statements import for_engine, one_by_one

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Runs the file beside this one."""
    script = Path(__file__).with_suffix(".sql").read_text("utf-8")
    for statement in one_by_one(for_engine(script, context.get_context().dialect.name)):
        op.execute(statement)
