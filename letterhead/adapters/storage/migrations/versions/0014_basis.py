"""Adds what a checkup's findings follow from; knows nothing of what that is."""

from letterhead.adapters.storage.migrations import beside

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
