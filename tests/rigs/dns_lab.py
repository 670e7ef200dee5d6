"""Run real DNS servers on loopback, on high ports: two authoritative ones (knot) and a validating resolver (unbound).

Both authoritative servers listen on the same port of different addresses, as nameservers of the world do on port 53.
The first serves the root and every zone; a zone with two servers is a primary on both, so that they can disagree.
"""

import base64
import re
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.dnskeybase import Flag

from tests.rigs.processes import Server, free_port, program

NS1, NS2, RESOLVER = "127.0.0.2", "127.0.0.3", "127.0.0.1"
SIGNED, BOGUS = "signed.test", "bogus.test"
# The servers know a second key, `stranger.` with the same secret, which may do nothing.
KEY = dns.tsig.Key("lab.", base64.b64encode(b"only between the tests and a lab"), "hmac-sha256")

KNOT = """\
server:
  rundir: "{folder}"
  listen: {address}@{port}
  udp-workers: 1
  tcp-workers: 2
  background-workers: 1
database:
  storage: "{folder}"
log:
  - target: stderr
    any: warning
statistics:
  timer: 1
  file: "{folder}/statistics"
mod-stats:
  - id: packets
    request-protocol: on
    server-operation: off
    edns-presence: off
    flag-presence: off
    response-code: off
    query-type: off
    query-size: off
    reply-size: off
key:
  - id: lab.
    algorithm: hmac-sha256
    secret: {secret}
  - id: stranger.
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: lab
    key: lab.
    action: [update, transfer]
template:
  - id: default
    storage: "{folder}"
    global-module: mod-stats/packets
    file: "%s.zone"
    acl: lab
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
"""

ZONE = """\
$ORIGIN {origin}
$TTL 60
@ SOA ns1.lab.test. hostmaster.lab.test. 1 60 60 600 5
{nameservers}
"""

# A forward zone, not a stub: a stub gives way to NS records that the resolver has heard, and those mean port 53.
UNBOUND = """\
server:
  directory: "{folder}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  interface: {address}@{port}
  do-not-query-localhost: no
  do-ip6: no
  num-threads: 1
  module-config: "validator iterator"
  ede: yes
  local-zone: "test." nodefault
  edns-buffer-size: 1232
  cache-max-ttl: 2
  cache-max-negative-ttl: 1
  val-bogus-ttl: 1
  infra-keep-probing: yes
  unknown-server-time-limit: 100
  discard-timeout: 10000
{anchors}
remote-control:
  control-enable: yes
  control-interface: "{folder}/control"
  control-use-cert: no
forward-zone:
  name: "."
  forward-addr: {authority}
"""


class Authority:
    """Runs one authoritative server, with zones that can be added and changed while it runs."""

    def __init__(self, folder: Path, address: str, port: int) -> None:
        self.address, self.port = address, port
        self._folder = folder
        self._configuration = folder / "knot.conf"
        secret = base64.b64encode(KEY.secret).decode()
        text = KNOT.format(folder=folder, address=address, port=port, secret=secret)
        self._configuration.write_text(text, "utf-8")
        self._declare(".", "@ NS ns1.lab.test.")
        self.server = Server([program("knotd"), "-c", self._configuration], folder / "log")
        self.server.wait_until(lambda: self._serves("."))

    def add(self, zone: str, nameservers: str, *, signed: bool = False) -> None:
        """Begin to serve a zone that holds its SOA and these records alone."""
        self._declare(f"{zone}.", nameservers, signed=signed)
        self.server.signal(signal.SIGHUP)
        self.server.wait_until(lambda: self._serves(zone))

    def ask(self, name: str, rdtype: str, *, timeout: float = 2) -> dns.message.Message:
        """Ask this server itself; raise `dns.exception.Timeout` where it does not answer."""
        return ask(self.address, self.port, name, rdtype, timeout=timeout)

    def packets(self) -> int:
        """Return how many questions this server has counted, over UDP and TCP, until now: it writes each second."""
        file = self._folder / "statistics"
        written: set[int] = set()

        def is_new() -> bool:
            written.update([file.stat().st_mtime_ns] if file.exists() else [])
            return len(written) > 2

        self.server.wait_until(is_new)
        return sum(map(int, re.findall(r"(?:udp|tcp)[46]: (\d+)", file.read_text("utf-8"))))

    def change(self, zone: str, edit: Callable[[dns.update.UpdateMessage], None]) -> None:
        """Send one RFC 2136 update, as `edit` writes it; raise where it is refused."""
        update = dns.update.UpdateMessage(zone, keyring=KEY)
        edit(update)
        rcode = dns.query.tcp(update, self.address, port=self.port, timeout=5).rcode()
        if rcode != dns.rcode.NOERROR:
            raise RuntimeError(f"{self.address} refused the update of {zone}: {dns.rcode.to_text(rcode)}")

    def _declare(self, origin: str, nameservers: str, *, signed: bool = False) -> None:
        # knot's %s is the zone without its final dot; the root's is empty.
        path = self._folder / f"{origin.rstrip('.')}.zone"
        path.write_text(ZONE.format(origin=origin, nameservers=nameservers), "utf-8")
        with self._configuration.open("a", encoding="utf-8") as configuration:
            configuration.write(f'  - domain: "{origin}"\n    dnssec-signing: {"on" if signed else "off"}\n')

    def _serves(self, zone: str) -> bool:
        try:
            reply = self.ask(zone, "SOA", timeout=0.3)
        except (dns.exception.Timeout, OSError):
            return False
        return any(rrset.name == dns.name.from_text(zone) for rrset in reply.answer)


class DnsLab:
    """Gives zones to publish in, and the three servers to ask and to freeze.

    No zone is signed but `signed.test`, which validates; `bogus.test` should be and is not, so it does not validate.
    """

    def __init__(self, ns1: Authority, ns2: Authority, resolver: Server, resolver_port: int, control: Path) -> None:
        self.ns1, self.ns2, self.resolver = ns1, ns2, resolver
        self.authoritative_port, self.resolver_port = ns1.port, resolver_port
        self._control = control
        self._zones = {"test": [ns1], SIGNED: [ns1], BOGUS: [ns1]}

    def zone(self, name: str, *, servers: int = 1) -> str:
        """Begin a zone on one server or on two, and return its name."""
        if name in self._zones:  # knot would refuse its whole configuration, and every later zone with it
            raise ValueError(f"another test of this process has made the zone {name} already")
        held = [self.ns1, self.ns2][:servers]
        for authority in held:
            authority.add(name, "\n".join(f"@ NS ns{number}.lab.test." for number in range(1, servers + 1)))
        if servers > 1:  # otherwise the resolver would hear the first server alone
            self._tell(f"forward_add {name} " + " ".join(f"{held_by.address}@{held_by.port}" for held_by in held))
        self._zones[name] = held
        self.flush()
        return name

    def delegate(self, zone: str, *servers: str, to: Authority) -> str:
        """Begin a zone on one server alone and hand it over from the zone above, to the servers named there."""
        to.add(zone, f"@ NS {'ns1' if to is self.ns1 else 'ns2'}.lab.test.")
        self.publish(zone, "NS", *(f"{server}." for server in servers))
        self._tell(f"stub_add {zone} {to.address}@{to.port}")  # the resolver knows no other port than 53
        self._zones[zone] = [to]
        self.flush()
        return zone

    def hand_over(self, zone: str, server: str, address: str) -> None:
        """Hand a zone over to a server of another make, which listens at this address and the lab's port."""
        self.publish(server, "A", address)
        self.publish(zone, "NS", f"{server}.")
        self._tell(f"stub_add {zone} {address}@{self.authoritative_port}")
        self.flush()

    def servers_of(self, zone: str) -> list[Authority]:
        """Return the servers that a zone begun here is on."""
        return self._zones[zone]

    def publish(self, name: str, rdtype: str, *values: str, ttl: int = 60, only: Authority | None = None) -> None:
        """Replace an RRset by these values, in zone-file form, on each server of its zone or on `only` one."""
        self._change(name, only, lambda update, owner: update.replace(owner, ttl, rdtype, *values))

    def withdraw(self, name: str, rdtype: str | None = None, *, only: Authority | None = None) -> None:
        """Remove an RRset, or all that the name holds."""
        self._change(name, only, lambda update, owner: update.delete(owner, *([rdtype] if rdtype else [])))

    def ask(self, name: str, rdtype: str, *, timeout: float = 5) -> dns.message.Message:
        """Ask the resolver; raise `dns.exception.Timeout` where it does not answer."""
        return ask(RESOLVER, self.resolver_port, name, rdtype, timeout=timeout)

    def flush(self) -> None:
        """Make the resolver forget all answers, and which servers were slow."""
        self._tell("flush_zone .")
        self._tell("flush_infra all")

    def _change(
        self, name: str, only: Authority | None, edit: Callable[[dns.update.UpdateMessage, dns.name.Name], None]
    ) -> None:
        zone = max((zone for zone in self._zones if f".{name}".endswith(f".{zone}")), key=len)
        for authority in [only] if only else self._zones[zone]:
            authority.change(zone, lambda update: edit(update, dns.name.from_text(name)))

    def _tell(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(5)
            channel.connect(str(self._control))
            channel.sendall(f"UBCT1 {command}\n".encode())
            told = b"".join(iter(lambda: channel.recv(4096), b""))
        if not told.startswith(b"ok"):
            raise RuntimeError(f"unbound refused “{command}”: {told.decode()}")


def ask(address: str, port: int, name: str, rdtype: str, *, timeout: float) -> dns.message.Message:
    """Ask one server one question with the DO bit, by TCP where the answer is too long for UDP."""
    question = dns.message.make_query(name, rdtype, want_dnssec=True, payload=1232)
    reply, _ = dns.query.udp_with_fallback(question, address, timeout=timeout, port=port)
    return reply


@contextmanager
def running() -> Iterator[DnsLab]:
    """Run the three servers for as long as the context lasts, and leave nothing behind."""
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="dns-", ignore_cleanup_errors=True) as name:
        try:
            port = free_port(NS1, NS2, RESOLVER)
            authorities = []
            for address in (NS1, NS2):
                folder = Path(name, address)
                folder.mkdir()
                authorities.append(Authority(folder, address, port))
                servers.append(authorities[-1].server)
            ns1, ns2 = authorities
            ns1.add("lab.test", f"@ NS ns1\nns1 A {NS1}\nns2 A {NS2}")
            ns1.add("test", "@ NS ns1.lab")
            ns1.add(SIGNED, "@ NS ns1.lab.test.", signed=True)
            ns1.add(BOGUS, "@ NS ns1.lab.test.")
            resolver, resolver_port = _start_resolver(Path(name), ns1)
            servers.append(resolver)
            yield DnsLab(ns1, ns2, resolver, resolver_port, Path(name, "control"))
        finally:
            for server in servers:
                server.stop()


def _start_resolver(folder: Path, ns1: Authority) -> tuple[Server, int]:
    port = free_port(RESOLVER)
    configuration = folder / "unbound.conf"
    authority = f"{ns1.address}@{ns1.port}"
    text = UNBOUND.format(folder=folder, address=RESOLVER, port=port, anchors=_anchors(ns1), authority=authority)
    configuration.write_text(text, "utf-8")
    server = Server([program("unbound"), "-d", "-c", configuration], folder / "unbound.log")

    def answers() -> bool:
        try:
            return bool(ask(RESOLVER, port, "test", "SOA", timeout=0.3).answer)
        except (dns.exception.Timeout, OSError):
            return False

    server.wait_until(answers)
    return server, port


def _anchors(ns1: Authority) -> str:
    """Trust the signed zone's own key, for that zone rightly and for the bogus one wrongly."""
    ns1.server.wait_until(lambda: bool(ns1.ask(SIGNED, "DNSKEY").answer))
    rdatas = [rdata for rrset in ns1.ask(SIGNED, "DNSKEY").answer for rdata in rrset]
    entry = [key for key in rdatas if isinstance(key, DNSKEY) and key.flags & Flag.SEP]  # RFC 4034 2.1.1
    return "\n".join(f'  trust-anchor: "{zone}. DNSKEY {key}"' for key in entry for zone in (SIGNED, BOGUS))
