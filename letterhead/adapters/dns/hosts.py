"""Read the table of DNS hosts; `core/plan/dns_hosts.py` says what its fields mean."""

from functools import cache
from pathlib import Path

import msgspec

from letterhead.core.plan.dns_hosts import DnsHost

TABLE = Path(__file__).parents[2] / "data" / "dns_hosts.toml"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: tuple[DnsHost, ...]


@cache
def load_hosts() -> tuple[DnsHost, ...]:
    """Return the table that comes with Letterhead; it is read once in the life of the process."""
    return msgspec.toml.decode(TABLE.read_bytes(), type=_Table).host
