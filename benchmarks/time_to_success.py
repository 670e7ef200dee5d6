"""Measure how long it takes from a record's appearance at the authoritative servers to SUCCESS, on real servers.

Two knots, an unbound and `letterhead serve` on SQLite run beside it. All domains are pending at once, in ten zones of
two servers each; of these twenty two never answer. Each record is published at a random moment of the first minute,
and the accounts' lists are asked for again and again.
"""

import random
import socket
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
from dns.update import UpdateMessage

from benchmarks.figures import Row, at_most, row
from tests.rigs import dns_lab
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving

SPREAD, SPREAD_QUICK, ALONE_SPREAD = 60.0, 10.0, 45.0  # seconds over which the records appear
MOST = 150.0  # seconds to wait for the last
POLL = 0.5
ZONES = 10  # and as many accounts
ALIVE, OTHER, DEAD, NOBODY = "ns1.lab.test.", "ns2.lab.test.", "dead.lab.test.", "127.0.0.9"
PIECE = 255  # octets of a string in a TXT record (RFC 1035 3.3.14)

Records = dict[str, tuple[str, str]]  # of each domain: host and value


PARTS = {"success": ("success-p50", "success-p99"), "success-alone": ("success-alone",)}


def rows(quick: bool, parts: Collection[str]) -> Iterator[Row]:
    """Return median and p99, of very many domains at once, and of one after another."""
    if "success" in parts:
        yield from _together(40 if quick else 1000, SPREAD_QUICK if quick else SPREAD)
    if "success-alone" in parts:
        yield from _alone(4 if quick else 24)


def _together(count: int, spread: float) -> Iterator[Row]:
    took = _sorted(count, spread)
    missing = sum(each >= MOST for each in took)
    said = f"; {missing} of them not within {MOST:.0f} s" if missing else ""
    note = f"{count} domains pending at once, two of twenty servers dead, worst {took[-1]:.0f} s{said}"
    p50, p99 = (took[int(count * share)] for share in (0.5, 0.99))
    yield row("success-p50", "record visible to SUCCESS", p50, "s, p50", at_most(10), note=note)
    yield row("success-p99", "the same", p99, "s, p99", at_most(30), note=note)


def _alone(count: int) -> Iterator[Row]:
    took = _sorted(count, ALONE_SPREAD)
    note = f"{count} domains, so few that none waits for another; worst {took[-1]:.1f} s"
    yield row("success-alone", "the same of one domain", took[count // 2], "s, p50", at_most(4), note=note)


def _sorted(count: int, spread: float) -> list[float]:
    """Return how long each domain took, the fastest first; at least so late where it took too long."""
    with dns_lab.running() as lab, _dead(lab), tempfile.TemporaryDirectory() as folder:
        installation = Installation(
            Path(folder),
            DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
            DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
            RATE_LIMIT="900000/s burst 999999",
        )
        installation.run("migrate").check_returncode()
        installation.stock(count)
        with installation.serving() as serving:
            took = sorted(_measured(lab, serving, count, spread))
    return took + [MOST] * (count - len(took))


@contextmanager
def _dead(lab: DnsLab) -> Iterator[None]:
    """Take packets at an address and never answer."""
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, socket.socket() as stream:
        for each in (datagrams, stream):
            each.bind((NOBODY, lab.authoritative_port))
        stream.listen()
        yield


def _zones(lab: DnsLab) -> list[str]:
    """Begin the zones, on both servers alike; each of the first two names a server that is dead."""
    lab.ns1.change("lab.test", lambda update: update.add(DEAD, 60, "A", NOBODY))
    zones = [f"zone{number}.test" for number in range(ZONES)]
    for number, zone in enumerate(zones):
        first, second = {0: (ALIVE, DEAD), 1: (DEAD, OTHER)}.get(number, (ALIVE, OTHER))
        for authority in (lab.ns1, lab.ns2):
            authority.add(zone, f"@ NS {first}\n@ NS {second}")
    lab.flush()
    return zones


def _measured(lab: DnsLab, serving: Serving, count: int, spread: float) -> Iterator[float]:
    """Add domains, publish their records at random moments, and say how long each took."""
    with ExitStack() as open_:
        clients = [open_.enter_context(serving.client(serving.open_account())) for _ in range(ZONES)]
        records: Records = {}
        for zone, client in zip(_zones(lab), clients, strict=True):
            for number in range(-(-count // ZONES)):
                client.post("/domains", json={"sender": f"fast{number}.{zone}"}).raise_for_status()
            for each in client.get("/domains").json():
                wanted = each["verificationRecords"]["dkim"]
                records[each["sender"]] = wanted["host"], wanted["recordValue"]
        yield from _watched(lab, clients, records, spread)


def _watched(lab: DnsLab, clients: list[httpx2.Client], records: Records, spread: float) -> Iterator[float]:
    """Publish each record when its time has come and note when its domain turned SUCCESS."""
    began = time.monotonic()
    waiting = {domain: began + random.uniform(0, spread) for domain in records}
    published: dict[str, float] = {}
    while (waiting or published) and time.monotonic() - began < spread + MOST:
        ripe = [domain for domain, at in waiting.items() if at <= time.monotonic()]
        for zone in {domain.partition(".")[2] for domain in ripe}:
            _publish(lab, zone, [records[domain] for domain in ripe if domain.endswith(f".{zone}")])
        for domain in ripe:
            published[domain] = time.monotonic()
            del waiting[domain]
        for client in clients:
            done = [each["sender"] for each in client.get("/domains").json() if each["status"] == "SUCCESS"]
            yield from (time.monotonic() - published.pop(domain) for domain in done if domain in published)
        time.sleep(POLL)


def _publish(lab: DnsLab, zone: str, records: list[tuple[str, str]]) -> None:
    def edit(update: UpdateMessage) -> None:
        for host, value in records:
            pieces = " ".join(f'"{value[at : at + PIECE]}"' for at in range(0, len(value), PIECE))
            update.add(f"{host}.", 60, "TXT", pieces)

    for authority in (lab.ns1, lab.ns2):
        authority.change(zone, edit)
