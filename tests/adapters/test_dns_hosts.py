"""Zones read and written at DNS hosts: three real servers and Route 53 as moto has it, asked by our own resolver."""

import asyncio
import base64
import itertools
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import dns.update
import pytest
from moto.server import ThreadedMotoServer
from msgspec.structs import replace as changed

from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns_hosts.hosts import OctoDnsHosts
from letterhead.adapters.dns_hosts.limits import LibraryThreads
from letterhead.core.dns.answers import Found, Question, View
from letterhead.core.dns.records import Mx, RRset, Target, Txt, split_text
from letterhead.core.secret import Secret
from letterhead.core.zone_changes.changes import RRsetChange
from letterhead.errors import Fault, Kind
from letterhead.ports.dns_host import HostCredential, HostedZone
from letterhead.ports.resolver import Allowance
from tests.rigs import name_servers
from tests.rigs.dns_lab import KEY, NS1, RESOLVER, DnsLab
from tests.rigs.name_servers import API_KEY
from tests.rigs.processes import free_port

KEY_TEXT = "v=DKIM1; k=rsa; p=" + "abcdefgh" * 60  # longer than one string
SPF, MERGED = "v=spf1 mx -all", "v=spf1 mx include:amazonses.com -all"
VERIFICATION = 'a "quoted" \\ value; with ü'.encode().decode("latin-1")
FOREIGN = f"""\
@ 60 IN MX 10 mail
@ 60 IN TXT "{SPF}"
@ 60 IN TXT "a \\"quoted\\" \\\\ value\\; with \\195\\188"
@ 60 IN TXT "{"x" * 200}" "{"y" * 200}"
www 60 IN A 192.0.2.1
odd 60 IN TXT "a \\"quoted\\" \\\\ value\\; with \\195\\188"
rare 60 IN HINFO "PC" "DOS"
latin 60 IN TXT "caf\\233"
*.wild 60 IN TXT "anything"
"""
HEAD = "@ 60 IN SOA ns hostmaster 1 60 60 600 5\n@ 60 IN NS ns\nns 60 IN A {address}\nmail 60 IN A 192.0.2.2\n"
numbers = itertools.count(1)


@dataclass
class Rig:
    """One zone at a DNS host: who opens it, with what, and where it is served once `publish` has run."""

    name: str
    host: str
    fields: Mapping[str, str]
    servers: tuple[tuple[str, int], ...]
    publish: Callable[[], None] = lambda: None

    def open(self, **fields: str) -> HostedZone:
        """Open the zone, with other fields of the credential where these are given."""
        given = {name: Secret(value.encode()) for name, value in (dict(self.fields) | fields).items()}
        return OctoDnsHosts(self.servers).open_zone(self.host, self.name, HostCredential(given))


@contextmanager
def powerdns(lab: DnsLab, folder: Path) -> Iterator[Rig]:
    """Run PowerDNS with its API."""
    name, address, api = f"pdns{next(numbers)}.test", "127.0.0.31", free_port("127.0.0.31")
    text = HEAD.format(address=address) + FOREIGN
    server = name_servers.start_powerdns(folder, address, lab.authoritative_port, {name: text}, api_port=api)
    lab.hand_over(name, f"ns.{name}", address)
    yield Rig(name, "powerdns", {"url": f"http://{address}:{api}", "apiKey": API_KEY}, ((address, api),))
    server.stop()


@contextmanager
def bind(lab: DnsLab, folder: Path) -> Iterator[Rig]:
    """Run BIND."""
    name, address, port = f"bind{next(numbers)}.test", "127.0.0.1", lab.authoritative_port
    server = name_servers.start_bind(folder, address, port, {name: HEAD.format(address=address) + FOREIGN})
    lab.hand_over(name, f"ns.{name}", address)
    fields = {"server": f"{address}:{port}", "keyName": "lab", "secret": base64.b64encode(KEY.secret).decode()}
    yield Rig(name, "rfc2136", fields, ((address, port),))
    server.stop()


@contextmanager
def knot(lab: DnsLab, folder: Path) -> Iterator[Rig]:
    """Take a zone of the lab's own server."""
    name, port = lab.zone(f"knot{next(numbers)}.test"), lab.authoritative_port

    def fill(update: dns.update.UpdateMessage) -> None:
        for line in FOREIGN.splitlines():
            owner, ttl, _, rdtype, value = line.split(" ", 4)
            update.add(name + "." if owner == "@" else owner, int(ttl), rdtype, value)

    lab.ns1.change(name, fill)
    fields = {
        "server": f"{NS1}:{port}", "keyName": "lab.", "algorithm": "hmac-sha256",
        "secret": base64.b64encode(KEY.secret).decode(),
    }  # fmt: skip
    yield Rig(name, "rfc2136", fields, ((NS1, port),))


@contextmanager
def route53(lab: DnsLab, folder: Path) -> Iterator[Rig]:
    """Run moto, and serve by Knot DNS what its zone holds."""
    name, address = f"route{next(numbers)}.test", "127.0.0.32"
    with ExitStack() as opened:
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        moto.start()
        opened.callback(moto.stop)
        host, port = moto.get_host_and_port()
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("AWS_ENDPOINT_URL_ROUTE_53", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")  # which Amazon's client wants with an endpoint
        client = boto3.client("route53", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="an example")
        zone_id = client.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
        changes = [
            {"Action": "UPSERT", "ResourceRecordSet": {"Name": owner, "Type": rdtype, "TTL": 60, "ResourceRecords": [
                {"Value": value} for value in values]}}
            for owner, rdtype, values in (
                (name, "MX", [f"10 mail.{name}."]),
                (name, "TXT", [f'"{SPF}"', '"google-site-verification=abc; d"']),
                (f"odd.{name}", "TXT", [r'"a \"quoted\" \\ value; with \303\274"']),
                (f"www.{name}", "A", ["192.0.2.1"]),
            )
        ]  # fmt: skip
        client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})

        def publish() -> None:
            sets = client.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
            lines = [
                f"{each['Name']} {each['TTL']} IN {each['Type']} {record['Value']}"
                for each in sets if each["Type"] not in ("SOA", "NS") for record in each["ResourceRecords"]
            ]  # fmt: skip
            # Route 53 writes octets in octal, a zone file in decimal numbers.
            text = re.sub(r"\\([0-3][0-7]{2})", lambda hit: f"\\{int(hit[1], 8):03d}", "\n".join(lines))
            text = HEAD.format(address=address) + text
            inner = Path(folder, f"served{next(numbers)}")
            inner.mkdir()
            for server in served:
                server.stop()
            served[:] = [name_servers.start_knot(inner, address, lab.authoritative_port, {name: text})]
            lab.hand_over(name, f"ns.{name}", address)

        served: list[Any] = []
        fields = {"accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "an/example"}
        yield Rig(name, "route53", fields, (), publish)
        for server in served:
            server.stop()


RIGS = {"PowerDNS": powerdns, "Knot DNS": knot, "BIND": bind, "Route 53": route53}


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, lab: DnsLab, tmp_path: Path) -> Iterator[Rig]:
    """Return a zone at each DNS host in turn."""
    with RIGS[request.param](lab, tmp_path) as made:
        yield made


def by_name(rrsets: Any) -> dict[tuple[str, str], RRset]:
    """Order RRsets by owner and type, without what a server changes by itself."""
    return {(each.owner, each.rdtype): each for each in rrsets if each.rdtype not in ("SOA", "RRSIG", "NSEC")}


def text_set(owner: str, *texts: str, ttl: int = 60) -> RRset:
    """Make a TXT RRset."""
    return RRset(owner=owner, rdtype="TXT", ttl=ttl, rdatas=tuple(Txt(strings=split_text(text)) for text in texts))


def texts_of(rrset: RRset) -> set[str]:
    """Return the texts of a TXT RRset."""
    return {each.text for each in rrset.rdatas if isinstance(each, Txt)}


async def answered(lab: DnsLab, name: str, rdtype: str) -> RRset | None:
    """Ask every nameserver of a name by our own resolver."""
    resolver = DnsResolver([(RESOLVER, lab.resolver_port)], lab.authoritative_port)
    question = Question(name=name, rdtype=rdtype, view=View.EVERY_SERVER)
    until = asyncio.get_running_loop().time() + 20
    replies = (await resolver.ask([question], Allowance(packets=100, until=until)))[question]
    assert replies
    found = [each.answer.rrset for each in replies if isinstance(each.answer, Found)]
    return found[0] if len(found) == len(replies) else None


def planned(zone: str, apex: RRset) -> list[RRsetChange]:
    """Plan what a sender domain needs: a key, a merged SPF, an MX with its SPF and a CNAME."""
    merged = [MERGED if text == SPF else text for text in texts_of(apex)]
    mx = RRset(owner=f"lh.{zone}", rdtype="MX", ttl=300, rdatas=(Mx(preference=10, exchange="feedback.amazonses.com"),))
    cname = RRset(owner=f"lh2._domainkey.{zone}", rdtype="CNAME", ttl=300, rdatas=(Target(name="lh2.keys.example"),))
    return [
        RRsetChange(before=None, after=text_set(f"lh1._domainkey.{zone}", KEY_TEXT, ttl=300)),
        RRsetChange(before=apex, after=text_set(zone, *merged)),
        RRsetChange(before=None, after=mx),
        RRsetChange(before=None, after=text_set(mx.owner, "v=spf1 include:amazonses.com ~all", ttl=300)),
        RRsetChange(before=None, after=cname),
        RRsetChange(before=None, after=text_set(f"_dmarc.{zone}", "v=DMARC1; p=none; rua=mailto:a@example.com")),
    ]


async def test_a_zone_is_read_written_and_put_back(lab: DnsLab, rig: Rig) -> None:
    """What is planned is served, every octet of it; what others have stays, and undoing leaves the zone as it was."""
    zone = rig.open()
    before = by_name(await zone.read())
    apex = before[rig.name, "TXT"]
    assert SPF in texts_of(apex)
    odd = before[f"odd.{rig.name}", "TXT"]
    assert VERIFICATION in texts_of(odd)
    changes = planned(rig.name, apex)
    await zone.write(changes)
    rig.publish()
    for change in changes:
        served = await answered(lab, change.rrset.owner, change.rrset.rdtype)
        assert served is not None, change.rrset.owner
        assert change.after is not None
        if served.rdtype == "TXT":
            assert texts_of(served) == texts_of(change.after)
        else:
            assert served.rdatas == change.after.rdatas
    after = by_name(await zone.read())
    keys = {(each.rrset.owner, each.rrset.rdtype) for each in changes}
    assert {key: after[key] for key in after.keys() - keys} == {key: before[key] for key in before.keys() - keys}
    undone = [RRsetChange(before=after[each.rrset.owner, each.rrset.rdtype], after=each.before) for each in changes]
    await zone.write(undone)
    assert by_name(await zone.read()) == before


async def test_a_zone_that_changed_meanwhile_is_left_alone(rig: Rig) -> None:
    """One RRset that is no longer as it was read, or was never there: all of the changes are refused."""
    zone = rig.open()
    before = by_name(await zone.read())
    apex = before[rig.name, "TXT"]
    for wrong in (text_set(rig.name, SPF), None):
        changes = [changed(each, before=wrong) if each.before else each for each in planned(rig.name, apex)]
        with pytest.raises(Fault) as refused:
            await zone.write(changes)
        assert refused.value.kind is Kind.CONFLICT
        assert rig.name in refused.value.detail
    assert by_name(await zone.read()) == before


async def test_what_octodns_cannot_write_is_refused(rig: Rig) -> None:
    """A text with octets that octoDNS would change is refused before anything is written."""
    zone = rig.open()
    before = by_name(await zone.read())
    for odd in ('with "quotes"', "caf\xe9", "back\\slash", ""):
        with pytest.raises(Fault) as refused:
            await zone.write([RRsetChange(before=None, after=text_set(f"odd1.{rig.name}", odd))])
        assert (refused.value.kind, refused.value.provider_code) == (Kind.CONFLICT, "not-writable")
    assert by_name(await zone.read()) == before


WRONG = {
    "powerdns": {"apiKey": "wrong-key-0123456789"},
    "rfc2136": {"secret": base64.b64encode(b"another secret of some length").decode()},
}


@pytest.mark.parametrize("start", [powerdns, knot, bind])
async def test_a_wrong_credential_is_named_and_never_shown(lab: DnsLab, tmp_path: Path, start: Any) -> None:
    """The fault has the host's own code and the scope that is needed, and no value of the credential."""
    with start(lab, tmp_path) as rig:
        with pytest.raises(Fault) as refused:
            await rig.open(**WRONG[rig.host]).read()
        fault = refused.value
        assert fault.kind is Kind.DNS_HOST_REFUSED
        assert fault.provider == rig.host
        assert fault.provider_code in ("401", "BADSIG", "NOTAUTH", "BADKEY")
        shown = f"{fault.detail} {fault.fix} {fault!r} {fault.__cause__!r}"
        assert not any(value in shown for value in WRONG[rig.host].values())
        missing = replace(rig, name=f"nowhere.{rig.name}")
        with pytest.raises(Fault) as nowhere:
            await missing.open().read()
        assert nowhere.value.kind in (Kind.NOT_FOUND, Kind.DNS_HOST_REFUSED)


async def test_disabled_records_of_powerdns_stay_disabled(lab: DnsLab, tmp_path: Path) -> None:
    """A record that PowerDNS holds back is not read, and an RRset with one is not written."""
    import sqlite3

    with powerdns(lab, tmp_path) as rig:
        with sqlite3.connect(tmp_path / "pdns.db") as database:
            database.execute("UPDATE records SET disabled = 1 WHERE content LIKE '%spf1%'")
        zone = rig.open()
        apex = by_name(await zone.read())[rig.name, "TXT"]
        assert SPF not in texts_of(apex)
        with pytest.raises(Fault) as refused:
            await zone.write([RRsetChange(before=apex, after=text_set(rig.name, *texts_of(apex), MERGED))])
        assert refused.value.kind is Kind.CONFLICT


@pytest.mark.parametrize(
    ("host", "fields", "word"),
    [
        ("nobody", {}, "can't be written"),
        ("cloudflare", {}, "lacks token"),
        ("cloudflare", {"token": "abc", "email": "a@example.com"}, "no field 'email'"),
        ("cloudflare", {"token": "abc\r\nX-Auth: 1"}, "token"),
        ("cloudflare", {"token": ""}, "token"),
        ("powerdns", {"url": "http://127.0.0.1:8081", "apiKey": "abc"}, "does not write at"),
        ("powerdns", {"url": "http://192.0.2.1:8081@127.0.0.1:80", "apiKey": "abc"}, "does not write at"),
        ("powerdns", {"url": "http://192.0.2.1:8081/other", "apiKey": "abc"}, "does not write at"),
        ("powerdns", {"url": "file://192.0.2.1:8081", "apiKey": "abc"}, "does not write at"),
        ("rfc2136", {"server": "192.0.2.1:54", "keyName": "k", "secret": "YWJj"}, "does not write at"),
        ("rfc2136", {"server": "192.0.2.1", "keyName": "k", "secret": "YWJj"}, "does not write at"),
        ("rfc2136", {"server": "192.0.2.1:8081", "keyName": "k", "secret": "YWJj", "algorithm": "md5"}, "algorithm"),
        ("ovh", {"endpoint": "http://127.0.0.1", "applicationKey": "a", "applicationSecret": "b", "consumerKey": "c"},
         "none of OVHcloud's"),
        ("dnsimple", {"token": "abc", "account": "../1"}, "no number"),
    ],
)  # fmt: skip
def test_a_credential_that_cannot_be_is_refused_at_once(host: str, fields: dict[str, str], word: str) -> None:
    """Before any request is sent, and without its values in the message."""
    hosts = OctoDnsHosts([("192.0.2.1", 8081)])
    given = {name: Secret(text.encode()) for name, text in fields.items()}
    with pytest.raises(Fault) as refused:
        hosts.open_zone(host, "acme.dev", HostCredential(given))
    assert refused.value.kind is Kind.PARAMETER_INVALID
    assert word in refused.value.detail
    assert refused.value.fix


@pytest.mark.parametrize("sent", ["HTTP/1.1 200 OK\r\nX-A: ", "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
                                  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])  # fmt: skip
async def test_a_server_that_sends_an_octet_at_a_time_holds_no_thread(
    monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    """In the head or in the body: at the deadline the connection ends, and with it the call."""
    from letterhead.adapters.dns_hosts import zone

    monkeypatch.setattr(zone, "SECONDS", 1.0)
    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(sent.encode())
            while not ended.wait(0.05):
                connection.sendall(b" ")
        ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = listener.getsockname()
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        given = {"url": Secret(f"http://127.0.0.1:{place[1]}".encode()), "apiKey": Secret(b"a-key-0123456789")}
        threads = LibraryThreads(1)
        with pytest.raises(Fault) as late:
            await OctoDnsHosts([place], threads).open_zone("powerdns", "acme.dev", HostCredential(given)).read()
        assert late.value.kind is Kind.DNS_HOST_FAILED
        try:
            async with asyncio.timeout(20):
                while True:
                    with suppress(Fault):
                        assert await threads.run(lambda: 1, 5, "Reading acme.dev at a host") == 1
                        break
                    await asyncio.sleep(0.01)  # until the thread has told that it ended
        finally:
            ended.set()
            thread.join(20)


async def test_a_library_that_hangs_takes_one_place() -> None:
    """Whoever waits hears of it in time; others go on until all places are taken, and then are told to wait."""
    threads, go_on = LibraryThreads(2), threading.Event()
    hung = []
    for _ in range(2):
        with pytest.raises(Fault) as late:
            await threads.run(go_on.wait, 0.01, "Reading acme.dev at a host")
        assert late.value.kind is Kind.DNS_HOST_FAILED
        hung.append(late)
    with pytest.raises(Fault) as full:
        await threads.run(lambda: 1, 5, "Reading acme.dev at a host")
    assert full.value.kind is Kind.TOO_MANY_REQUESTS
    go_on.set()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await threads.run(lambda: 1, 5, "Reading acme.dev at a host") == 1
                break
            except Fault:
                await asyncio.sleep(0.01)  # until a thread has told that it ended
