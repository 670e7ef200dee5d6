"""Real processes on real databases: killed in the middle, several side by side, stopped under load."""

import json
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.processes import free_port
from tests.rigs.waiting import eventually

KILLS = 6


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, lab: DnsLab) -> Installation:
    """Set up an installation on either database, asking the lab's DNS."""
    settings = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
    }
    if request.param == "postgres":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    made = Installation(tmp_path, **settings)
    migrated = made.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    return made


def senders(serving: Serving, key: str) -> set[str]:
    """List an account's domains."""
    with serving.client(key) as client:
        return {each["sender"] for each in client.get("/domains").json()}


def post_until_it_dies(serving: Serving, key: str, prefix: str, acked: set[str]) -> None:
    """Add domains one after the other, noting each that was acknowledged, until the server is gone."""
    with serving.client(key) as client:
        for number in range(10_000):
            sender = f"{prefix}-{number}.test"
            try:
                answer = client.post("/domains", json={"sender": sender})
            except httpx2.TransportError:
                return
            if answer.status_code == 200:
                acked.add(sender)


def test_no_acknowledged_domain_is_lost_to_kill_9(installation: Installation) -> None:
    """Killed in the middle of POSTs, again and again: every acknowledged domain is there, whole, with its key."""
    serving = installation.serve()
    key = serving.open_account()
    acked: set[str] = set()
    for round_ in range(KILLS):
        poster = threading.Thread(target=post_until_it_dies, args=(serving, key, f"k{round_}", acked))
        poster.start()
        time.sleep(0.3 + 0.15 * round_)
        serving.kill()
        poster.join(30)
        serving = installation.serve()
    with serving.client(key) as client:
        listed = client.get("/domains").json()
    serving.stop()
    assert acked
    assert acked <= {each["sender"] for each in listed}
    assert all(each["verificationRecords"]["dkim"]["recordValue"] and each["privateDKIMKey"] for each in listed)
    assert "Traceback" not in installation.logs()


def test_a_check_killed_in_the_middle_is_done_again(installation: Installation, lab: DnsLab, zone: str) -> None:
    """Killed while it waits for DNS, a check leaves nothing half-done, and the next process does it."""
    with lab.ns1.server.frozen():
        serving = installation.serve()
        key = serving.open_account()
        with serving.client(key) as client:
            client.post("/domains", json={"sender": zone})
            time.sleep(1.5)
            before = client.get(f"/domains/{zone}").json()
        serving.kill()
    assert before["status"] == "PENDING"
    assert "checkedAt" not in before
    with installation.serving() as serving, serving.client(key) as client:
        client.post(f"/domains/{zone}/start-verification")
        assert eventually(lambda: "checkedAt" in client.get(f"/domains/{zone}").json())
        found = client.get(f"/domains/{zone}").json()
    assert found["status"] == "PENDING"
    assert {each["verdict"] for each in found["records"]} == {"absent"}


def test_two_of_each_check_every_domain_once(tmp_path: Path, postgres_url: str, lab: DnsLab) -> None:
    """Two serving and two working processes on one Postgres: no domain checked twice at once and none forgotten."""
    installation = Installation(
        tmp_path,
        DATABASE_URL=postgres_url,
        DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        LOG_FORMAT="json",
    )
    assert installation.run("migrate").returncode == 0
    with installation.serving("--no-worker") as one, installation.serving("--no-worker") as two:
        key = one.open_account()
        for number, serving in ((number, (one, two)[number % 2]) for number in range(40)):
            with serving.client(key) as client:
                assert client.post("/domains", json={"sender": f"each-{number}.test"}).status_code == 200
        workers = [installation.worker(), installation.worker()]
        try:
            assert eventually(lambda: _all_checked(two, key))
        finally:
            codes = [worker.stop() for worker in workers]
    assert codes == [0, 0]
    checked = _checked(installation)
    assert {sender for sender, _ in checked} == {f"each-{number}.test" for number in range(40)}
    assert len(checked) == len(set(checked))


def test_a_worker_alone_tells_its_own_numbers(tmp_path: Path, postgres_url: str, lab: DnsLab, zone: str) -> None:
    """A worker in a process of its own counts its checks where WORKER_METRICS_BIND says."""
    port = free_port("127.0.0.1")
    installation = Installation(
        tmp_path,
        DATABASE_URL=postgres_url,
        DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        WORKER_METRICS_BIND=f"127.0.0.1:{port}",
    )
    assert installation.run("migrate").returncode == 0
    with installation.serving("--no-worker") as serving:
        with serving.client(serving.open_account()) as client:
            assert client.post("/domains", json={"sender": zone}).status_code == 200
        worker = installation.worker()
        try:
            assert eventually(lambda: 'letterhead_checks_total{outcome="PENDING"}' in _numbers(port))
        finally:
            worker.stop()


def _numbers(port: int) -> str:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    except httpx2.TransportError:
        return ""


def _all_checked(serving: Serving, key: str) -> bool:
    with serving.client(key) as client:
        listed = client.get("/domains", params={"expand": "health"}).json()
    return all("checkedAt" in each["health"] for each in listed)


def _checked(installation: Installation) -> list[tuple[str, int]]:
    """List each check that ended, of which domain in which version, from the workers' logs."""
    lines = (json.loads(line) for line in installation.logs().splitlines() if line.startswith("{"))
    return [(line["domain"], line["version"]) for line in lines if line["event"] in ("check.done", "check.overtaken")]
