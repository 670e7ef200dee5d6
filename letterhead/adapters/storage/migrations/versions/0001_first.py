"""Makes the first tables; knows their names, and nothing of what is kept in them."""

from letterhead.adapters.storage.migrations import beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
