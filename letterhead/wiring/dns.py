"""The resolver, and the tables of public suffixes and DNS hosts.

Apart from wiring/assemble.py, so that `letterhead check` starts without storage, providers and keys.
"""

from collections.abc import Sequence
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

from publicsuffixlist import PublicSuffixList

from letterhead import core
from letterhead.adapters.dns.delegation import ANYWHERE, IpNetwork
from letterhead.adapters.dns.hosts import TABLE, load_domain_connect_hosts, load_hosts
from letterhead.adapters.dns.resolver import DNS_PORT, DnsResolver, ExchangeLimits
from letterhead.adapters.dns.transport import SocketAddress
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.names.domain_names import SuffixRules

PACKETS_PER_SECOND = 20  # to one address of strangers' nameservers (docs/decisions/0018-packet-rates.md)

__all__ = [
    "ANYWHERE",
    "ZoneFileResolver",
    "load_domain_connect_hosts",
    "load_hosts",
    "resolver_at",
    "rules_version",
    "suffixes",
]


def rules_version(rules: Path = Path(core.__path__[0]), dns_hosts: Path = TABLE) -> str:
    """Return a digest of everything that judges: each module of the core, in every folder, and the DNS host table.

    An unchanged check confirms the last verdict only while this stays the same (decision 0012). A file counts with its
    path, so that a moved rule counts as a changed one. Where only bytecode was installed, the bytecode counts.
    """
    modules = sorted(rules.rglob("*.py")) or sorted(rules.rglob("*.pyc"))
    if not modules:
        raise FileNotFoundError(f"{rules} holds no module: the version of the rules can't be told")
    digest = blake2b(dns_hosts.read_bytes(), digest_size=8)
    for module in modules:
        source = module.read_bytes()
        digest.update(f"{module.relative_to(rules).as_posix()} {len(source)}\n".encode() + source)
    return digest.hexdigest()


class _Suffixes:
    """The public suffix list, which is parsed at its first use: that takes 0.1 s."""

    def __init__(self, *, only_icann: bool) -> None:
        self._load = cache(partial(PublicSuffixList, only_icann=only_icann, accept_unknown=False))

    def publicsuffix(self, domain: str, accept_unknown: bool | None = None) -> str | None:
        found: str | None = self._load().publicsuffix(domain, accept_unknown)
        return found


@cache
def suffixes(*, only_icann: bool = False) -> SuffixRules:
    """Return the public suffix rules, private ones too unless `only_icann`; parsed once in a process."""
    return _Suffixes(only_icann=only_icann)


def resolver_at(
    resolvers: Sequence[SocketAddress],
    authoritative_port: int,
    rules: SuffixRules,
    *,
    networks: Sequence[IpNetwork],
    packets_per_second: float | None,
) -> DnsResolver:
    """Return the resolver that asks real DNS: these recursive resolvers, and authoritative servers.

    `networks` are those whose private addresses may be asked. A server of strangers gets at most `packets_per_second`;
    where that is not set it is 20, and without a limit on another port than 53, where all of a laboratory is.
    """
    if packets_per_second is None and authoritative_port == DNS_PORT:
        packets_per_second = PACKETS_PER_SECOND
    return DnsResolver(
        resolvers,
        authoritative_port,
        is_registry=lambda zone: rules.publicsuffix(zone, accept_unknown=False) == zone,
        networks=networks,
        limits=ExchangeLimits(packets_per_second=packets_per_second),
    )
