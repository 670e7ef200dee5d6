"""Adds tallies, the provider's conditions, and what a person may do; knows nothing of how long any of it is kept."""

from letterhead.adapters.storage.migrations import beside

revision = "0013"
down_revision = "0009"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
