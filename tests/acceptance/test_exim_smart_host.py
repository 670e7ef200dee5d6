"""Exim as the smart host of the relay: what the relay signed passes through it unharmed, and it signs the relay in."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.test_relay import relaying
from tests.relay.world import submit
from tests.rigs import signers, signing, smtp
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation
from tests.rigs.processes import Server, free_port, program
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until

USER, PASSWORD = "relay", "secret-of-the-relay"
EXIM = """\
spool_directory = {work}/spool
log_file_path = {work}/%slog
exim_path = {exim}
primary_hostname = smarthost.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
never_users =
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
tls_advertise_hosts = *
tls_certificate = {chain}
tls_privatekey = {key}
auth_advertise_hosts = ${{if def:tls_in_cipher{{*}}{{}}}}
acl_smtp_rcpt = signed_in
begin acl
signed_in:
  accept authenticated = *
  deny message = sign in first
"""
EXIM_AUTHENTICATORS = """\
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


@contextmanager
def exim(sink: Ledger) -> Iterator[tuple[int, Path]]:
    """Run Exim, which hands on to the sink what clients that signed in give to it; return its port and
    its certificate, which is for localhost.
    """
    with tempfile.TemporaryDirectory(prefix="exim-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # Exim does not run as root
        with exim_in(signers.bench_in(Path(folder), Path(folder)), sink) as port:
            yield port, Path(folder) / "localhost.pem"


@contextmanager
def exim_in(bench: signers.Bench, sink: Ledger) -> Iterator[int]:
    """Run Exim in a place to work in."""
    port, shown = free_port("127.0.0.1"), smtp.certificate(bench.exported)
    shown.key.chmod(0o644)
    (bench.work / "spool").mkdir()
    (bench.work / "spool").chmod(0o777)
    configuration = bench.write(
        "exim.conf",
        EXIM + signers.EXIM_HANDS_ON + EXIM_AUTHENTICATORS,
        exim=program("exim4"),
        port=port,
        sink=sink.port,
        user=USER,
        password=PASSWORD,
        chain=shown.chain,
        key=shown.key,
    )
    variables = [f"{name}={value}" for name, value in signers.exim_environment(bench).items()]
    command = ["env", *variables, program("exim4"), "-C", str(configuration), "-bdf", "-q1m"]
    server = Server([program(command[0]), *command[1:]], bench.work / "exim.log", unprivileged=True)
    try:
        server.wait_until(lambda: greets(port))
        yield port
    finally:
        server.stop()


def greets(port: int) -> bool:
    """Whether a mail server greets at a port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            return client.recv(3) == b"220"
    except OSError:
        return False


@pytest.mark.timeout(300)
def test_exim_takes_what_the_relay_signed(
    tmp_path: Path, lab: DnsLab, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message goes through relay and Exim to its receiver, and its signature verifies there."""
    with smtp.running(None, sign_in=False) as sink, exim(sink) as (port, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # whom OpenSSL trusts
        installation = Installation(
            tmp_path, DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
            DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
            MAIL_FROM_MX="bounces.operator.example", MAIL_FROM_SPF="ip4:192.0.2.0/24", RELAY_HOST="relay.test",
            RELAY_SMARTHOST=f"smtp://{USER}:{PASSWORD}@localhost:{port}",
            RELAY_BIND=f"127.0.0.1:{free_port('127.0.0.1')}",
        )  # fmt: skip
        with relaying(installation, lab) as running:
            running.prove(zone)
            replies = submit(running.port, running.key, signing.message(zone, 7), sender=f"app+7@{zone}")
            assert replies[-1][0] == 250
            until(lambda: sink.taken, seconds=60)
            assert not running.waiting()
    arrived = sink.taken[-1].octets
    assert b"smarthost.test" in arrived.partition(b"DKIM-Signature:")[0]
    assert signing.verifies(lab, arrived), arrived.decode()
