"""Show that the hot statements find what they want by an index, as each engine's planner says itself."""

import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import asyncpg

from letterhead.adapters.storage.statements import Dialect, statements

OF_ALL: dict[str, Any] = {"after_sender": "d7.example", "status": None, "contains": "d7", "limit": 10}
HOT: dict[str, dict[str, Any]] = {
    "domains": {
        "account_id": "a7", "after": "", "status": None, "not_status": None, "contains": None, "problem": None,
        "limit": 10,
    },
    "domain_versions": {"account_id": "a7"},
    "labelled_domains": {
        "account_id": "a7", "label": "team:7", "others": '["tier:gold"]', "after": "", "status": None,
        "not_status": None, "contains": None, "problem": None, "limit": 10,
    },
    "labelled_domains_of_all": {
        **OF_ALL, "label": "team:7", "others": '["tier:gold"]', "after_account": "a7", "account_id": None,
        "before": None, "only_refused": 0,
    },
    "domains_within": {
        "account_id": "a7", "names": '["d7.example"]', "below": 1, "after": "", "status": None, "not_status": None,
        "contains": None, "problem": None, "labels": '["team:7"]', "limit": 10,
    },
    "domain": {"account_id": "a7", "sender": "d7.example"},
    "count_domains": {"account_id": "a7"},
    "unproven_below": {"account_id": "a7", "low": b"example.", "high": b"example/", "limit": 20},
    "own_held_above": {"account_id": "a7", "senders": '["d7.example", "example"]'},
    "cover_claims": {"names": '["d7.example", "example"]', "account_id": "a7"},
    "covers_subdomains": {"id": "d7"},
    "covering_domains": {"account_id": "a7", "after": "", "limit": 100},
    "covering_domains_within": {"account_id": "a7", "names": '["d7.example"]', "after": "", "limit": 100},
    "taken_out": {"account_id": "a7", "senders": '["d7.example"]', "limit": 101},
    "holder": {"sender": "d7.example"},
    "held_above": {"senders": '["d7.example", "example"]', "account_id": "a7"},
    "held_below": {"low": b"example.d7.", "high": b"example.d7/", "account_id": "a7", "limit": 10},
    "caller": {"digest": b"7", "restricted": b"8"},
    "claim_due": {
        "queue": 1, "now": 100, "until": 200, "owner": "me", "limit": 10, "quarter": 5, "held": '{"a7": 3}',
        "window": 20, "since": 50, "look": 0,
    },
    "due_position": {"queue": 1, "now": 100, "since": 0, "skip": 20},
    "misdated_domains": {"now": 100, "future": 100000, "distant": 200000, "stale": 300, "limit": 10},
    "recall_domains": {"domain_ids": '["d7", "d8"]', "now": 100},
    "recall_deliveries": {"now": 100, "distant": 200000, "stale": 300},
    "recall_checks": {"domain_ids": '["d7", "d8"]', "future": 100000},
    "release_domains": {"owner": "me", "now": 100},
    "claim_reminders": {
        "now": 100, "until": 200, "owner": "me", "limit": 10, "quarter": 2, "held": "{}", "served": "{}",
    },
    "claim_alerts": {
        "now": 100, "until": 200, "owner": "me", "limit": 10, "quarter": 2, "held": "{}", "served": "{}",
    },
    "queue_alerts": {"reminder_id": 7, "account_id": "a7", "due_at": 100},
    "reminders_of_alerts": {"ids": "[7, 8]"},
    "claim_intents": {
        "now": 100, "until": 200, "owner": "me", "limit": 10, "quarter": 2, "held": "{}", "served": "{}",
        "provider": 1, "zone": 0,
    },
    "add_deliveries": {
        "account_id": "a7", "sender": "d7.example", "id": "e7", "kind": "domain.lost", "at": 7,
        "marked": " domain.lost ", "detail": "", "changed": None, "life": "{}", "traceparent": None,
    },
    "drop_deliveries_beyond": {"webhook_id": "w7", "names": '["d7.example"]', "below": 1},
    "due_webhooks": {
        "now": 100, "late": 0, "slow": 2000, "places": 2, "limit": 10, "quarter": 2, "held": "{}", "served": "{}",
    },
    "resolver_outage": {},
    "last_checks": {"domain_ids": '["d7", "d8"]'},
    "sealed_keys": {"account_id": "a7", "first": "d7.example", "last": "d8.example"},
    "unproven_crowds": {"accounts": '["a7"]'},
    "check_contexts": {"domain_ids": '["d7", "d8"]'},
    "confirm_domains": {
        "domains": '[{"whose":"d7","was":0,"version":1,"queue":1,"due":5,"life":"{}","failing":5,"refused":0}]'
    },
    "confirm_checks": {"checkups": '[{"whose":"d7","version":1,"at":5}]'},
    "audit_rows": {"account_id": "a7", "before": 100, "limit": 10},
    "all_audit_rows": {"before": 100, "limit": 10},
    "events_of_account": {"account_id": "a7", "sender": None, "after": "", "limit": 10},
    "last_event_id": {"account_id": "a7"},
    "events_of_domain": {"account_id": "a7", "domain_id": "d7", "after": "", "limit": 10},
    "setup_link": {"digest": b"7"},
    "setup_links": {"domain_id": "d7", "now": 0},
    "end_unused_setup_links": {"domain_id": "d7", "at": 0, "kept": 4},
    "session": {"digest": b"7", "restricted": b"8"},
    "state_changes": {"account_id": "a7", "limit": 10},
    "idempotency_key": {"account_id": "a7", "key": "k"},
    "save_domain": {
        "id": "d7", "read_version": 0, "status": "", "held": 0, "path": b"", "queue": 1, "next_check_at": 0,
        "version": 1, "failing_since": None, "refused": 0, "cut": None, "life": "",
    },
    "all_domains": {**OF_ALL, "after_account": "a7"},
    "account_domains": {**OF_ALL, "account_id": "a7"},
    "unverified_domains": {**OF_ALL, "after_account": "a7", "status": "FAILED"},
    "failing_domains": {**OF_ALL, "after_account": "a7", "account_id": None, "before": 100},
    "refused_domains": {**OF_ALL, "after_account": "a7", "account_id": None},
    "count_conditions": {"before": 100},
    "backlog": {"now": 100, "future": 100000, "distant": 200000},
}  # fmt: skip
# What a claim ranks: rows that it has read by an index, no more than it needs.
STEPS = r"first_due|further_due|waiting|with_due|accounts_due|ranked|turns|[waohst]\b|\(subquery"
# What few domains are in is read whole, to be counted.
FEW = r"CONSTANT ROW|refused_ones|\w+ USING (COVERING )?INDEX (domains_(unverified|failing|refused)|intents_refused)"
COUNTED = {"intents", "key_pool"}  # by `backlog`: rows that go once they are done
# What an operator pages through comes in its order: a page costs what it holds, not what the table holds.
PAGED = ("all_domains", "account_domains")
# Ten domains to an account: planners read small tables whole, and are right to. A million rows take some minutes:
# PLAN_ROWS=1000000 ./dev test -o timeout=0 tests/contracts/test_store_plans.py
ROWS = int(os.environ.get("PLAN_ROWS", "30000"))
ACCOUNTS = ROWS // 10
NUMBERS = f"WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS - 1})"
FILL = [
    "INSERT INTO accounts (id, name, email, created_at) {numbers} "
    "SELECT 'a' || n, '', '', 0 FROM numbers WHERE n < {accounts}",
    "INSERT INTO api_keys (id, account_id, digest, name, key_type, scope, masked, created_at) {numbers} "
    "SELECT 'k' || n, 'a' || n, {digest}, '', '', '', '', 0 FROM numbers WHERE n < {accounts}",
    "INSERT INTO domains "
    "(id, account_id, sender, status, held, path, next_check_at, version, failing_since, refused, covers, cut, life) "
    "{numbers} "
    "SELECT 'd' || n, 'a' || (n % {accounts}), 'd' || n || '.example', CASE WHEN n % 50 = 0 THEN 'FAILED' "
    "ELSE 'SUCCESS' END, n % 2, {digest}, n, 0, CASE WHEN n % 50 = 0 THEN n END, "
    "CASE WHEN n % 500 = 0 THEN 1 ELSE 0 END, n % 4 / 2, CASE WHEN n % 40 = 0 THEN 'z' || n END, 'life' FROM numbers",
    "INSERT INTO intents (domain_id, account_id, sender, effect, due_at, attempts) {numbers} "
    "SELECT 'd' || n, 'a' || (n % {accounts}), 'd' || n || '.example', 'register', n, n % 300 / 299 FROM numbers",
    "INSERT INTO used_selectors (sender, selector, account_id) {numbers} "
    "SELECT 'd' || (n / 3) || '.example', 's' || n, 'a' || (n % {accounts}) FROM numbers",
    "INSERT INTO account_selectors (account_id, sender, selector) {numbers} "
    "SELECT 'a' || (n % {accounts}), 'd' || (n / 3) || '.example', 't' || n FROM numbers",
    "INSERT INTO domain_keys (domain_id, selector, sealed) {numbers} SELECT 'd' || n, 's', {digest} FROM numbers",
    "INSERT INTO spare_keys (domain_id, selector, sealed) {numbers} SELECT 'd' || n, 's', {digest} FROM numbers",
    "INSERT INTO checkups (domain_id, body, zone, heard_at, silent_since) {numbers} "
    "SELECT 'd' || n, '', 'd' || n, n, CASE WHEN n % 100 = 0 THEN n END FROM numbers",
    "INSERT INTO reminders (domain_id, account_id, kind, step, spell, due_at, attempts) {numbers} "
    "SELECT 'd' || n, 'a' || (n % {accounts}), '', '', '', n, 0 FROM numbers",
    "INSERT INTO domain_labels (account_id, label, sender, domain_id) {numbers} "
    "SELECT 'a' || (n % {accounts}), 'team:' || (n % 100), 'd' || n || '.example', 'd' || n FROM numbers",
    "INSERT INTO domain_labels (account_id, label, sender, domain_id) {numbers} "
    "SELECT 'a' || (n % {accounts}), 'tier:gold', 'd' || n || '.example', 'd' || n FROM numbers",
    "INSERT INTO alert_channels (id, account_id, name, scheme, created_at, sealed) {numbers} "
    "SELECT 'c' || n, 'a' || n, '', '', 0, {digest} FROM numbers WHERE n < {accounts}",
    "INSERT INTO alerts (reminder_id, channel_id, account_id, due_at, attempts, outcome) {numbers} "
    "SELECT n + 1, 'c' || (n % {accounts}), 'a' || (n % {accounts}), n, 0, CASE WHEN n % 50 > 0 THEN 'sent' END "
    "FROM numbers",
    "INSERT INTO events (id, domain_id, account_id, sender, kind, at, detail) {numbers} "
    "SELECT 'e' || n, 'd' || n, 'a' || (n % {accounts}), '', '', 0, '' FROM numbers",
    "INSERT INTO idempotency (account_id, key, digest, at) {numbers} "
    "SELECT 'a' || (n % {accounts}), 'k' || n, {digest}, 0 FROM numbers",
    "INSERT INTO webhooks (id, account_id, url, events, created_at, sealed) {numbers} "
    "SELECT 'w' || n, 'a' || n, '', ' * ', 0, {digest} FROM numbers WHERE n < {accounts}",
    "INSERT INTO deliveries (webhook_id, id, kind, at, detail, fate, failures, due_at) {numbers} "
    "SELECT 'w' || (n % {accounts}), 'd' || n, '', 0, '', 'pending', 0, n FROM numbers",
    "INSERT INTO attempts (webhook_id, delivery_id, at, milliseconds, said) {numbers} "
    "SELECT 'w' || (n % {accounts}), 'd' || n, 0, 0, '' FROM numbers",
    "INSERT INTO watched (domain_id, until) {numbers} SELECT 'd' || n, n FROM numbers",
    "INSERT INTO setup_links (id, domain_id, account_id, digest, created_at, ends_at) {numbers} "
    "SELECT 'l' || n, 'd' || n, 'a' || (n % {accounts}), {digest}, 0, 0 FROM numbers",
    "INSERT INTO sessions (digest, account_id, key_id, mark, created_at, ends_at) {numbers} "
    "SELECT {digest}, 'a' || n, 'k' || n, {digest}, 0, 0 FROM numbers WHERE n < {accounts}",
    "INSERT INTO audit (at, actor, account_id, action, subject) {numbers} "
    "SELECT 0, '', 'a' || (n % {accounts}), '', '' FROM numbers",
    "ANALYZE",
]


def filling(digest: str) -> list[str]:
    """Return the statements that fill a database."""
    return [statement.format(numbers=NUMBERS, digest=digest, accounts=ACCOUNTS) for statement in FILL]


async def plans_of_postgres(url: str) -> dict[str, str]:
    """Ask PostgreSQL for its plans."""
    connection = await asyncpg.connect(url)
    for text in filling("CAST(CAST(n AS TEXT) AS BYTEA)"):
        await connection.execute(text)
    plans = {}
    for name, statement in statements(Dialect.POSTGRES).items():
        if name in HOT:
            values = (HOT[name][parameter] for parameter in statement.parameters)
            plans[name] = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement.sql}", *values))
    await connection.close()
    return plans


def plans_of_sqlite(path: Path) -> dict[str, str]:
    """Ask SQLite for its plans."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in filling("CAST(n AS BLOB)"):
        connection.execute(statement)
    known = statements(Dialect.SQLITE)
    plans = {
        name: "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {known[name].sql}", values))
        for name, values in HOT.items()
    }
    connection.close()
    return plans


async def test_hot_statements_use_an_index(url: str, engine: str) -> None:
    """No hot statement reads a whole table that grows with the installation, and none sorts it."""
    if engine == "sqlite":
        plans, whole = (
            plans_of_sqlite(Path(url.removeprefix("sqlite:///"))),
            re.compile(rf"SCAN (?!{STEPS}|due|json_each|fell_silent|of_both|{FEW})"),
        )
    else:
        plans, whole = await plans_of_postgres(url), re.compile("Seq Scan")
    assert plans.keys() == HOT.keys()
    backlog = plans.pop("backlog")
    assert set(re.findall(r"(?:Seq Scan on|SCAN) (?!alerts USING INDEX)(\w+)", backlog)) <= COUNTED
    assert "alerts_account" in backlog  # of alerts, which stay for ever, those alone that are to go out
    assert {name: plan for name, plan in plans.items() if whole.search(plan)} == {}
    # What is due is read in the order of its index, and no more of it than is ranked; that little is sorted.
    if engine == "sqlite":
        assert plans["claim_due"].count("USING INDEX domains_queue (queue=? AND next_check_at") == 2
    else:
        assert len(re.findall(r"Limit .*\n\s+->  Index Scan using domains_queue", plans["claim_due"])) == 2
        assert plans["claim_due"].count("domains_queue") == 2
    assert "domains_queue" in plans["misdated_domains"]
    assert {name for name in PAGED if re.search("TEMP B-TREE|Sort", plans[name])} == set()
    if engine == "sqlite":  # PostgreSQL may sort what few domains are in
        assert "TEMP B-TREE" not in plans["unverified_domains"] + plans["failing_domains"]
    assert "domains_unverified" in plans["unverified_domains"]
    assert "domains_failing" in plans["failing_domains"]
    assert "TEMP B-TREE" not in plans["domains"] + plans["domain_versions"]
