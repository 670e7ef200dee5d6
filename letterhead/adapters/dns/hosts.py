"""Knows where the table of DNS hosts lies and how it is read; what its fields mean is core's (`core/panels.py`)."""

from functools import cache
from pathlib import Path

import msgspec

from letterhead.core.panels import DnsHost

TABLE = Path(__file__).parents[2] / "data" / "dns_hosts.toml"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: tuple[DnsHost, ...]


@cache
def load_hosts() -> tuple[DnsHost, ...]:
    """Reads the table that comes with Letterhead, once in the life of the process."""
    return msgspec.toml.decode(TABLE.read_bytes(), type=_Table).host
