"""Knows what stands behind the resolver's port for whoever only looks at DNS: real servers, or zone text.

Apart from wiring.py, so that `letterhead check` starts without storage, providers and keys.
"""

from collections.abc import Sequence
from functools import cache, cached_property

from publicsuffixlist import PublicSuffixList

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.names import SuffixRules

__all__ = ["ZoneFileResolver", "load_hosts", "resolver_at", "suffixes"]

Address = tuple[str, int]


class _Suffixes:
    """Reads the list that comes with its package, 0.1 s of work, when it is asked for the first time."""

    def __init__(self, *, only_icann: bool) -> None:
        self._only_icann = only_icann

    @cached_property
    def _list(self) -> PublicSuffixList:
        return PublicSuffixList(only_icann=self._only_icann, accept_unknown=False)

    def publicsuffix(self, domain: str, accept_unknown: bool | None = None) -> str | None:
        found: str | None = self._list.publicsuffix(domain, accept_unknown)
        return found


@cache
def suffixes(*, only_icann: bool = False) -> SuffixRules:
    """Gives the public suffix rules, private ones too unless `only_icann`; read once in the life of the process."""
    return _Suffixes(only_icann=only_icann)


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
