"""Measures how long it takes from a record's appearance at the authoritative server to SUCCESS, on real servers.

    .venv-test/bin/python benchmarks/time_to_success.py [--domains 60]

A knot, an unbound and `letterhead serve` on SQLite run beside it. Each domain is added, its record published at a
random moment of the first ten minutes (all within two minutes here: the cadence is the same), and its status polled.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.rigs import dns_lab
from tests.rigs.letterhead import Installation, Serving

SPREAD = 60.0  # seconds over which the records appear
MOST = 120.0  # seconds to wait for the last


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=60)
    count = parser.parse_args().domains
    with dns_lab.running() as lab, tempfile.TemporaryDirectory() as folder:
        installation = Installation(
            Path(folder),
            DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
            DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        )
        with installation.serving() as serving:
            print(json.dumps(measured(lab, serving, count), indent=2))


def measured(lab: dns_lab.DnsLab, serving: Serving, count: int) -> dict[str, float]:
    """Adds domains, publishes their records at random moments, and says how long each took."""
    key = serving.open_account()
    zones = [lab.zone(f"fast{number}.test") for number in range(count)]
    keys: dict[str, tuple[str, str]] = {}
    with serving.client(key) as client:
        for zone in zones:
            listed = client.post("/domains", json={"sender": zone}).json()
            record = next(each for each in listed if each["sender"] == zone)["verificationRecords"]["dkim"]
            keys[zone] = record["host"], record["recordValue"]
        return _figures(_watched(lab, client, keys))


def _watched(lab: dns_lab.DnsLab, client: object, keys: dict[str, tuple[str, str]]) -> list[float]:
    """Publishes each record when its time has come and notes when its domain turned SUCCESS."""
    began = time.monotonic()
    waiting = {zone: began + random.uniform(0, SPREAD) for zone in keys}
    published: dict[str, float] = {}
    took: list[float] = []
    while len(took) < len(keys) and time.monotonic() - began < SPREAD + MOST:
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


def _figures(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {
        "domains": len(ordered),
        "median_s": round(statistics.median(ordered), 1),
        "p90_s": round(ordered[int(len(ordered) * 0.9)], 1),
        "max_s": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    main()
