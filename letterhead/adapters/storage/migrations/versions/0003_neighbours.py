"""Adds what finds the held names above and below a name; knows nothing of who is told."""

from letterhead.adapters.storage.migrations import beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
