"""The alert rules: they parse, each fires in its own case and none else, and each leads to a page that is there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.rigs.processes import program

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/letterhead.rules.yml"
RUNBOOK = ROOT / "docs/runbook"
CALLS = 'letterhead_provider_calls_total{instance="b",provider="ses",call="look",outcome='
CERTIFICATE = 'letterhead_relay_certificate_expiry_timestamp_seconds{instance="c"}'
BROKEN = 'letterhead_requests_total{instance="a",method="GET",route="/domains",status="500"}'
HEALTHY = {
    'up{job="letterhead",instance="a"}': "1+0x120",
    'up{job="letterhead-worker",instance="b"}': "1+0x120",
    'letterhead_store_up{instance="a"}': "1+0x120",
    'letterhead_requests_total{instance="a",method="GET",route="/domains",status="200"}': "0+600x120",
    'letterhead_requests_total{instance="a",method="GET",route="/domains",status="500"}': "0+1x120",
    'letterhead_worker_heartbeat_age_seconds{instance="a"}': "8+0x120",
    'letterhead_relay_heartbeat_age_seconds{instance="a"}': "8+0x120",
    'letterhead_checks_lag_seconds{instance="a"}': "20+0x120",
    'letterhead_deliveries_due{instance="a"}': "50+0x120",
    'letterhead_intents_age_seconds{instance="a"}': "60+0x120",
    'letterhead_provider_calls_total{instance="b",provider="ses",call="look",outcome="ok"}': "0+60x120",
    'letterhead_provider_calls_total{instance="b",provider="ses",call="look",outcome="provider-throttled"}': "1+0x120",
    'letterhead_resolver_outage{instance="a"}': "0+0x120",
    'letterhead_domains{instance="a",status="SUCCESS"}': "1000+0x120",
    'letterhead_domains{instance="a",status="TEMPORARY_FAILURE"}': "40+0x120",
    'letterhead_disk_free_bytes{instance="a",use="database"}': "5000000000+0x120",
    'letterhead_disk_reserve_bytes{instance="a",use="database"}': "100000000+0x120",
    'letterhead_checks_misdated{instance="a"}': "0+0x120",
    'letterhead_relay_oldest_timestamp_seconds{instance="c"}': "0+60x120",
    'letterhead_relay_certificate_expiry_timestamp_seconds{instance="c"}': "5000000+0x120",
    'letterhead_deliveries_total{instance="b",outcome="delivered"}': "0+10x120",
    'letterhead_deliveries_total{instance="b",outcome="pending"}': "0+1x120",
}
CASES = {
    "LetterheadDown": {'up{job="letterhead-worker",instance="b"}': "0+0x120"},
    "LetterheadDatabaseOut": {'letterhead_store_up{instance="a"}': "0+0x120"},
    "LetterheadErrors": {BROKEN: "0+60x120"},
    "LetterheadNoWorker": {'letterhead_worker_heartbeat_age_seconds{instance="a"}': "+Inf+0x120"},
    "LetterheadNoRelay": {'letterhead_relay_heartbeat_age_seconds{instance="a"}': "0+60x120"},
    "LetterheadChecksLate": {'letterhead_checks_lag_seconds{instance="a"}': "0+60x120"},
    "LetterheadDeliveriesLate": {'letterhead_deliveries_due{instance="a"}': "0+100x120"},
    "LetterheadProviderWorkOwed": {'letterhead_intents_age_seconds{instance="a"}': "0+60x120"},
    "LetterheadProviderRefuses": {CALLS + '"provider-refused"}': "0+1x120"},
    "LetterheadProviderThrottles": {CALLS + '"provider-throttled"}': "0+5x120"},
    "LetterheadResolversOut": {'letterhead_resolver_outage{instance="a"}': "1+0x120"},
    "LetterheadDomainsAtRisk": {'letterhead_domains{instance="a",status="TEMPORARY_FAILURE"}': "0+5x120"},
    "LetterheadDiskLow": {'letterhead_disk_free_bytes{instance="a",use="database"}': "50000000+0x120"},
    "LetterheadClockAhead": {'letterhead_checks_misdated{instance="a"}': "7+0x120"},
    "LetterheadRelayQueueOld": {'letterhead_relay_oldest_timestamp_seconds{instance="c"}': "60+0x120"},
    "LetterheadCertificateEnds": {CERTIFICATE: "900000+0x120"},
    "LetterheadWebhooksFail": {'letterhead_deliveries_total{instance="b",outcome="pending"}': "0+50x120"},
}
# Pages of what no alert can see: the process does not start, and Prometheus sees only that it does not answer.
WITHOUT_ALERT = {"key-ring-lost.md"}


def alerts() -> dict[str, dict[str, Any]]:
    """Read the alerts by name."""
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {each["alert"]: each for each in group["rules"]}


def promtool(*words: str) -> str:
    """Run promtool and return what it says; fail with it."""
    ended = subprocess.run([program("promtool"), *words], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def fires(series: dict[str, str], *names: str) -> dict[str, Any]:
    """Write a test of promtool: with these series exactly these alerts fire."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "110m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
            }
        ],
    }


def run_tests(folder: Path, *tests: dict[str, Any]) -> None:
    """Has promtool run tests."""
    written = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": list(tests)}
    (folder / "tests.yml").write_text(yaml.safe_dump(written, sort_keys=False), "utf-8")
    promtool("test", "rules", str(folder / "tests.yml"))


def test_the_rules_and_the_sample_parse() -> None:
    """By promtool itself, as Prometheus reads them."""
    assert f"SUCCESS: {len(alerts())} rules found" in promtool("check", "rules", str(RULES))
    promtool("check", "config", "--syntax-only", str(RULES.with_name("prometheus.yml")))


def test_each_alert_fires_in_its_case_alone(tmp_path: Path) -> None:
    """The healthy series fire none; each case adds one trouble, and fires one alert."""
    assert set(CASES) == set(alerts()), "every alert has its case"
    cases = [fires(HEALTHY | trouble, name) for name, trouble in CASES.items()]
    run_tests(tmp_path, fires(HEALTHY), *cases)


def test_the_cases_can_fail(tmp_path: Path) -> None:
    """A case that fires nothing is seen."""
    with pytest.raises(AssertionError, match="FAILED"):
        run_tests(tmp_path, fires(HEALTHY, "LetterheadDown"))


def test_each_alert_has_its_page() -> None:
    """Each alert names a page of the runbook, the page names the alert, and no page is without one."""
    pages = {path.name for path in RUNBOOK.glob("*.md")} - {"README.md"}
    named: dict[str, list[str]] = {}
    for name, rule in alerts().items():
        assert set(rule["annotations"]) == {"summary", "runbook_url"}
        page = rule["annotations"]["runbook_url"].rpartition("docs/runbook/")[2]
        named.setdefault(page, []).append(name)
        assert f"`{name}`" in (RUNBOOK / page).read_text("utf-8"), page
    assert set(named) == pages - WITHOUT_ALERT
    index = (RUNBOOK / "README.md").read_text("utf-8")
    assert set(re.findall(r"\]\(([a-z-]+\.md)\)", index)) == pages
    assert all(f"`{name}`" in index for name in alerts())


@pytest.mark.parametrize("page", sorted(RUNBOOK.glob("[a-z]*.md")), ids=lambda page: page.stem)
def test_each_page_answers_the_four_questions(page: Path) -> None:
    """What one sees, what it means, what to do, how one knows that it is over; and the test that made it happen."""
    text = page.read_text("utf-8")
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert heads == ["What you see", "What it means", "What to do", "How you know that it is over"]
    assert re.search(r"Made to happen by `tests/[\w/]+\.py`", text)
