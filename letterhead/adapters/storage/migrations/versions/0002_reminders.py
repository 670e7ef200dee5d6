"""Adds reminders, and what a silence of all zones is told by; knows nothing of when either means something."""

from letterhead.adapters.storage.migrations import beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
