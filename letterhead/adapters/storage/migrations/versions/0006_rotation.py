"""Adds keys that do not sign yet, or not any more; knows nothing of when one follows another."""

from letterhead.adapters.storage.migrations import beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
