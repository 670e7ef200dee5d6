"""Adds set-up links, who watches a domain, and sessions of the pages; knows nothing of how long any of them holds."""

from letterhead.adapters.storage.migrations import beside

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
