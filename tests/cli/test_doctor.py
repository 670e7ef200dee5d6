"""The doctor, at a fresh folder, at a running service, and at real resolvers."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from letterhead.cli.exit_codes import Exit
from tests.operations.ses_story import given_credentials
from tests.rigs import ses_wire
from tests.rigs.command import Result, Running, letterhead, running, settings_for
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.waiting import is_within


def verdicts(result: Result) -> dict[str, str]:
    """Read `ok`, `no` or `warn` for each part."""
    lines = [line for line in result.out.splitlines() if line[:4].strip() in ("ok", "no", "warn")]
    return {line[5:15].strip(): line[:4].strip() for line in lines}


def test_fresh_folder_is_left_as_it_was(tmp_path: Path) -> None:
    """Without database and network it says so within seconds, with what to do, changes nothing, and exits with 1."""
    began = time.monotonic()
    result = letterhead("doctor", folder=tmp_path, **settings_for(tmp_path / "data"))
    assert is_within(time.monotonic() - began, 15)
    assert result.code == Exit.NOT_GOOD
    assert verdicts(result) == {
        "database": "no", "provider": "ok", "resolvers": "no", "port 53": "no", "mail": "warn", "clock": "ok",
        "public URL": "warn", "DNS hosts": "ok",
    }  # fmt: skip
    assert result.out.count("fix: ") == 5
    assert "letterhead run" in result.out
    assert list(tmp_path.iterdir()) == []


def test_running_service_is_asked(service: Running) -> None:
    """Beside a server on the embedded database it takes the server's word."""
    result = letterhead("doctor", folder=service.data, **service.settings)
    assert verdicts(result) | {"resolvers": "", "port 53": ""} == {
        "database": "ok", "keys": "ok", "server": "ok", "store": "ok", "worker": "ok", "disk": "ok", "provider": "ok",
        "resolvers": "", "port 53": "",
        "mail": "warn", "clock": "ok",
        "public URL": "warn", "DNS hosts": "ok",
    }  # fmt: skip


def test_stopped_installation(tmp_path: Path, lab: DnsLab) -> None:
    """At rest it opens the database, tries the keys, and asks the resolver that is set."""
    with running(tmp_path) as service:
        settings = dict(service.settings)
    result = letterhead("doctor", folder=tmp_path, **(settings | {"DNS_RESOLVERS": f"{RESOLVER}:{lab.resolver_port}"}))
    told = verdicts(result)
    assert {told[part] for part in ("database", "keys", "store", "disk", "provider", "resolvers")} == {"ok"}, result.out
    assert told["worker"] == "warn"


def test_checks_of_the_future_are_told(tmp_path: Path) -> None:
    """A check that a clock planned which was ahead is a line, with what to do."""
    with running(tmp_path) as service:
        settings = dict(service.settings)
        assert service.call("domains", "add", "later.test").code == Exit.OK
    with closing(sqlite3.connect(tmp_path / "data" / "letterhead.db", isolation_level=None)) as database:
        database.execute("UPDATE domains SET next_check_at = next_check_at + 1000 * 86400 * 365")
    result = letterhead("doctor", folder=tmp_path, **settings)
    assert verdicts(result)["worker"] == "no", result.out
    assert "checks dated in the future: 1" in result.out


def test_alert_channels_that_fail_are_named(tmp_path: Path) -> None:
    """Those that have failed longest, with the service, the account and the reason; of very many, some."""
    with running(tmp_path) as service:
        settings = dict(service.settings)
    with closing(sqlite3.connect(tmp_path / "data" / "letterhead.db", isolation_level=None)) as database:
        database.executemany(
            "INSERT INTO alert_channels (id, account_id, name, scheme, created_at, sealed, failing_since, failure) "
            "SELECT ?, id, 'on call', 'pagerduty', 0, x'00', ?, 'it answered 410' FROM accounts LIMIT 1",
            [(f"alert_{number}", 1_000 * number) for number in range(1, 8)],
        )
    told = letterhead("doctor", folder=tmp_path, **settings)
    assert verdicts(told)["alerts"] == "warn", told.out
    named = " ".join(told.out.split())
    assert "the PagerDuty channel 'on call' (alert_1) of the account" in named
    assert "since 1970-01-01 00:00 UTC: it answered 410" in named
    assert "letterhead alerts test alert_5" in named
    assert "alert_6" not in named
    assert "there are more alert channels that do not work" in named


def test_a_proxy_that_is_not_trusted_is_told(service: Running) -> None:
    """A request that a proxy forwarded, for a host that no link names, is remembered: a hint, with the settings."""
    headers = {"X-Forwarded-For": "203.0.113.7", "Host": "mail.example.com"}
    assert httpx2.get(f"{service.url}/status", headers=headers, trust_env=False).is_success
    result = letterhead("doctor", folder=service.data, **service.settings)
    assert verdicts(result)["proxy"] == "warn"
    assert "LETTERHEAD_TRUSTED_PROXIES is not set" in result.out
    assert "203.0.113.7" not in result.out
    assert "mail.example.com" not in result.out


def test_wrong_keys_are_told(tmp_path: Path) -> None:
    """Keys that do not open the database are a line, with what to do."""
    with running(tmp_path) as service:
        settings = dict(service.settings)
    (tmp_path / "data" / "keys").unlink()
    result = letterhead("doctor", folder=tmp_path, **settings)
    assert (result.code, verdicts(result)["keys"]) == (Exit.NOT_GOOD, "no")


async def test_ses_is_asked_even_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who we are at AWS, how the account stands and what we may not is told, also before the first start."""
    async with ses_wire.running() as ses:
        ses.state.production, ses.state.denied = False, {"DeleteEmailIdentity"}
        given_credentials(monkeypatch, ses.url, tmp_path)
        settings = settings_for(tmp_path / "data") | {"PROVIDER": "ses", "SES_REGION": "eu-west-1"}
        result = await asyncio.to_thread(letterhead, "doctor", folder=tmp_path, **settings)
    assert "as arn:aws:iam::123456789012:user/letterhead" in result.out
    assert "no   provider   sandbox: 200 mails a day" in result.out
    assert "no   provider   not allowed: ses:DeleteEmailIdentity" in result.out
