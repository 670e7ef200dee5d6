"""A real Prometheus scrapes all three processes: their metrics are clean, and each panel and rule finds its series."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml  # type: ignore[import-untyped]

from tests.docs.markdown import ROOT
from tests.rigs.letterhead import OPERATOR_TOKEN, Installation
from tests.rigs.postgres import Postgres
from tests.rigs.processes import Server, free_port, program
from tests.rigs.waiting import eventually, until

DASHBOARD = ROOT / "deploy/grafana/letterhead.json"
RULES = ROOT / "deploy/prometheus/letterhead.rules.yml"
NAME = re.compile(r"\b(?:letterhead|process)_\w+")


def panels() -> Iterator[dict[str, Any]]:
    """List the panels that have queries."""
    yield from (each for each in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if each["type"] != "row")


def expressions() -> dict[str, str]:
    """Return every expression of the dashboard and of the rules, by where it stands."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
        for panel in panels()
        for target in panel["targets"]
    }
    for rule in yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]:
        found[rule["alert"]] = rule["expr"]
    return found


def test_the_dashboard_is_whole() -> None:
    """Panels have a title, a description and a place of their own; no two overlap."""
    taken: set[tuple[int, int]] = set()
    assert len(list(panels())) > 15
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.timeout(300)
def test_prometheus_finds_every_series(tmp_path: Path, postgres: Postgres) -> None:
    """promtool is content with each process; every expression is read, and names only metrics that were scraped."""
    ports = [free_port("127.0.0.1") for _ in range(4)]
    with postgres.database() as url:
        installation = Installation(
            tmp_path, DATABASE_URL=url, DNS_RESOLVERS="127.0.0.1:9", KEY_POOL="1", PROVIDER="simulated",
            WORKER_METRICS_BIND=f"127.0.0.1:{ports[0]}", RELAY_METRICS_BIND=f"127.0.0.1:{ports[1]}",
            RELAY_BIND=f"127.0.0.1:{ports[2]}", RELAY_SMARTHOST_STARTTLS="never", RELAY_SMARTHOST="smtp://127.0.0.1:9",
        )  # fmt: skip
        assert installation.run("migrate").returncode == 0
        with installation.serving("--no-worker") as serving:
            worker, relay = installation.worker(), installation.relay()
            with serving.client(serving.open_account()) as client:
                assert client.post("/domains", json={"sender": "acme.test"}).status_code == 200
            targets = {
                "letterhead": serving.url.removeprefix("http://"),
                "letterhead-worker": f"127.0.0.1:{ports[0]}",
                "letterhead-relay": f"127.0.0.1:{ports[1]}",
            }
            until(lambda: "letterhead_checks_total{" in scraped(targets["letterhead-worker"]))
            for address in targets.values():
                text = scraped(address)
                ended = subprocess.run(
                    [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
                )
                assert (ended.returncode, ended.stdout + ended.stderr) == (0, ""), address
            asked_of(tmp_path, ports[3], targets)
            worker.stop()
            relay.stop()


def asked_of(folder: Path, port: int, targets: dict[str, str]) -> None:
    """Run Prometheus on the targets, and put every expression to it."""
    (folder / "token").write_text(OPERATOR_TOKEN)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": job,
                "authorization": {"credentials_file": str(folder / "token")},
                "static_configs": [{"targets": [address]}],
            }
            for job, address in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    server = Server(
        [
            program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        folder / "prometheus-log",
    )  # fmt: skip
    try:
        until(lambda: len(ask(port, "count by (job) (up == 1)")) == 3)
        drawn = {f"{panel['title']} {target['refId']}" for panel in panels() for target in panel["targets"]} - QUIET
        # A rate needs two samples, and each process is scraped in its own time: an empty answer may be one asked early.
        for where in sorted(drawn):
            assert eventually(partial(ask, port, expressions()[where])), where
        names = set(httpx2.get(f"http://127.0.0.1:{port}/api/v1/label/__name__/values", trust_env=False).json()["data"])
        for where, expression in expressions().items():
            missing = set(NAME.findall(expression)) - names - SELDOM
            assert not missing, (where, missing)
            ask(port, expression)
        firing = {each["labels"]["alertname"] for each in alerts(port) if each["state"] == "firing"}
        assert not firing, "a running installation is well"
    finally:
        server.stop()


# What this installation has not done: no webhook was sent, no message relayed, and it has no certificate and no files.
SELDOM = {
    "letterhead_deliveries_total",
    "letterhead_relay_messages_total",
    "letterhead_relay_certificate_expiry_timestamp_seconds",
}
QUIET = {"Webhooks by outcome A", "Messages of the relay A"}


def scraped(address: str) -> str:
    """Return the metrics of a process; nothing while it does not answer."""
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    try:
        return httpx2.get(f"http://{address}/metrics", headers=headers, timeout=20, trust_env=False).text
    except httpx2.TransportError:
        return ""


def ask(port: int, expression: str) -> list[Any]:
    """Put an expression to Prometheus; fail where it can't be read."""
    try:
        answer = httpx2.get(
            f"http://127.0.0.1:{port}/api/v1/query", params={"query": expression}, timeout=20, trust_env=False
        )
    except httpx2.TransportError:
        return []  # it is starting
    if answer.status_code == 503:
        return []
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]["result"]
    return found


def alerts(port: int) -> list[dict[str, Any]]:
    """List the alerts."""
    found: list[dict[str, Any]] = httpx2.get(f"http://127.0.0.1:{port}/api/v1/alerts", trust_env=False).json()["data"][
        "alerts"
    ]
    return found
