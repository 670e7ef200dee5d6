"""Check domains as peers do, or barer than anybody can: what our checks are measured beside.

    python -m benchmarks.naive MODE RESOLVER_PORT DOMAINS QUESTIONS [DATABASE_URL]

sync: dnspython, one question after another, one commit per domain (the usual peer); checkdmarc: its own checks, one
domain after another; aiodns: a bare loop over the four questions; packets: a bare asyncio loop that sends so many
prepared questions to one authoritative server, each from a socket and port of its own (RFC 5452 9.2, as we do), and
checks nothing of the response but id and rcode. Prints seconds, and seconds of CPU.
"""

import asyncio
import itertools
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import dns.resolver
import uvloop

from benchmarks.zones import bounce, names, selector_host
from letterhead.adapters.dns.labels import name_from
from letterhead.adapters.dns.wire import DnsQuery, question_packet, type_number

SIDE_BY_SIDE = 200
Asked = TypeVar("Asked")


def questions(domain: str) -> tuple[tuple[str, str], ...]:
    return (
        (selector_host(domain), "TXT"), (bounce(domain), "MX"), (bounce(domain), "TXT"), (f"_dmarc.{domain}", "TXT"),
    )  # fmt: skip


def resolver(port: int) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=False)
    made.nameservers, made.port, made.lifetime = ["127.0.0.1"], port, 5
    return made


def sync(port: int, count: int, url: str) -> None:
    import psycopg

    asking, needles = resolver(port), ("v=DKIM1", "lab.test", "v=spf1", "v=DMARC1")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS naive (sender text PRIMARY KEY, good bool, at timestamptz)")
        connection.commit()
        for domain in names(count):
            texts = [" ".join(map(str, asking.resolve(*question, search=False))) for question in questions(domain)]
            good = all(needle in text for needle, text in zip(needles, texts, strict=True))
            connection.execute(
                "INSERT INTO naive VALUES (%s, %s, now()) ON CONFLICT (sender) DO UPDATE SET good = excluded.good",
                (domain, good),
            )
            connection.commit()


def checkdmarc(port: int, count: int) -> None:
    from checkdmarc.dmarc import check_dmarc
    from checkdmarc.mta_sts import check_mta_sts  # noqa: F401 what it brings along when it checks a domain
    from checkdmarc.spf import check_spf

    asking = resolver(port)
    for domain in names(count):
        check_dmarc(domain, resolver=asking)
        check_spf(bounce(domain), resolver=asking)


async def bare(port: int, count: int) -> None:
    import aiodns

    asking = aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=port, tcp_port=port, timeout=5, tries=2)
    every = (question for domain in names(count) for question in questions(domain))
    await flood(every, lambda question: asking.query_dns(*question))


def prepared(count: int) -> list[bytes]:
    """Write the questions of every domain, without their ids."""
    asked = (question for domain in names(count) for question in questions(domain))
    queries = (DnsQuery(name_from(name), type_number(rdtype), recursive=False) for name, rdtype in asked)
    return [question_packet(0, query, edns=True)[2:] for query in queries]


async def packets(port: int, wires: list[bytes], total: int) -> None:
    every = itertools.islice(itertools.cycle(wires), total)
    await flood(every, lambda wire: _exchanged(("127.0.0.2", port), wire))


async def _exchanged(server: tuple[str, int], wire: bytes) -> None:
    loop = asyncio.get_running_loop()
    packet_id, done = os.urandom(2), loop.create_future()

    def read() -> None:
        packet = sock.recv(4096)
        if packet[:2] == packet_id and packet[3] & 0xF == 0 and not done.done():
            done.set_result(None)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect(server)
        sock.send(packet_id + wire)
        timer = loop.call_later(5, done.cancel)
        loop.add_reader(sock, read)
        try:
            await done
        finally:
            loop.remove_reader(sock)
            timer.cancel()


async def flood(every: Iterator[Asked], ask: Callable[[Asked], Awaitable[object]]) -> None:
    """Let a fixed set of tasks take questions from one iterator."""

    async def take() -> None:
        for question in every:
            await ask(question)

    await asyncio.gather(*(take() for _ in range(SIDE_BY_SIDE)))


def main() -> None:
    mode, port, count, each, *rest = sys.argv[1:]
    runs: dict[str, Callable[[], object]] = {
        "sync": lambda: sync(int(port), int(count), rest[0]),
        "checkdmarc": lambda: checkdmarc(int(port), int(count)),
        "aiodns": lambda: asyncio.run(bare(int(port), int(count))),
        "packets": lambda: uvloop.run(packets(int(port), wires, int(count) * int(each))),
    }
    wires = prepared(int(count)) if mode == "packets" else []
    if mode == "checkdmarc":  # its import is not what is measured
        checkdmarc(int(port), 1)
    began, used = time.perf_counter(), time.process_time()
    runs[mode]()
    print(time.perf_counter() - began, time.process_time() - used)


if __name__ == "__main__":
    main()
