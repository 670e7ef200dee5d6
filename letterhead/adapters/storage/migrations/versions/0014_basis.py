"""Adds what a checkup's findings follow from, and makes claims cheap; knows nothing of what either is for."""

from letterhead.adapters.storage.migrations import beside

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
