"""Records as code, for real: name servers load the export, and octoDNS applies it until our own check is green."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.rdatatype
import pytest

from letterhead.cli.exit_codes import Exit
from letterhead.core.plan.record_formats import FORMATS, ZoneExport
from tests.core import samples
from tests.rigs import command
from tests.rigs.dns_lab import DnsLab, ask
from tests.rigs.name_servers import API_KEY, SERVERS, start_powerdns
from tests.rigs.processes import Server, free_port
from tests.rigs.record_readers import ReadRecord, expected

HEAD = "@ 60 IN SOA ns hostmaster 1 60 60 600 5\n@ 60 IN NS ns\nns 60 IN A {address}"
ADDRESSES = {"BIND": "127.0.0.1", "NSD": "127.0.0.31", "Knot DNS": "127.0.0.32"}
POWERDNS = "127.0.0.33"
OCTODNS = """\
providers:
  config: {{class: octodns.provider.yaml.YamlProvider, directory: {folder}/config, escaped_semicolons: true}}
  letterhead: {{class: octodns.provider.yaml.YamlProvider, directory: {folder}/letterhead, escaped_semicolons: true}}
  powerdns:
    class: octodns_powerdns.PowerDnsProvider
    host: {address}
    port: {port}
    api_key: {key}
zones:
  {zone}.: {{sources: [config, letterhead], targets: [powerdns]}}
"""
CONFIG = """\
---
ns: {{ttl: 60, type: A, value: {address}}}
www: {{ttl: 60, type: A, value: 192.0.2.7}}
"""


@pytest.fixture
def started() -> Iterator[list[Server]]:
    """Hold the servers of a test, and stop them after it."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.stop()


def served(address: str, port: int, wanted: set[ReadRecord]) -> set[ReadRecord]:
    """Ask a server for the names and types that are wanted, and return what it has there."""
    found = set()
    for owner, rdtype in {(each.owner, each.rdtype) for each in wanted}:
        for rrset in ask(address, port, owner, rdtype, timeout=5).answer:
            for rdata in rrset:
                value = rdata.to_text().removesuffix(".")
                if rdata.rdtype == dns.rdatatype.TXT:
                    value = b"".join(rdata.strings).decode("latin-1")
                found.add(ReadRecord(owner, rdtype, value))
    return found


@pytest.mark.parametrize("make", ADDRESSES)
def test_name_servers_load_the_zone_file(lab: DnsLab, started: list[Server], tmp_path: Path, make: str) -> None:
    """BIND, NSD and Knot DNS load the export behind a zone's own records, and serve what went in."""
    zone, address, port = "coded.test", ADDRESSES[make], free_port(ADDRESSES[make])
    export = ZoneExport(zone=zone, records=samples.plan(zone).records, notes=("A note; with a semicolon.",))
    text = "\n".join([HEAD.format(address=address), "www 60 IN A 192.0.2.7", FORMATS["bind"].write([export])])
    started.append(SERVERS[make](tmp_path, address, port, {zone: text}))
    assert served(address, port, expected(export)) == expected(export)


def test_octodns_turns_a_domain_green(lab: DnsLab, started: list[Server], tmp_path: Path) -> None:
    """A domain is added, exported, applied by octoDNS to PowerDNS and waited for: SUCCESS, with no record typed."""
    zone, port = f"acme.{lab.zone('ascode.test')}", lab.authoritative_port
    api_port = free_port(POWERDNS)
    text = "\n".join([HEAD.format(address=POWERDNS), "www 60 IN A 192.0.2.7"])
    (tmp_path / "pdns").mkdir()
    started.append(start_powerdns(tmp_path / "pdns", POWERDNS, port, {zone: text}, api_port=api_port))
    lab.hand_over(zone, f"ns.{zone}", POWERDNS)
    settings = {
        "PROVIDER": "dns",
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(port),
    }
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / f"{zone}.yaml").write_text(CONFIG.format(address=POWERDNS), "utf-8")
    config = tmp_path / "octodns.yaml"
    config.write_text(OCTODNS.format(folder=tmp_path, address=POWERDNS, port=api_port, key=API_KEY, zone=zone), "utf-8")

    def sync() -> str:
        program = Path(sys.executable).with_name("octodns-sync")
        run = subprocess.run(
            [program, "--config-file", config, "--doit"], capture_output=True, text=True, check=False, timeout=120
        )
        assert run.returncode == 0, run.stderr
        return run.stderr

    with command.running(tmp_path, **settings) as service:
        (tmp_path / "domains.toml").write_text(f'[domains."{zone}"]\n', "utf-8")
        assert service.call("apply", str(tmp_path / "domains.toml")).code == Exit.OK
        assert service.call("domains", "check", zone).code == Exit.NOT_GOOD
        folder = str(tmp_path / "letterhead")
        written = service.call("domains", "records", zone, "--format", "octodns", "--directory", folder)
        assert written.code == Exit.OK, written.err
        assert (tmp_path / "letterhead" / f"{zone}.yaml").exists()
        assert "Create" in sync()
        waited = service.call("domains", "wait", zone, "--until", "can-send", "--timeout", "90s")
        assert waited.code == Exit.OK, waited.out + waited.err
        checked = service.get(f"/domains/{zone}").json()
        assert checked["status"] == "SUCCESS"
        assert {each["verdict"] for each in checked["records"]} == {"present"}
        # Exported again, nothing changes: what is there now is ours, the policy too.
        service.call("domains", "records", zone, "--format", "octodns", "--directory", folder)
        assert "No changes were planned" in sync()
        assert ask(POWERDNS, port, f"www.{zone}", "A", timeout=5).answer
