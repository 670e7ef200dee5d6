"""Adds what an intent knows of our own zone; knows nothing of who writes that."""

from letterhead.adapters.storage.migrations import beside

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
