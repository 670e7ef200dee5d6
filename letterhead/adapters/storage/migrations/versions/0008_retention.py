"""Adds a limit of claims, and what pruning looks things up by; knows nothing of how long anything is kept."""

from letterhead.adapters.storage.migrations import beside

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
