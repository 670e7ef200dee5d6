"""Knows what stands behind the resolver's port for whoever only looks at DNS: real servers, or zone text.

Apart from wiring.py, so that `letterhead check` starts without storage, providers and keys.
"""

from collections.abc import Sequence

from publicsuffixlist import PublicSuffixList

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.names import SuffixRules

__all__ = ["ZoneFileResolver", "load_hosts", "resolver_at", "suffixes"]

Address = tuple[str, int]


def suffixes() -> SuffixRules:
    """Gives the public suffix rules, private ones too."""
    return PublicSuffixList(accept_unknown=False)


def resolver_at(
    resolvers: Sequence[Address], authoritative_port: int, rules: SuffixRules, *, private_servers: bool
) -> DnsResolver:
    """Makes the resolver that asks real DNS, by way of these resolvers."""
    return DnsResolver(
        resolvers,
        authoritative_port,
        is_registry=lambda zone: rules.publicsuffix(zone, accept_unknown=False) == zone,
        private_servers=private_servers,
    )
