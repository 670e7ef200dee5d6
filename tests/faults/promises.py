"""List what is promised: in which test each promise is held, at what size in CI, and at what size in a soak."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOAK, SIZE = "LETTERHEAD_SOAK", "LETTERHEAD_SOAK_SIZE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise; `size` counts what `of` says, and is None where there is nothing to count."""

    name: str
    text: str
    test: str
    size: int | None = None
    soak: int | None = None
    of: str = ""


PROMISES = (
    Promise(
        name="P1", text="no acknowledged write is lost when processes die",
        test="tests/faults/test_p01_kills.py", size=50, soak=500, of="kill -9 (and 2/5 as many crashes of Postgres)",
    ),
    Promise(
        name="P2", text="nor in a power cut",
        test="tests/faults/test_p02_power_cuts.py", size=100, soak=1000, of="simulated power cuts",
    ),
    Promise(
        name="P3", text="one effect per request, though replies are lost",
        test="tests/faults/test_p03_lost_replies.py", size=40, soak=400, of="requests with lost replies",
    ),
    Promise(
        name="P4", text="webhooks at least once, never invented",
        test="tests/acceptance/test_webhooks.py", size=50, soak=200, of="kill -9 of a worker",
    ),
    Promise(
        name="P5", text="reminders at most once per step",
        test="tests/faults/test_p05_reminders.py", size=6, soak=90, of="kill -9 of a worker that hands mail over",
    ),
    Promise(
        name="P5-alerts", text="an alert goes to each channel at most once per step",
        test="tests/operations/test_alerts.py",
    ),
    Promise(
        name="P6", text="an outage of our resolvers demotes nobody",
        test="tests/faults/test_p06_outages.py", size=1000, soak=10_000, of="verified domains, times 8 failures",
    ),
    Promise(
        name="P7", text="loss needs evidence",
        test="tests/core/test_lifecycle_walks.py", size=100_000, soak=1_000_000, of="looks of random lives",
    ),
    Promise(
        name="P8", text="no false verification",
        test="tests/faults/test_p08_false_verification.py", size=100_000, soak=1_000_000, of="adversarial answers",
    ),
    Promise(
        name="P8-cover", text="a name below a domain is signed for by its rule alone",
        test="tests/core/test_subdomain_cover.py",
    ),
    Promise(
        name="P9", text="trouble in DNS does not reach the API",
        test="tests/faults/test_p09_dead_dns.py", size=300, soak=3000, of="requests in each round",
    ),
    Promise(name="P10", text="hostile answers are cheap", test="tests/adapters/test_hostile_dns.py"),
    Promise(
        name="P11", text="hostile requests are refused, fast, and tell nothing",
        test="tests/faults/test_p11_hostile_requests.py", size=10_000, soak=1_000_000, of="generated requests",
    ),
    Promise(
        name="P12", text="accounts do not see each other",
        test="tests/faults/test_p12_isolation.py", size=10_000, soak=1_000_000, of="requests",
    ),
    Promise(
        name="P12-keys", text="an API key bound to domains sees nothing else",
        test="tests/web/test_bound_keys_isolation.py",
    ),
    Promise(name="P13", text="private keys stay inside", test="tests/acceptance/test_canary.py"),
    Promise(name="P14", text="webhooks reach no inside address", test="tests/adapters/test_webhooks_inside.py"),
    Promise(
        name="P15", text="trouble at the provider is contained",
        test="tests/operations/test_ses_faults.py", size=12, soak=60, of="domains in an hour of 30 % faults",
    ),
    Promise(name="P16", text="a full disk is told honestly", test="tests/faults/test_p16_full_disk.py"),
    Promise(
        name="P17", text="a wrong key-encryption key: refuses to start, names the key, writes nothing",
        test="tests/faults/test_p17_wrong_key.py",
    ),
    Promise(
        name="P18", text="SIGTERM cuts no reply and hands leases back; with a passed socket, a restart refuses nobody",
        test="tests/faults/test_p18_clean_stop.py", size=5, soak=50, of="stops under load",
    ),
    Promise(
        name="P19", text="backups restore",
        test="tests/faults/test_p19_backups.py", size=2, soak=30, of="backups under load",
    ),
    Promise(name="P20", text="the first release's database migrates forward", test="tests/faults/test_p20_upgrades.py"),
    Promise(
        name="P21", text="what the relay answered 250 to arrives, though it is killed",
        test="tests/faults/test_p21_relay_kills.py", size=10, soak=200, of="kill -9 of the relay (and 1/3 on SQLite)",
    ),
    Promise(
        name="P22", text="what one account does costs no other",
        test="tests/faults/test_p22_abusers.py", size=200, soak=10_000,
        of="pending names on slow zones, beside seven other abusers",
    ),
    Promise(
        name="P22-relay", text="one account's messages delay no other's, and leave the database its room",
        test="tests/faults/test_p22_relay_shares.py", size=400, soak=8000, of="messages of one account",
    ),
    Promise(
        name="P22-answers", text="what one account asks for over HTTP costs no other",
        test="tests/faults/test_p22_answers.py", size=10, soak=100, of="percent of the full attack",
    ),
    Promise(
        name="P22-work", text="an account that asks for much stops no other",
        test="tests/faults/test_p22_work.py", size=60, soak=800, of="names, deletions and reminders of the abuser",
    ),
    Promise(
        name="P23", text="no text from outside holds the event loop", test="tests/core/test_pumped_texts.py",
    ),
    Promise(name="P24", text="the database may fail over", test="tests/faults/test_p24_failover.py"),
    Promise(name="P25", text="no advice breaks what works", test="tests/cases/test_fixes.py"),
    Promise(name="P26", text="health says what is", test="tests/observability/test_runbook.py"),
)  # fmt: skip


def promise(name: str) -> Promise:
    """Find a promise by its name."""
    return next(each for each in PROMISES if each.name == name)


def size(name: str) -> int:
    """Say how large a test is to be: as `./dev soak` asks, else what fits CI."""
    each = promise(name)
    if each.size is None:
        raise ValueError(f"{name} has no size: there is nothing in it to count")
    asked = os.environ.get(SIZE) if os.environ.get(SOAK) == name else None
    return int(asked) if asked else each.size


def there(each: Promise) -> bool:
    """Say whether the test has been written."""
    return (ROOT / each.test).exists()
