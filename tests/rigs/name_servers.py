"""Run the authoritative servers that DNS hosts and companies use, each with zones of its own, on loopback."""

import base64
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import dns.exception
import dns.rdatatype
import dns.zone

from tests.rigs.dns_lab import KEY, ask
from tests.rigs.processes import Missing, Server, program

SECRET = base64.b64encode(KEY.secret).decode()
API_KEY = "a-key-of-the-api-0123456789abcdef"
SCHEMA = "usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

BIND = """\
options {{
  directory "{folder}"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
  listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }}; notify-source {address};
  notify explicit; also-notify {{ {secondary} port {port}; }};
}};
controls {{ }};
key "lab" {{ algorithm hmac-sha256; secret "{secret}"; }};
"""
BIND_ZONE = """\
zone "{zone}" {{
  type primary; file "{folder}/{zone}.zone"; allow-update {{ key "lab"; }}; allow-transfer {{ key "lab"; }};
}};
"""
NSD = """\
server:
  ip-address: {address}@{port}
  server-count: 1
  username: ""
  chroot: ""
  pidfile: ""
  database: ""
  zonesdir: "{folder}"
  xfrdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
remote-control:
  control-enable: no
key:
  name: "lab"
  algorithm: hmac-sha256
  secret: "{secret}"
"""
NSD_ZONE = """\
zone:
  name: "{zone}"
  zonefile: "{folder}/{zone}.zone"
"""
NSD_SECONDARY = """\
  allow-notify: {primary} NOKEY
  request-xfr: AXFR {primary}@{port} lab
"""
KNOT = """\
server:
  rundir: "{folder}"
  listen: {address}@{port}
  udp-workers: 1
  tcp-workers: 2
database:
  storage: "{folder}"
log:
  - target: stderr
    any: warning
zone:
"""
KNOT_ZONE = """\
  - domain: "{zone}"
    file: "{folder}/{zone}.zone"
"""

Zones = Mapping[str, str]  # the text of each zone, without a directive for its origin


def start_bind(folder: Path, address: str, port: int, zones: Zones, *, secondary: str = "127.0.0.9") -> Server:
    """Start BIND; whoever has the lab's key may update and transfer its zones, and `secondary` is notified.

    It listens at addresses of an interface alone, so of loopback's at 127.0.0.1.
    """
    _write_zones(folder, zones)
    text = BIND.format(folder=folder, address=address, port=port, secret=SECRET, secondary=secondary)
    text += "".join(BIND_ZONE.format(folder=folder, zone=zone) for zone in zones)
    return _started(folder, text, lambda path: ["named", "-g", "-n", "1", "-c", path], (address, port, zones))


def start_nsd(folder: Path, address: str, port: int, zones: Zones, *, primary: str | None = None) -> Server:
    """Start NSD, as a secondary where `primary` is given: its zones then come by AXFR alone."""
    if primary is None:
        _write_zones(folder, zones)
    text = NSD.format(folder=folder, address=address, port=port, secret=SECRET)
    for zone in zones:
        text += NSD_ZONE.format(folder=folder, zone=zone)
        text += NSD_SECONDARY.format(primary=primary, port=port) if primary else ""
    return _started(folder, text, lambda path: ["nsd", "-d", "-c", path], (address, port, zones))


def start_knot(folder: Path, address: str, port: int, zones: Zones) -> Server:
    """Start Knot DNS."""
    _write_zones(folder, zones)
    text = KNOT.format(folder=folder, address=address, port=port)
    text += "".join(KNOT_ZONE.format(folder=folder, zone=zone) for zone in zones)
    return _started(folder, text, lambda path: ["knotd", "-c", path], (address, port, zones))


def start_powerdns(
    folder: Path,
    address: str,
    port: int,
    zones: Zones,
    *,
    updates_from: str = "127.0.0.0/8",
    api_port: int | None = None,
) -> Server:
    """Start PowerDNS with its SQLite backend; the lab's key may update its zones, from these addresses.

    Its HTTP API listens at `api_port`, if given, and takes the key `API_KEY`.
    """
    unpacked = Path(program("pdns_server")).parents[1]
    schema = next((path for path in (unpacked / SCHEMA, Path("/", SCHEMA)) if path.exists()), None)
    if schema is None:
        raise Missing("The tests need pdns-backend-sqlite3, which is not installed: ./dev test brings it.")
    database = folder / "pdns.db"
    _fill(database, schema.read_text("utf-8"), zones)
    modules = next(unpacked.glob("usr/lib/*/pdns"), None)
    text = "\n".join(
        [
            *([f"module-dir={modules}"] if modules else []),
            *(
                "launch=gsqlite3",
                f"gsqlite3-database={database}",
                "dnsupdate=yes",
                f"allow-dnsupdate-from={updates_from}",
            ),
            *(f"local-address={address}", f"local-port={port}", f"socket-dir={folder}", "disable-syslog=yes"),
            *(
                ("api=yes", f"api-key={API_KEY}", "webserver=yes", f"webserver-address={address}")
                + (f"webserver-port={api_port}", "webserver-allow-from=127.0.0.0/8")
                if api_port
                else ()
            ),
            *("receiver-threads=1", "security-poll-suffix=", "daemon=no", "guardian=no"),
        ]
    )
    (folder / "pdns.conf").write_text(text, "utf-8")
    return _started(folder, text, lambda path: ["pdns_server", f"--config-dir={path.parent}"], (address, port, zones))


SERVERS: dict[str, Callable[[Path, str, int, Zones], Server]] = {
    "BIND": start_bind,
    "NSD": start_nsd,
    "Knot DNS": start_knot,
    "PowerDNS": start_powerdns,
}


def _write_zones(folder: Path, zones: Zones) -> None:
    for zone, text in zones.items():
        (folder / f"{zone}.zone").write_text(f"$ORIGIN {zone}.\n{text}\n", "utf-8")


def _fill(path: Path, schema: str, zones: Zones) -> None:
    """Write zones as rows, with the priority of an MX in a column of its own."""
    with sqlite3.connect(path) as database:
        database.executescript(schema)
        database.execute("INSERT INTO tsigkeys (name, algorithm, secret) VALUES ('lab', 'hmac-sha256', ?)", (SECRET,))
        for zone, text in zones.items():
            key = database.execute("INSERT INTO domains (name, type) VALUES (?, 'NATIVE')", (zone,)).lastrowid
            allow = "INSERT INTO domainmetadata (domain_id, kind, content) VALUES (?, 'TSIG-ALLOW-DNSUPDATE', 'lab')"
            database.execute(allow, (key,))
            read = dns.zone.from_text(text, zone, relativize=False)
            for name in _empty_names(read):  # as `pdnsutil rectify-zone` adds them
                database.execute("INSERT INTO records (domain_id, name, auth) VALUES (?, ?, 1)", (key, name))
            for owner, ttl, rdata in read.iterate_rdatas():
                rdtype = dns.rdatatype.to_text(rdata.rdtype)
                content = rdata.to_text().removesuffix(".")
                priority, content = content.split(" ", 1) if rdtype == "MX" else (None, content)
                database.execute(
                    "INSERT INTO records (domain_id, name, type, content, ttl, prio, auth) "
                    "VALUES (?, ?, ?, ?, ?, ?, 1)",
                    (key, owner.to_text(omit_final_dot=True).lower(), rdtype, content, ttl, priority),
                )


def _empty_names(zone: dns.zone.Zone) -> set[str]:
    """Return the names that exist only because others lie below them (RFC 4592 2.2.2)."""
    assert zone.origin is not None
    above = set()
    for name in zone:
        parent = name.parent()
        while parent.is_subdomain(zone.origin) and parent not in zone:
            above.add(parent.to_text(omit_final_dot=True).lower())
            parent = parent.parent()
    return above


def _started(
    folder: Path, text: str, command: Callable[[Path], list[str | Path]], serving: tuple[str, int, Zones]
) -> Server:
    """Start a server with its configuration, and wait until it serves all its zones."""
    path = folder / "server.conf"
    path.write_text(text, "utf-8")
    name, *arguments = command(path)
    server = Server([program(str(name)), *arguments], folder / "log")
    address, port, zones = serving

    def serves() -> bool:
        try:
            return all(ask(address, port, zone, "SOA", timeout=0.3).answer for zone in zones)
        except (dns.exception.Timeout, OSError):
            return False

    try:
        server.wait_until(serves)
    except BaseException:
        server.stop()
        raise
    return server
