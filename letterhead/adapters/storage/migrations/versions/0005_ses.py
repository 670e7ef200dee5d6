"""Adds the turns that all processes share; knows nothing of what they are taken for."""

from letterhead.adapters.storage.migrations import beside

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
