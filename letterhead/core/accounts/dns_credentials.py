"""Credentials of DNS hosts that accounts have asked us to keep."""

from datetime import datetime
from typing import Final

import msgspec

MOST_CREDENTIALS: Final = 1_000  # of one account: each zone has one


class DnsCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A kept credential without its values: for which zone it is, at which DNS host, and whether that takes it.

    `fields` are the names of its fields. With `put_back`, records of ours that vanish from the zone are put back.
    `refused_at` is since when the host does not take it, `refused_code` the host's own code for that.
    """

    id: str
    account_id: str
    zone: str
    host: str
    fields: tuple[str, ...]
    created_at: datetime
    put_back: bool = False
    used_at: datetime | None = None
    refused_at: datetime | None = None
    refused_code: str | None = None
