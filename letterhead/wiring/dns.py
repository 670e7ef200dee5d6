"""Knows what stands behind the resolver's port for whoever only looks at DNS: real servers, or zone text.

Apart from wiring/assemble.py, so that `letterhead check` starts without storage, providers and keys.
"""

from collections.abc import Sequence
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path

from publicsuffixlist import PublicSuffixList

from letterhead import core
from letterhead.adapters.dns.hosts import TABLE, load_hosts
from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.names.domain_names import SuffixRules

__all__ = ["ZoneFileResolver", "load_hosts", "resolver_at", "rules_version", "suffixes"]

Address = tuple[str, int]


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
