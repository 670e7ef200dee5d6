"""The database of a release, written by the release itself: `python -m release.database 0.1.0`.

Both engines get the same story: accounts, keys of each scope, webhooks with deliveries, set-up links, a contested name,
a change of keys, and domains in every state. A domain's first label is its status. What is kept is SQL text; no key in
it opens anything but what the tests sealed.
"""

import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import httpx2

from tests.install.main_job import publish
from tests.rigs import dns_lab
from tests.rigs import postgres as postgres_rig
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.processes import DEBIAN
from tests.rigs.releases import KEPT, command_of
from tests.rigs.waiting import until

ACCOUNT, OTHER = "Kept", "Other"
FIRST = "-80h"  # the story begins in the past, so that none of its times lie ahead


@contextmanager
def turned_clock(folder: Path) -> Iterator[Path]:
    """Let the processes that are started in the block read a clock that a file turns."""
    library = next(DEBIAN.parent.glob("usr/lib/*/faketime/libfaketime.so.1"))
    clock = folder / "clock"
    clock.write_text(FIRST)
    turned = {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    os.environ.update(turned)
    try:
        yield clock
    finally:
        for name in turned:
            del os.environ[name]


def tell(installation: Installation, lab: DnsLab, zone: str, clock: Path) -> None:
    """Have the release live through three days."""
    serving = installation.serve()
    with (
        serving.client(open_account(serving, ACCOUNT)) as client,
        serving.client(open_account(serving, OTHER)) as other,
    ):
        for scope in ("read", "write"):
            expect(client.post("/keys", json={"keyType": "secret", "name": scope, "scope": scope}))
        for owner in (client, other):  # nobody is there: each delivery is tried again later
            expect(owner.post("/webhooks", json={"webhook": "https://hooks.example.org/letterhead", "events": ["*"]}))
        names = {
            word: f"{word}.{zone}" for word in ("success", "temporary-failure", "failed", "not-started", "deleted")
        }
        expect(client.post("/domains", json={"sender": names["not-started"], "startVerification": False}))
        for word in ("success", "temporary-failure", "failed", "deleted"):
            expect(client.post("/domains", json={"sender": names[word]}, headers={"Idempotency-Key": f"kept-{word}"}))
        expect(other.post("/domains", json={"sender": names["success"]}))
        for word in ("success", "temporary-failure"):
            for record in client.get(f"/domains/{names[word]}").json()["verificationRecords"].values():
                publish(lab, record)
            until(partial(has_status, client, names[word], "SUCCESS"), 90)
        expect(client.post(f"/domains/{names['success']}/setup-links"))
        expect(client.post(f"/domains/{names['success']}/dkim-rotation", json={}))
        expect(client.delete(f"/domains/{names['deleted']}"))
        lost = client.get(f"/domains/{names['temporary-failure']}").json()["verificationRecords"]["dkim"]
        lab.withdraw(lost["host"], "TXT")
        for minutes in (300, 288, 276, 264):
            clock.write_text(f"-{minutes}m")
            lab.flush()
            for word in ("temporary-failure", "failed"):
                expect(client.post(f"/domains/{names[word]}/check"))
        for word in ("temporary-failure", "failed"):
            until(partial(has_status, client, names[word], word.upper().replace("-", "_")), 90)
        expect(client.post("/domains", json={"sender": f"pending.{zone}", "mailFrom": "bounce"}))
        expect(client.post(f"/domains/pending.{zone}/check"))
    if serving.stop():
        raise RuntimeError(f"the release did not end well:\n{installation.logs()}")


def open_account(serving: Serving, name: str) -> str:
    """Open an account and return its first key."""
    with serving.operator() as operator:
        return str(expect(operator.post("/accounts", json={"name": name, "email": f"{name.lower()}@acme.test"}))["key"])


def expect(answer: httpx2.Response) -> dict[str, str]:
    """Return what an answer says that must be a good one."""
    if not answer.is_success:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    found: dict[str, str] = answer.json()
    return found


def has_status(client: httpx2.Client, sender: str, wanted: str) -> bool:
    """Return whether a domain has this status."""
    return bool(client.get(f"/domains/{sender}").json()["status"] == wanted)


def keep(release: str, commit: str | None = None) -> Path:
    """Write the database of a release, made by its commit where it is not tagged yet, and return the folder."""
    command, kept = command_of(commit or release), KEPT / release
    kept.mkdir(parents=True, exist_ok=True)
    with dns_lab.running() as lab, postgres_rig.running() as postgres, tempfile.TemporaryDirectory() as place:
        for engine in ("sqlite", "postgres"):
            folder = Path(place, engine)
            folder.mkdir()
            settings = {
                "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}", "KEY_POOL": "1",
                "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
            }  # fmt: skip
            database = postgres.create()
            if engine == "postgres":
                settings["DATABASE_URL"] = postgres.url(database)
            installation = Installation(folder, **settings)
            installation.command = command
            del installation.settings["LETTERHEAD_UNPROVEN_BELOW"]  # the first release refuses what it does not know
            done = installation.run("migrate")
            if done.returncode:
                raise RuntimeError(done.stderr)
            with turned_clock(folder) as clock:
                tell(installation, lab, lab.zone(f"{engine}.kept.test"), clock)
            if engine == "sqlite":
                with closing(sqlite3.connect(folder / "letterhead.db")) as connection:
                    text = "\n".join(connection.iterdump()) + "\n"
            else:
                # What names the run or the newest server alone would not be read by others.
                unwanted = r"^(\\(un)?restrict .*|--.*|SET transaction_timeout.*)?\n"
                text = re.sub(unwanted, "", postgres.write_sql(database), flags=re.MULTILINE)
            (kept / f"{engine}.sql").write_text(text, "utf-8")
    return kept


if __name__ == "__main__":
    print(f"wrote {keep(*sys.argv[1:])}")
