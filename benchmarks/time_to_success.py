"""Measures how long it takes from a record's appearance at the authoritative server to SUCCESS, on real servers.

A knot, an unbound and `letterhead serve` on SQLite run beside it. Each domain is added, its record published at a
random moment of the first minute, and its status polled.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Row, at_most, row
from tests.rigs import dns_lab
from tests.rigs.letterhead import Installation, Serving

SPREAD, SPREAD_QUICK = 60.0, 10.0  # seconds over which the records appear
MOST = 120.0  # seconds to wait for the last


def rows(quick: bool) -> Iterator[Row]:
    """Gives median and worst."""
    count = 10 if quick else 60
    with dns_lab.running() as lab, tempfile.TemporaryDirectory() as folder:
        installation = Installation(
            Path(folder),
            DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
            DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        )
        with installation.serving() as serving:
            took = measured(lab, serving, count, SPREAD_QUICK if quick else SPREAD)
    if len(took) < count:
        raise RuntimeError(f"only {len(took)} of {count} domains came to SUCCESS")
    note = f"{count} domains, all servers alive"
    yield row("success-p50", "record visible to SUCCESS", statistics.median(took), "s, p50", at_most(20), note=note)
    yield row("success-worst", "the same", max(took), "s, the worst", at_most(120), note=note)


def measured(lab: dns_lab.DnsLab, serving: Serving, count: int, spread: float) -> list[float]:
    """Adds domains, publishes their records at random moments, and says how long each took."""
    key = serving.open_account()
    zones = [lab.zone(f"fast{number}.test") for number in range(count)]
    keys: dict[str, tuple[str, str]] = {}
    with serving.client(key) as client:
        for zone in zones:
            listed = client.post("/domains", json={"sender": zone}).json()
            record = next(each for each in listed if each["sender"] == zone)["verificationRecords"]["dkim"]
            keys[zone] = record["host"], record["recordValue"]
        return _watched(lab, client, keys, spread)


def _watched(lab: dns_lab.DnsLab, client: object, keys: dict[str, tuple[str, str]], spread: float) -> list[float]:
    """Publishes each record when its time has come and notes when its domain turned SUCCESS."""
    began = time.monotonic()
    waiting = {zone: began + random.uniform(0, spread) for zone in keys}
    published: dict[str, float] = {}
    took: list[float] = []
    while len(took) < len(keys) and time.monotonic() - began < spread + MOST:
        for zone in [zone for zone, at in waiting.items() if at <= time.monotonic()]:
            host, value = keys[zone]
            pieces = " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
            lab.publish(host, "TXT", pieces)
            published[zone] = time.monotonic()
            del waiting[zone]
        listed = client.get("/domains").json()  # type: ignore[attr-defined]
        done = [each["sender"] for each in listed if each["status"] == "SUCCESS" and each["sender"] in published]
        took.extend(time.monotonic() - published.pop(zone) for zone in done)
        time.sleep(0.25)
    return took
