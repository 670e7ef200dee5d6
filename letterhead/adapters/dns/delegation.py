"""Zone cuts: which zone contains a name, and which servers are authoritative for it.

The resolvers are asked first, with checking disabled, so that broken signatures do not hide the delegation. Where they
can't answer (a lame zone), the closest zone above that answers is asked for its referral. We never walk down from the
root.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final, TypeVar

import dns.rcode

from letterhead.adapters.dns.cache import Cache
from letterhead.adapters.dns.interpret import alias_at, failure, nameservers, negative_ttl, referral, soa
from letterhead.adapters.dns.labels import ROOT, Name, lies_in, name_text
from letterhead.adapters.dns.packet_rates import PacketRates
from letterhead.adapters.dns.transport import QuestionBudget, SocketAddress, first_conclusive, is_usable
from letterhead.adapters.dns.wire import AAAA, NS, SOA, A, DnsMessage, DnsQuery, ResourceRecord
from letterhead.core.dns.answers import Nameserver, Unanswered, Why
from letterhead.core.dns.records import Address as AddressRecord
from letterhead.core.names.ip_addresses import is_not_public

MAX_SERVERS = 8  # names as well as addresses, of one zone
PARENT_SERVERS = 3  # how many of a parent's servers we try for one referral
FAR_AWAY = "2001:500:2::c"  # a root server: is there a route to IPv6 at all?
ROUTE_LASTS = 60.0  # seconds for which it is remembered whether there is a route to an address
HEDGE = 1.5  # seconds without a response of the resolvers, after which the zone's own servers count as the cause

IpNetwork = IPv4Network | IPv6Network
ANYWHERE: Final[tuple[IpNetwork, ...]] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))

Shared = TypeVar("Shared")


@dataclass(frozen=True, slots=True)
class ZoneCut:
    """The zone that contains a name; `absent` where the resolvers answered NXDOMAIN for the name.

    `failure` is set where the name may lie in a zone further down, of which nothing could be learnt.
    """

    zone: Name
    names: tuple[Name, ...]
    negative_ttl: int = 0
    absent: bool = False
    failure: Unanswered | None = None
    glue: dict[Name, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DnsSetup:
    """How we reach DNS: resolvers, the port of authoritative servers, seconds for one try."""

    resolvers: tuple[SocketAddress, ...]
    port: int
    per_try: float
    cache: Cache[Any]
    is_registry: Callable[[str], bool]
    rates: PacketRates
    networks: tuple[IpNetwork, ...] = ()  # where servers are asked though their addresses are not public


class Delegations:
    """The zone cuts that one round of questions needs; whatever several questions need is asked once."""

    def __init__(self, setup: DnsSetup, budget: QuestionBudget) -> None:
        self._setup, self._budget = setup, budget
        self._private: set[Name] = set()  # servers with addresses that we may not ask
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def zone_of(self, name: Name) -> ZoneCut | Unanswered:
        """Return the zone that contains a name."""
        return await self._share(("zone", name), self._find_zone(name))

    def nearest(self, name: Name) -> ZoneCut | None:
        """Return the closest zone at or above a name that is cached; its servers refer us further down where needed."""
        known = (self._setup.cache.get(("zone", name[at:])) for at in range(len(name) + 1))
        return next((cut for cut in known if cut is not None and cut.failure is None), None)

    def has_private_servers(self, cut: ZoneCut) -> bool:
        """Return whether some of a zone's servers were left out for addresses that are not public."""
        return not self._private.isdisjoint(cut.names)

    async def servers(self, cut: ZoneCut, most: int = MAX_SERVERS) -> tuple[Nameserver, ...]:
        """Return a zone's servers with addresses that this machine has a route to, at most `most` addresses in all."""
        names = cut.names[:most]
        room = most // max(1, len(names))
        known = [self._known_addresses(name, cut, both=room > 1) for name in names]
        found = [addresses for addresses in known if addresses is not None]
        if len(found) < len(names):
            found = await asyncio.gather(*(self._addresses(name, cut, both=room > 1) for name in names))
        if self._setup.is_registry(name_text(cut.zone)):
            for address in (each for addresses in found for each in addresses):
                self._setup.rates.allow_registry(address)
        return tuple(
            Nameserver(name=name_text(name), addresses=addresses[:room])
            for name, addresses in zip(names, found, strict=True)
        )

    async def refer(self, cut: ZoneCut, name: Name) -> DnsMessage | Unanswered:
        """Ask the servers of a zone, without recursion, for a referral to the zone of `name`."""
        query = DnsQuery(name, NS, recursive=False)
        servers = await self.servers(cut, PARENT_SERVERS)
        addresses = [(each.addresses[0], self._setup.port) for each in servers if each.addresses]
        return await self._share(
            ("refer", query), first_conclusive(addresses, query, self._budget, self._setup.per_try)
        )

    async def resolve(self, name: Name, rdtype: int) -> DnsMessage | Unanswered:
        """Ask the resolvers with checking disabled, one after the other."""
        task = self._start_resolving(name, rdtype)
        return task.result() if task.done() else await asyncio.shield(task)

    def _start_resolving(self, name: Name, rdtype: int) -> "asyncio.Task[DnsMessage | Unanswered]":
        query = DnsQuery(name, rdtype, recursive=True, checking_disabled=True)
        return self._start(
            ("resolve", query), first_conclusive(self._setup.resolvers, query, self._budget, self._setup.per_try)
        )

    def close(self) -> None:
        """Cancel what nobody waits for any more."""
        for task in self._running.values():
            task.cancel()

    async def _share(self, key: Hashable, work: Coroutine[Any, Any, Shared]) -> Shared:
        """Run the work for the first caller in this round; later callers share its result."""
        task = self._start(key, work)
        return task.result() if task.done() else await asyncio.shield(task)

    def _start(self, key: Hashable, work: Coroutine[Any, Any, Shared]) -> "asyncio.Task[Shared]":
        """Start the work, unless somebody has in this round."""
        task: asyncio.Task[Shared] | None = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(work)
        else:
            work.close()
        return task

    async def _find_zone(self, name: Name) -> ZoneCut | Unanswered:
        cached: ZoneCut | None = self._setup.cache.get(("zone", name))
        if cached is not None:
            return cached
        # Not for ever: the resolvers may be slow only because this zone's servers are.
        asked = self._start_resolving(name, SOA)
        await asyncio.wait({asked}, timeout=HEDGE)
        response = asked.result() if asked.done() else Unanswered(why=Why.TIMEOUT, detail="the resolvers do not answer")
        if isinstance(response, Unanswered) or response.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return await self._from_above(name, response if isinstance(response, Unanswered) else failure(response))
        if alias_at(response, name) is not None:
            return await self._zone_of_alias(name)
        record = soa(response)
        if record is None or not lies_in(name, record.owner):
            return await self._from_above(name, Unanswered(why=Why.LAME, detail="the resolvers found no SOA"))
        servers = await self.nameservers_of(record.owner)
        if isinstance(servers, Unanswered):
            cut = await self._from_above(record.owner, servers)
        else:
            absent = response.rcode == dns.rcode.NXDOMAIN
            cut = ZoneCut(record.owner, servers, negative_ttl(response), absent=absent)
        if isinstance(cut, ZoneCut):
            self._setup.cache.put(("zone", name), cut, negative_ttl(response) if cut.absent else record.ttl)
            self._setup.cache.put(("zone", cut.zone), replace(cut, absent=False), record.ttl)
        return cut

    async def _zone_of_alias(self, name: Name) -> ZoneCut | Unanswered:
        """Return the zone of an alias: the one above, but where that is a registry its referral.

        Servers often answer wrongly at an alias (RFC 1034 3.6.2).
        """
        above = await self._above(name)
        if isinstance(above, Unanswered) or not self._setup.is_registry(name_text(above.zone)):
            return above
        response = await self.refer(above, name)
        below = self.below(above, response, name) if isinstance(response, DnsMessage) else None
        return below or above

    async def nameservers_of(self, zone: Name) -> tuple[Name, ...] | Unanswered:
        """Return the names of a zone's servers."""
        cached: tuple[Name, ...] | None = self._setup.cache.get(("servers", zone))
        if cached is not None:
            return cached
        response = await self.resolve(zone, NS)
        if isinstance(response, Unanswered):
            return response
        names = nameservers(response.answer, zone)
        if not names:
            return Unanswered(
                why=Why.NO_SERVERS, detail=f"no nameservers are known for {name_text(zone) or 'the root'}"
            )
        self._setup.cache.put(("servers", zone), names, min(record.ttl for record in response.answer))
        return names

    async def _above(self, name: Name) -> ZoneCut | Unanswered:
        if name == ROOT:
            return Unanswered(why=Why.NO_SERVERS, detail="the resolvers know no root zone")
        return await self.zone_of(name[1:])

    async def _from_above(self, name: Name, failed: Unanswered) -> ZoneCut | Unanswered:
        """Return the delegation from the closest zone above that answers."""
        if name == ROOT:
            return failed
        above = await self._above(name)
        if isinstance(above, Unanswered):
            return failed
        response = await self.refer(above, name)
        if isinstance(response, Unanswered):
            return replace(above, absent=False, failure=failed)
        return self.below(above, response, name) or replace(above, absent=response.rcode == dns.rcode.NXDOMAIN)

    def below(self, cut: ZoneCut, response: DnsMessage, name: Name) -> ZoneCut | None:
        """Return the zone below that a referral names, with the addresses that came along; None without a referral."""
        zone = referral(response, cut.zone, name)
        if zone is None:
            return None
        names = nameservers(response.authority, zone)
        glue = {each: _addresses_in(response.additional, each) for each in names if lies_in(each, zone)}
        return ZoneCut(zone, names, glue={each: addresses for each, addresses in glue.items() if addresses})

    async def _addresses(self, name: Name, cut: ZoneCut, *, both: bool) -> tuple[str, ...]:
        """Return IPv4 addresses, and IPv6 ones where there is room for `both`, or no IPv4."""
        known = self._known_addresses(name, cut, both=both)
        if known is not None:
            return known
        types = [A, AAAA] if both and self._has_route(FAR_AWAY) else [A]
        found = [*await asyncio.gather(*(self._records(name, rdtype) for rdtype in types))]
        if not any(found) and types == [A]:
            found = [await self._records(name, AAAA)]
        records = tuple(record for each in found for record in each)
        addresses = self._usable(name, _addresses_in(records, None))
        if addresses:
            self._setup.cache.put(("addresses", name, both), addresses, min(record.ttl for record in records))
        return addresses

    def _known_addresses(self, name: Name, cut: ZoneCut, *, both: bool) -> tuple[str, ...] | None:
        if name in cut.glue:
            return self._usable(name, cut.glue[name])
        cached: tuple[str, ...] | None = self._setup.cache.get(("addresses", name, both))
        return cached

    def _usable(self, name: Name, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Return the addresses that we may and can ask: a zone may name any address for its servers, ours too."""
        allowed = tuple(address for address in addresses if self._is_allowed(address))
        if len(allowed) < len(addresses):
            self._private.add(name)
        return tuple(address for address in allowed if self._has_route(address))

    def _has_route(self, address: str) -> bool:
        known: bool | None = self._setup.cache.get(("route", address))
        if known is None:
            known = is_usable(address)
            self._setup.cache.put(("route", address), known, ROUTE_LASTS)
        return known

    def _is_allowed(self, address: str) -> bool:
        ip = ip_address(address)
        return is_not_public(ip) is None or any(ip in network for network in self._setup.networks)

    async def _records(self, name: Name, rdtype: int) -> tuple[ResourceRecord, ...]:
        response = await self.resolve(name, rdtype)
        return response.answer if isinstance(response, DnsMessage) else ()


def _addresses_in(records: tuple[ResourceRecord, ...], owner: Name | None) -> tuple[str, ...]:
    """Return the addresses of one owner, or with None of whatever an alias led to."""
    return tuple(
        dict.fromkeys(
            record.rdata.ip
            for record in records
            if isinstance(record.rdata, AddressRecord) and (owner is None or record.owner == owner)
        )
    )
