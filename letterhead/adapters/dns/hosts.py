"""Read the tables of DNS hosts.

`core/plan/dns_hosts.py` and `core/domain_connect/host_settings.py` say what their fields mean.
"""

from functools import cache
from pathlib import Path

import msgspec

from letterhead.core.domain_connect.host_settings import DomainConnectHost
from letterhead.core.plan.dns_hosts import DnsHost

TABLE = Path(__file__).parents[2] / "data" / "dns_hosts.toml"
DOMAIN_CONNECT_TABLE = TABLE.with_name("domain_connect_hosts.toml")


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: tuple[DnsHost, ...]


@cache
def load_hosts() -> tuple[DnsHost, ...]:
    """Return the table that comes with Letterhead; it is read once in the life of the process."""
    return msgspec.toml.decode(TABLE.read_bytes(), type=_Table).host


class _DomainConnectTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: tuple[DomainConnectHost, ...]


@cache
def load_domain_connect_hosts() -> tuple[DomainConnectHost, ...]:
    """Return the hosts whose Domain Connect API is asked, as they come with Letterhead."""
    return msgspec.toml.decode(DOMAIN_CONNECT_TABLE.read_bytes(), type=_DomainConnectTable).host
