"""A DNS host over the lab's nameservers: its API is AXFR and RFC 2136, and it fails in the ways that real ones do."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import dns.name
import dns.query
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import dns.zone

from letterhead.adapters.dns.dnspython_values import rrset
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.dns.lookup import is_in_zone
from letterhead.core.dns.records import Address, Other, Rdata, RRset, Target
from letterhead.core.secret import Secret, reveal
from letterhead.core.zone_changes.changes import RRsetChange
from letterhead.core.zone_changes.dns_plan import DnsPlan, PlanState
from letterhead.core.zone_changes.plan_changes import plan_changes
from letterhead.errors import Fault, Kind
from letterhead.operations import domains
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.hosted_zones import credential_purpose
from letterhead.operations.ids import new_id
from letterhead.ports.deps import Deps
from letterhead.ports.dns_host import CredentialField, DnsHostAccess, HostCredential
from letterhead.ports.resolver import Allowance
from letterhead.ports.store.dns_credentials import StoredDnsCredential
from tests.rigs.dns_lab import KEY, Authority, DnsLab
from tests.rigs.zone_servers import text_of

TOKEN = "lab-token-M4Qz8vT1xW6cR3nB9kE2yU5pL7aD0sGf"
HOST = "lab"
LAB = (
    DnsHostAccess(
        id=HOST,
        name="The lab",
        fields=(CredentialField(name="token", title="API token"),),
        scope="edit the records of this one zone",
        source="https://lab.example/tokens",
    ),
)


class Killed(BaseException):
    """The process ended here: nothing after it runs."""


@dataclass
class LabHost:
    """The implementation of `HostedZones` on the lab's servers, with one zone's faults as a test wants them.

    `one_by_one`: there are no change sets, and `stops_after` records written it raises `stop`. `lies`: it says that it
    wrote and did not. `only` is the one server that is written, where others lag behind.
    """

    lab: DnsLab
    one_by_one: bool = False
    stops_after: int | None = None
    stop: BaseException = field(default_factory=Killed)
    lies: bool = False
    only: Authority | None = None
    token: str = TOKEN
    echoes: bool = False  # repeats the token in its errors, as some do
    written: int = 0  # RRsets
    at_once: int = 0
    most_at_once: int = 0

    def list_hosts(self) -> Sequence[DnsHostAccess]:
        """Return the one host."""
        fields = (CredentialField(name="token", title="API token"),)
        scope = "edit the records of one zone"
        return (
            DnsHostAccess(id=HOST, name="The lab", fields=fields, scope=scope, source="https://lab.example/tokens"),
        )

    def open_zone(self, host: str, zone: str, credential: HostCredential) -> "LabZone":
        """Return a zone."""
        if host != HOST or set(credential.fields) != {"token"}:
            raise Fault(Kind.PARAMETER_INVALID, f"{host[:40]} is no DNS host here.", "Use lab, with a token.")
        return LabZone(self, zone, reveal(credential.fields["token"]).decode())


class LabZone:
    """One zone of the lab."""

    def __init__(self, host: LabHost, zone: str, token: str) -> None:
        self._host, self._zone, self._token = host, zone, token
        self._servers = [host.only] if host.only else host.lab.servers_of(zone)

    def _sign_in(self) -> None:
        if self._token != self._host.token:
            said = f" (it was {self._token})" if self._host.echoes else ""
            raise Fault(
                Kind.DNS_HOST_REFUSED, f"The lab does not take the token{said}.", "Make a new token.",
                provider=HOST, provider_code=f"401{said}",
            )  # fmt: skip

    async def read(self) -> Sequence[RRset]:
        """Transfer the zone."""
        self._sign_in()
        server = self._servers[0]
        self._host.at_once += 1
        self._host.most_at_once = max(self._host.most_at_once, self._host.at_once)
        try:
            return await asyncio.to_thread(_transfer, server, self._zone)
        finally:
            self._host.at_once -= 1

    async def write(self, changes: Sequence[RRsetChange]) -> None:
        """Update the zone, in one message or in one for each RRset."""
        sets = [[each] for each in changes] if self._host.one_by_one else [list(changes)]
        for number, part in enumerate(sets):
            if self._host.stops_after is not None and number >= self._host.stops_after:
                raise self._host.stop
            self._sign_in()
            if not self._host.lies:
                for server in self._servers:
                    await asyncio.to_thread(_update, server, self._zone, part)
            self._host.written += len(part)


class MemoryHost:
    """A DNS host and its nameservers in this process: what is written at it is what the resolver answers."""

    def __init__(self, *zones: str) -> None:
        self.zones: dict[str, dict[tuple[str, str], RRset]] = {}
        for zone in zones:
            self.zones[zone] = {}
            soa = Other(text=f"ns1.{zone}. dns.{zone}. 1 7200 3600 1209600 600")
            self.put(zone, zone, "SOA", soa)
            self.put(zone, zone, "NS", Target(name=f"ns1.{zone}"))
            self.put(zone, f"ns1.{zone}", "A", Address(ip="192.0.2.1"))

    def put(self, zone: str, owner: str, rdtype: str, *rdatas: Rdata) -> None:
        """Let records stand in a zone."""
        self.zones[zone][owner, rdtype] = RRset(owner=owner, rdtype=rdtype, ttl=300, rdatas=rdatas)

    def list_hosts(self) -> Sequence[DnsHostAccess]:
        """Return the one host."""
        return LAB

    def open_zone(self, host: str, zone: str, credential: HostCredential) -> "MemoryZone":
        """Return a zone; what is wrong with the credential shows when it is read."""
        token = credential.fields.get("token")
        return MemoryZone(self.zones, zone, host == HOST and token is not None and reveal(token) == TOKEN.encode())

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer as the zones stand now."""
        del allowance
        found, read = {}, dict[str, ZoneFileResolver]()
        for question in questions:
            zones = [zone for zone in self.zones if is_in_zone(question.name, zone)] or list(self.zones)[:1]
            if zones[0] not in read:
                read[zones[0]] = ZoneFileResolver(self.text(zones[0]))
            found[question] = read[zones[0]].replies(question)
        return found

    def text(self, zone: str) -> str:
        """Return a zone as text, which begins with its SOA."""
        held = sorted(self.zones[zone].values(), key=lambda each: each.rdtype != "SOA")
        lines = (f"{each.owner}. {each.ttl} {each.rdtype} {text_of(rdata)}" for each in held for rdata in each.rdatas)
        return "\n".join([f"$ORIGIN {zone}.", *lines])


class MemoryZone:
    """One zone of it."""

    def __init__(self, zones: dict[str, dict[tuple[str, str], RRset]], zone: str, signed_in: bool) -> None:
        self._zones, self._zone, self._signed_in = zones, zone, signed_in

    async def read(self) -> Sequence[RRset]:
        """Return the zone."""
        if not self._signed_in:
            raise Fault(Kind.DNS_HOST_REFUSED, "The lab does not take the token.", "Make a new token.", provider=HOST)
        if self._zone not in self._zones:
            raise Fault(Kind.NOT_FOUND, f"The lab has no zone {self._zone}.", "Use the account that has it.")
        return list(self._zones[self._zone].values())

    async def write(self, changes: Sequence[RRsetChange]) -> None:
        """Change the zone."""
        for change in changes:
            key = (change.rrset.owner, change.rrset.rdtype)
            self._zones[self._zone].pop(key, None)
            if change.after is not None:
                self._zones[self._zone][key] = change.after


def _transfer(server: Authority, zone: str) -> list[RRset]:
    messages = dns.query.xfr(
        server.address, zone, port=server.port, lifetime=10, relativize=False, keyring={KEY.name: KEY}, keyname=KEY.name
    )
    found = dns.zone.from_xfr(messages, relativize=False)
    return [rrset(name, each.rdtype, each.ttl, each) for name, each in found.iterate_rdatasets()]


def _update(server: Authority, zone: str, changes: Sequence[RRsetChange]) -> None:
    update = dns.update.UpdateMessage(zone, keyring=KEY)
    for change in changes:
        owner = dns.name.from_text(change.rrset.owner)
        if change.after is None:
            update.delete(owner, change.rrset.rdtype)
        else:
            update.replace(owner, change.after.ttl, change.after.rdtype, *map(text_of, change.after.rdatas))
    rcode = dns.query.tcp(update, server.address, port=server.port, timeout=10).rcode()
    if rcode != dns.rcode.NOERROR:
        raise Fault(Kind.DNS_HOST_FAILED, f"The lab answered {dns.rcode.to_text(rcode)}.", "Try again.", provider=HOST)


async def plant_plan(deps: Deps, sender: str, account_id: str) -> DnsPlan:
    """Make a plan of a domain without asking a host: one for a zone that has nothing in it yet."""
    domain = await domains.find_domain(deps, account_id, sender)
    plan = DnsPlan(
        id=new_id(deps, "plan"),
        account_id=account_id,
        domain_id=domain.id,
        host=HOST,
        zone=sender,
        state=PlanState.PLANNED,
        changes=plan_changes(domains.plan_of(deps, domain), ()),
        created_at=deps.now(),
        changed_at=deps.now(),
    )
    row = audit_row(deps, Actor(name="test", account_id=account_id), "dns-plan.make", f"{sender} {plan.id}")
    await deps.store.add_dns_plan(plan, 20, row)
    return plan


async def plant_credential(deps: Deps, zone: str, account_id: str) -> str:
    """Keep a credential for a zone without asking a host; return its id."""
    credential = DnsCredential(
        id=new_id(deps, "dns"), account_id=account_id, zone=zone, host=HOST, fields=("token",), created_at=deps.now()
    )
    sealed = deps.keyring.seal(Secret(b'{"token":"canary"}'), credential_purpose(credential))
    row = audit_row(deps, Actor(name="test", account_id=account_id), "dns-credential.keep", credential.id)
    await deps.store.keep_dns_credential(StoredDnsCredential(credential=credential, sealed=sealed), 20, row)
    return credential.id
