"""Adds webhooks with their outbox; knows nothing of when anything is sent."""

from letterhead.adapters.storage.migrations import beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Runs the file beside this one."""
    beside.run(__file__)
