"""Knows which zone holds a name and who serves it; knows nothing of what the zone says.

The resolvers are asked first, with checking disabled, so that broken signatures do not hide the way. Where they can't
tell (a lame zone), the closest zone above that answers is asked for its referral. We never walk down from the root.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import dns.rcode

from letterhead.adapters.dns.cache import Cache
from letterhead.adapters.dns.interpret import alias_at, failure, nameservers, negative_ttl, referral, soa
from letterhead.adapters.dns.labels import ROOT, Name, lies_in, name_text
from letterhead.adapters.dns.transport import QuestionBudget, SocketAddress, first_telling, is_usable
from letterhead.adapters.dns.wire import AAAA, NS, SOA, A, DnsMessage, DnsQuery, ResourceRecord
from letterhead.core.dns.answers import Nameserver, Unanswered, Why
from letterhead.core.dns.records import Address as AddressRecord
from letterhead.core.names.ip_addresses import is_not_public, read_address

MAX_SERVERS = 8  # names as well as addresses, of one zone
PARENT_SERVERS = 3  # how many of a parent's servers we try for one referral
FAR_AWAY = "2001:500:2::c"  # a root server: is there a route to IPv6 at all?
HEDGE = 1.5  # seconds after which a resolver's silence about a name is taken for the zone's own trouble

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ZoneCut:
    """Holds what is known of the zone that holds a name: `absent` is the resolvers' NXDOMAIN for the name.

    `trouble` says why, where the name may lie in a zone further down, of which nothing could be learnt.
    """

    zone: Name
    names: tuple[Name, ...]
    negative_ttl: int = 0
    absent: bool = False
    trouble: Unanswered | None = None
    glue: dict[Name, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DnsSetup:
    """Holds how we reach DNS: resolvers, the port of authoritative servers, seconds for one try."""

    resolvers: tuple[SocketAddress, ...]
    port: int
    per_try: float
    cache: Cache[Any]
    is_registry: Callable[[str], bool]
    public_only: bool = False  # whether servers at other addresses are left alone


class Delegations:
    """Finds zone cuts within one round of questions: whatever two questions need alike is asked once."""

    def __init__(self, setup: DnsSetup, budget: QuestionBudget) -> None:
        self._setup, self._budget = setup, budget
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def zone_of(self, name: Name) -> ZoneCut | Unanswered:
        """Finds the zone that holds a name."""
        return await self._once(("zone", name), self._zone_of(name))

    def nearest(self, name: Name) -> ZoneCut | None:
        """Finds the closest zone at or above a name that is known already: its servers send on, where they must."""
        known = (self._setup.cache.get(("zone", name[at:])) for at in range(len(name) + 1))
        return next((cut for cut in known if cut is not None and cut.trouble is None), None)

    async def servers(self, cut: ZoneCut, most: int = MAX_SERVERS) -> tuple[Nameserver, ...]:
        """Finds addresses of a zone's servers that this machine has a route to, at most so many in all."""
        names = cut.names[:most]
        room = most // max(1, len(names))
        found = await asyncio.gather(*(self._addresses(name, cut, both=room > 1) for name in names))
        return tuple(
            Nameserver(name=name_text(name), addresses=addresses[:room])
            for name, addresses in zip(names, found, strict=True)
        )

    async def refer(self, cut: ZoneCut, name: Name) -> DnsMessage | Unanswered:
        """Asks the servers of a zone, without recursion, who serves the zone of `name`."""
        query = DnsQuery(name, NS, recursive=False)
        servers = await self.servers(cut, PARENT_SERVERS)
        addresses = [(each.addresses[0], self._setup.port) for each in servers if each.addresses]
        return await self._once(("refer", query), first_telling(addresses, query, self._budget, self._setup.per_try))

    async def resolve(self, name: Name, rdtype: int) -> DnsMessage | Unanswered:
        """Asks the resolvers with checking disabled, one after the other."""
        query = DnsQuery(name, rdtype, recursive=True, checking_disabled=True)
        return await self._once(
            ("resolve", query), first_telling(self._setup.resolvers, query, self._budget, self._setup.per_try)
        )

    def close(self) -> None:
        """Drops what nobody waits for any more."""
        for task in self._running.values():
            task.cancel()

    async def _once(self, key: Hashable, work: Coroutine[Any, Any, Value]) -> Value:
        """Does the work for the first who asks, within this round; those who ask meanwhile or later share it."""
        task: asyncio.Task[Value] | None = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(work)
        else:
            work.close()
        return await asyncio.shield(task)

    async def _zone_of(self, name: Name) -> ZoneCut | Unanswered:
        kept: ZoneCut | None = self._setup.cache.get(("zone", name))
        if kept is not None:
            return kept
        told = await self._patiently(self.resolve(name, SOA))
        if isinstance(told, Unanswered) or told.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return await self._from_above(name, told if isinstance(told, Unanswered) else failure(told))
        if alias_at(told, name) is not None:
            return await self._of_alias(name)
        record = soa(told)
        if record is None or not lies_in(name, record.owner):
            return await self._from_above(name, Unanswered(why=Why.LAME, detail="the resolvers found no SOA"))
        cut = await self._cut(record, told)
        if isinstance(cut, ZoneCut):
            self._setup.cache.put(("zone", name), cut, negative_ttl(told) if cut.absent else record.ttl)
            self._setup.cache.put(("zone", cut.zone), replace(cut, absent=False), record.ttl)
        return cut

    async def _of_alias(self, name: Name) -> ZoneCut | Unanswered:
        """Finds the zone of an alias: the one above, but where that is a registry (RFC 1034 3.6.2 is often broken)."""
        above = await self._above(name)
        if isinstance(above, Unanswered) or not self._setup.is_registry(name_text(above.zone)):
            return above
        told = await self.refer(above, name)
        below = self.below(above, told, name) if isinstance(told, DnsMessage) else None
        return below or above

    async def _cut(self, apex: ResourceRecord, told: DnsMessage) -> ZoneCut | Unanswered:
        servers = await self.nameservers_of(apex.owner)
        if isinstance(servers, Unanswered):
            return await self._from_above(apex.owner, servers)
        return ZoneCut(apex.owner, servers, negative_ttl(told), absent=told.rcode == dns.rcode.NXDOMAIN)

    async def nameservers_of(self, zone: Name) -> tuple[Name, ...] | Unanswered:
        """Finds the names of a zone's servers."""
        kept: tuple[Name, ...] | None = self._setup.cache.get(("servers", zone))
        if kept is not None:
            return kept
        told = await self.resolve(zone, NS)
        if isinstance(told, Unanswered):
            return told
        names = nameservers(told.answer, zone)
        if not names:
            return Unanswered(
                why=Why.NO_SERVERS, detail=f"no nameservers are known for {name_text(zone) or 'the root'}"
            )
        self._setup.cache.put(("servers", zone), names, min(record.ttl for record in told.answer))
        return names

    async def _above(self, name: Name) -> ZoneCut | Unanswered:
        if name == ROOT:
            return Unanswered(why=Why.NO_SERVERS, detail="the resolvers know no root zone")
        return await self.zone_of(name[1:])

    async def _from_above(self, name: Name, trouble: Unanswered) -> ZoneCut | Unanswered:
        """Learns the delegation from the closest zone above that answers."""
        if name == ROOT:
            return trouble
        above = await self._above(name)
        if isinstance(above, Unanswered):
            return trouble
        told = await self.refer(above, name)
        if isinstance(told, Unanswered):
            return replace(above, absent=False, trouble=trouble)
        return self.below(above, told, name) or replace(above, absent=told.rcode == dns.rcode.NXDOMAIN)

    def below(self, cut: ZoneCut, told: DnsMessage, name: Name) -> ZoneCut | None:
        """Reads a referral to a zone below, with the addresses that came along."""
        zone = referral(told, cut.zone, name)
        if zone is None:
            return None
        names = nameservers(told.authority, zone)
        glue = {each: _addresses_in(told.additional, each) for each in names if lies_in(each, zone)}
        return ZoneCut(zone, names, glue={each: addresses for each, addresses in glue.items() if addresses})

    async def _addresses(self, name: Name, cut: ZoneCut, *, both: bool) -> tuple[str, ...]:
        """Finds IPv4 addresses, and IPv6 ones where there is room for `both` or nothing else."""
        if name in cut.glue:
            return self._usable(cut.glue[name])
        kept: tuple[str, ...] | None = self._setup.cache.get(("addresses", name, both))
        if kept is not None:
            return kept
        together = [A, AAAA] if both and is_usable(FAR_AWAY) else [A]
        records = [*await asyncio.gather(*(self._found(name, rdtype) for rdtype in together))]
        if not any(records) and together == [A]:
            records = [await self._found(name, AAAA)]
        told = tuple(record for found in records for record in found)
        addresses = self._usable(_addresses_in(told, None))
        if addresses:
            self._setup.cache.put(("addresses", name, both), addresses, min(record.ttl for record in told))
        return addresses

    def _usable(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Keeps the addresses that we may and can ask: a zone may name any address for its servers, ours too."""
        allowed = filter(_public, addresses) if self._setup.public_only else addresses
        return tuple(filter(is_usable, allowed))

    async def _found(self, name: Name, rdtype: int) -> tuple[ResourceRecord, ...]:
        told = await self.resolve(name, rdtype)
        return told.answer if isinstance(told, DnsMessage) else ()

    async def _patiently(self, work: Coroutine[Any, Any, DnsMessage | Unanswered]) -> DnsMessage | Unanswered:
        """Waits for the resolvers, not for ever: they may be slow only because this zone's servers are."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=HEDGE)
        return task.result() if done else Unanswered(why=Why.TIMEOUT, detail="the resolvers do not answer")


def _public(address: str) -> bool:
    read = read_address(address)
    return read is not None and is_not_public(read) is None


def _addresses_in(records: tuple[ResourceRecord, ...], owner: Name | None) -> tuple[str, ...]:
    """Lists the addresses of one owner, or of whatever an alias led to."""
    return tuple(
        dict.fromkeys(
            record.rdata.ip
            for record in records
            if isinstance(record.rdata, AddressRecord) and (owner is None or record.owner == owner)
        )
    )
