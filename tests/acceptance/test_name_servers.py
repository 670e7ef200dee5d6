"""The servers that DNS hosts use (BIND, NSD, Knot DNS, PowerDNS): each is judged right; updates that they take."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from letterhead.adapters.dns.interpret import server_answer
from letterhead.adapters.dns.labels import name_from
from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.update import ZoneUpdates
from letterhead.adapters.dns.wire import TXT, DnsQuery, belongs, question_packet, read_message
from letterhead.core.check import check
from letterhead.core.dns.answers import Found, NxDomain
from letterhead.core.dns.records import zone_line
from letterhead.core.findings.diagnosis import History
from letterhead.core.plan.plan import Verdict
from letterhead.core.secret import Secret
from letterhead.errors import Fault
from letterhead.operations.dns_questions import DnsRequest, ask_until_answered
from tests.core import samples
from tests.rigs import name_servers
from tests.rigs.dns_lab import KEY, RESOLVER, DnsLab, ask
from tests.rigs.name_servers import SERVERS
from tests.rigs.processes import Server

ADDRESSES = {"BIND": "127.0.0.1", "NSD": "127.0.0.21", "Knot DNS": "127.0.0.22", "PowerDNS": "127.0.0.23"}
PRIMARY, SECONDARY = ADDRESSES["BIND"], "127.0.0.24"
HEAD = "@ 60 IN SOA ns hostmaster 1 60 60 600 5\n@ 60 IN NS ns\nns 60 IN A {address}"
TTL = timedelta(minutes=5)
NO_PROVIDER = {"mail-from.mx-no-address", "spf.provider-broken"}  # the lab has no zone of the mail provider
NOTHING_OF_ITS_OWN = {
    "dkim.missing", "mail-from.at-parent", "mail-from.spf-missing", "dmarc.inherited", "zone.wildcard-answers",
}  # fmt: skip


@pytest.fixture
def started() -> Iterator[list[Server]]:
    """Hold the servers of a test, and stop them after it."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def parent(lab: DnsLab) -> str:
    """Return the zone that hands a zone over to each server."""
    return lab.zone("makes.test")


def whole_zone(sender: str, address: str) -> str:
    """Write a zone with all that a sender needs, its key in capitals, and a wildcard for other names."""
    records = samples.plan(sender).records
    lines = [zone_line(each.host, each.rdtype, each.value, each.priority, ttl=60) for each in records]
    lines[0] = lines[0].replace(records[0].host, records[0].host.upper(), 1)
    return "\n".join([HEAD.format(address=address), *lines, '*.shops 60 IN TXT "for every shop"'])


@pytest.mark.parametrize("make", SERVERS)
async def test_each_server_is_judged_right(
    lab: DnsLab, parent: str, started: list[Server], tmp_path: Path, make: str
) -> None:
    """What stands in a zone is present without a finding, what does not is missing; names are read in any case."""
    sender, address = f"{make.partition(' ')[0].lower()}.{parent}", ADDRESSES[make]
    started.append(SERVERS[make](tmp_path, address, lab.authoritative_port, {sender: whole_zone(sender, address)}))
    lab.hand_over(sender, f"ns.{sender}", address)
    resolver = DnsResolver([(RESOLVER, lab.resolver_port)], lab.authoritative_port)
    for name, expected in ((sender, NO_PROVIDER), (f"a.shops.{sender}", NOTHING_OF_ITS_OWN)):
        plan = samples.plan(name, zone=sender)
        history = History(special_use=True)
        codes = {"zone.not-asked"}
        while "zone.not-asked" in codes:  # on a busy machine, a check's time may be used up before its questions
            seen = await ask_until_answered(resolver, DnsRequest(plan=plan, history=history))
            judged = check.examine(plan, seen, history=history)
            codes = {each.code for each in judged.findings}
        assert codes == expected
        missing = {"TXT": Verdict.WRONG, "MX": Verdict.ABSENT}  # the wildcard has a TXT
        assert [each.verdict for each in judged.results] == [
            Verdict.PRESENT if name == sender else missing[each.rdtype] for each in plan.records
        ]
    for host, kind in ((f"lh1._domainkey.{sender}", Found), (f"nothing.{sender}", NxDomain)):
        mixed = "".join(letter.upper() if at % 2 else letter for at, letter in enumerate(host))
        assert isinstance(answer_to(mixed, sender, (address, lab.authoritative_port)), kind)


def answer_to(name: str, zone: str, server: tuple[str, int]) -> object:
    """Ask with the letters of a name as they are given (the 0x20 bits), which our own questions have small."""
    query = DnsQuery(name_from(name), TXT, recursive=False)
    packet = question_packet(7, query, edns=True)
    small = name.lower().split(".")
    for label in small:  # the question's labels follow the header one after the other
        at = packet.lower().index(label.encode())
        given = name[name.lower().index(label) :][: len(label)]
        packet = packet[:at] + given.encode() + packet[at + len(label) :]
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(packet, server)
        response = sock.recv(65535)
    assert belongs(response, 7, query)
    assert name.partition(".")[0].encode() in response, "it repeats the question as it was asked"
    return server_answer(read_message(response, query), query, name_from(zone))


async def test_a_secondary_gets_new_keys_by_transfer(lab: DnsLab, started: list[Server], tmp_path: Path) -> None:
    """A key that is written at BIND reaches NSD by NOTIFY and AXFR, at once; one that is taken away goes, too."""
    zone, port = "transferred.test", lab.authoritative_port
    for folder in ("primary", "secondary"):
        (tmp_path / folder).mkdir()
    text = {zone: HEAD.format(address=PRIMARY)}
    started.append(name_servers.start_bind(tmp_path / "primary", PRIMARY, port, text, secondary=SECONDARY))
    secondary = name_servers.start_nsd(tmp_path / "secondary", SECONDARY, port, text, primary=PRIMARY)
    started.append(secondary)
    writer, host = ZoneUpdates(zone, (PRIMARY, port), "lab", "hmac-sha256", Secret(KEY.secret)), f"lh1.abc.{zone}"

    def is_served(texts: list[str]) -> bool:
        sets = ask(SECONDARY, port, host, "TXT", timeout=2).answer
        return [b"".join(rdata.strings).decode() for rrset in sets for rdata in rrset] == texts

    for key in ("v=DKIM1; p=AAAA", "v=DKIM1; p=BBBB", None):
        expected: list[str] = [] if key is None else [key]
        await writer.publish({host: key}, TTL)
        await asyncio.to_thread(secondary.wait_until, partial(is_served, expected))


@pytest.mark.parametrize(
    ("secret", "addresses"), [(b"another secret of some length", "127.0.0.0/8"), (KEY.secret, "10.0.0.0/8")]
)
async def test_what_powerdns_refuses(
    lab: DnsLab, started: list[Server], tmp_path: Path, secret: bytes, addresses: str
) -> None:
    """PowerDNS has one word for a wrong secret and for a wrong address: the fix names both."""
    zone, port = "refused.test", lab.authoritative_port
    text = {zone: HEAD.format(address=PRIMARY)}
    started.append(name_servers.start_powerdns(tmp_path, PRIMARY, port, text, updates_from=addresses))
    writer = ZoneUpdates(zone, (PRIMARY, port), "lab", "hmac-sha256", Secret(secret))
    with pytest.raises(Fault) as refused:
        await writer.publish({f"lh1.abc.{zone}": "v=DKIM1; p="}, TTL)
    assert refused.value.provider_code == "REFUSED"
    for word in ("allow-dnsupdate-from", "secret", "clock"):
        assert word in (refused.value.fix or "")
