"""Kill the primary of a Patroni cluster (etcd, HAProxy before it) under the running service: `./dev patroni`.

Not a part of `./dev test`: it needs Patroni, etcd and HAProxy, and the time that Patroni takes to notice (its ttl).
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.faults.test_p01_kills import Ledger, installed, kept, until_written
from tests.faults.test_p24_failover import at_work
from tests.rigs.postgres import find_binaries
from tests.rigs.processes import Server, free_port, program
from tests.rigs.waiting import until

NODES = ("one", "two")
TTL = 20  # seconds after which Patroni takes a leader for gone
KEYS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One Patroni with its PostgreSQL; `port` is the database's, `api` Patroni's own."""

    name: str
    port: int
    api: int
    data: Path
    server: Server

    def answers(self, path: str) -> bool:
        """Say whether Patroni answers 200, which is how HAProxy asks who is the primary."""
        try:
            return httpx2.get(f"http://127.0.0.1:{self.api}{path}", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def kill(self) -> None:
        """Kill Patroni and its server at once, as a machine that loses its power."""
        postmaster = int((self.data / "postmaster.pid").read_text("utf-8").split()[0])
        self.server.signal(signal.SIGKILL)
        os.kill(postmaster, signal.SIGKILL)
        self.server.ended()

    def stop(self) -> None:
        """Ask Patroni to stop, which stops its server."""
        self.server.signal(signal.SIGTERM)
        self.server.ended()


def settings_of(name: str, folder: Path, ports: tuple[int, int], etcd: int, binaries: Path) -> dict[str, object]:
    """Write Patroni's settings for one node, with a synchronous standby."""
    port, api = ports
    return {
        "scope": "letterhead",
        "name": name,
        "restapi": {"listen": f"127.0.0.1:{api}", "connect_address": f"127.0.0.1:{api}"},
        "etcd3": {"hosts": f"127.0.0.1:{etcd}"},
        "bootstrap": {
            "dcs": {"ttl": TTL, "loop_wait": 5, "retry_timeout": 5, "synchronous_mode": True},
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, {"auth": "trust"}],
        },
        "postgresql": {
            "listen": f"127.0.0.1:{port}",
            "connect_address": f"127.0.0.1:{port}",
            "data_dir": str(folder / name),
            "bin_dir": str(binaries),
            "pgpass": str(folder / f"{name}.pgpass"),
            "authentication": {
                "superuser": {"username": "postgres", "password": "letterhead"},
                "replication": {"username": "postgres", "password": "letterhead"},
            },
            "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
            "parameters": {"unix_socket_directories": str(folder), "max_connections": 200, "timezone": "UTC"},
        },
    }


HAPROXY = """\
defaults
    mode tcp
    timeout connect 2s
    timeout client 30m
    timeout server 30m
listen primary
    bind 127.0.0.1:{port}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
"""


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[int, list[Node]]]:
    """Run etcd, two nodes and HAProxy; return the port that leads to the primary, and the nodes."""
    binaries = find_binaries(folder)
    etcd, peers, entry = (free_port("127.0.0.1") for _ in range(3))
    with ExitStack() as opened:
        urls = f"http://127.0.0.1:{etcd}"
        words: list[str | Path] = [program("etcd"), "--data-dir", folder / "etcd", "--listen-client-urls", urls]
        words += ["--advertise-client-urls", urls, "--listen-peer-urls", f"http://127.0.0.1:{peers}"]
        store = Server(words, folder / "etcd.log", unprivileged=True)
        opened.callback(store.stop)
        nodes = []
        for name in NODES:
            ports = free_port("127.0.0.1"), free_port("127.0.0.1")
            path = folder / f"{name}.json"  # JSON is YAML
            path.write_text(json.dumps(settings_of(name, folder, ports, etcd, binaries)))
            server = Server([program("patroni"), path], folder / f"{name}.log", unprivileged=True)
            nodes.append(Node(name=name, port=ports[0], api=ports[1], data=folder / name, server=server))
            opened.callback(nodes[-1].stop)
        until(lambda: any(node.answers("/primary") for node in nodes), 90)
        until(lambda: any(node.answers("/synchronous") for node in nodes), 90)
        proxy = folder / "haproxy.cfg"
        lines = [f"    server {node.name} 127.0.0.1:{node.port} check port {node.api}\n" for node in nodes]
        proxy.write_text(HAPROXY.format(port=entry) + "".join(lines))
        balancer = Server([program("haproxy"), "-f", proxy], folder / "haproxy.log", unprivileged=True)
        opened.callback(balancer.stop)
        yield entry, nodes


def main() -> int:
    """Run the failover, and print its figures."""
    with tempfile.TemporaryDirectory(prefix="patroni-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "service").mkdir()
        with cluster(folder) as (entry, nodes):
            leader = next(node for node in nodes if node.answers("/primary"))
            other = next(node for node in nodes if node is not leader)
            url = f"postgresql://postgres@127.0.0.1:{entry}/postgres"
            installation = installed(folder / "service", KEYS, DATABASE_URL=url)
            with at_work(installation) as (serving, _):
                ledger, key = Ledger(), serving.open_account()
                ledger.begin(serving, key, outlive=True)
                until(lambda: len(ledger.acked) > 100)
                leader.kill()
                killed = time.monotonic()
                until(lambda: other.answers("/primary"), 90)
                promoted = time.monotonic()
                back = until_written(serving, key, ledger)
                ledger.end()
                lost = ledger.acked - kept(serving, key)
                nodes.remove(leader)
    print(f"acknowledged {len(ledger.acked)}, lost {len(lost)}, refused otherwise {len(ledger.refused)}")
    print(f"Patroni promoted after {promoted - killed:.1f} s; the first write after that took {back:.1f} s")
    return 1 if lost or ledger.refused else 0


if __name__ == "__main__":
    sys.exit(main())
