"""The commands on webhooks and events, against a service that runs as its own process, with a real receiver."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from letterhead.cli.exit_codes import Exit
from tests.rigs import webhook_receiver
from tests.rigs.command import Running, running
from tests.rigs.webhook_receiver import Ledger, Mood


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a service whose webhooks may lead to this machine."""
    allowed = {"WEBHOOKS_ALLOW_HTTP": "true", "WEBHOOKS_ALLOW_PRIVATE": "true"}
    with running(tmp_path_factory.mktemp("webhooks"), **allowed) as service:
        yield service


@pytest.fixture
def receiver() -> Iterator[Ledger]:
    """Run a receiver."""
    with webhook_receiver.running() as ledger:
        yield ledger


@pytest.mark.timeout(600)  # a dozen processes, one after the other
def test_a_webhook_from_add_to_delete(open_service: Running, receiver: Ledger) -> None:
    """add prints the secret alone, test waits for the answer, deliveries show it, redeliver keeps the id."""
    added = open_service.call("webhooks", "add", receiver.url, "--events", "domain.created")
    assert added.code == Exit.OK
    secret = added.out.strip()
    (made,) = json.loads(open_service.call("webhooks", "list", "--json").out)["endpoints"]
    assert made["events"] == ["domain.created"]
    tried = open_service.call("webhooks", "test", made["id"])
    assert (tried.code, "delivered" in tried.out, "200" in tried.out) == (Exit.OK, True, True)
    (taken,) = receiver.received
    Webhook(secret).verify(taken.body, taken.headers)
    open_service.call("domains", "add", "hooked.test", "--no-start")
    again = open_service.call("webhooks", "redeliver", made["id"], taken.id, "--json")
    assert json.loads(again.out)["id"] == taken.id
    assert receiver.ids().count(taken.id) == 2
    shown = open_service.call("webhooks", "deliveries", made["id"])
    assert "domain.created" in shown.out
    assert open_service.call("webhooks", "rotate-secret", made["id"]).out.strip() != secret
    receiver.mood = Mood.GONE
    assert open_service.call("webhooks", "test", made["id"]).code == Exit.NOT_GOOD
    assert "disabled" in open_service.call("webhooks", "list").out
    refused = open_service.call("webhooks", "test", made["id"])
    assert (refused.code, f"letterhead webhooks change {made['id']}" in refused.err) == (Exit.REFUSED, True)
    receiver.mood = Mood.OK
    assert open_service.call("webhooks", "change", made["id"]).code == Exit.OK
    assert open_service.call("webhooks", "test", made["id"]).code == Exit.OK
    assert open_service.call("webhooks", "delete", made["id"], "--yes").code == Exit.OK
    assert made["id"] not in open_service.call("webhooks", "list").out


def test_a_webhook_for_some_domains(open_service: Running, receiver: Ledger) -> None:
    """The list shows what each webhook is for, and one for a domain gets its events and those of names below."""
    only = ("--domain", "own.test", "--domain", "second.test", "--covers-subdomains")
    assert open_service.call("webhooks", "add", receiver.url, *only).code == Exit.OK
    assert open_service.call("webhooks", "add", receiver.url).code == Exit.OK
    listed = json.loads(open_service.call("webhooks", "list", "--json").out)["endpoints"]
    assert [each.get("domains") for each in listed] == [["own.test", "second.test"], None]
    shown = open_service.call("webhooks", "list", "--output", "csv").out
    assert "own.test, second.test and below" in shown
    assert "all domains" in shown
    for name in ("eu.own.test", "other.test"):
        open_service.call("domains", "add", name, "--no-start")
    sent = open_service.call("webhooks", "deliveries", listed[0]["id"], "--json").out
    assert [each["kind"] for each in json.loads(sent)] == ["domain.created"]
    for each in listed:
        assert open_service.call("webhooks", "delete", each["id"], "--yes").code == Exit.OK
    refused = open_service.call("webhooks", "add", receiver.url, "--covers-subdomains")
    assert refused.code == Exit.REFUSED


def test_a_change_leaves_what_is_not_named(open_service: Running, receiver: Ledger) -> None:
    """Each of address, events and domains alone; a mistake says what the command wants, and changes nothing."""
    assert open_service.call("webhooks", "add", receiver.url, "--domain", "own.test").code == Exit.OK
    (made,) = json.loads(open_service.call("webhooks", "list", "--json").out)["endpoints"]
    kept = {name: made[name] for name in ("id", "webhook", "secret", "createdAt")}
    for words, events, domains, below in (
        (("--events", "domain.verified"), ["domain.verified"], ["own.test"], False),
        (("--domain", "b.test", "--covers-subdomains"), ["domain.verified"], ["b.test"], True),
        (("--events", "*"), ["*"], ["b.test"], True),
        (("--domain", "b.test", "--domain", "c.test"), ["*"], ["b.test", "c.test"], False),
        (("--all-domains",), ["*"], None, False),
    ):  # fmt: skip
        assert open_service.call("webhooks", "change", made["id"], *words).code == Exit.OK
        (now,) = json.loads(open_service.call("webhooks", "list", "--json").out)["endpoints"]
        assert (now["events"], now.get("domains"), now.get("coversSubdomains", False)) == (events, domains, below)
        assert {name: now[name] for name in kept} == kept
    for words in (("--all-domains", "--domain", "b.test"), ("--covers-subdomains",)):
        assert open_service.call("webhooks", "change", made["id"], *words).code == Exit.USAGE
    assert open_service.call("webhooks", "change", made["id"], "--url", "ftp://x").code == Exit.REFUSED
    unknown = open_service.call("webhooks", "change", "wh_unknown")
    assert (unknown.code, "letterhead webhooks list" in unknown.err) == (Exit.REFUSED, True)
    assert open_service.call("webhooks", "change", made["id"], "--url", f"{receiver.url}/b").code == Exit.OK
    (now,) = json.loads(open_service.call("webhooks", "list", "--json").out)["endpoints"]
    assert now["webhook"] == f"{receiver.url}/b"
    assert open_service.call("webhooks", "delete", made["id"], "--yes").code == Exit.OK


def test_events_are_a_timeline(open_service: Running, tmp_path: Path) -> None:
    """What happened is told oldest first, also of a domain that is gone, and as the API told it."""
    open_service.call("domains", "add", "timeline.test", "--no-start")
    open_service.call("domains", "delete", "timeline.test", "--yes")
    shown = open_service.call("events", "timeline.test").out.splitlines()
    assert [line.split()[3] for line in shown[1:]] == ["domain.created", "domain.deleted"]
    assert open_service.call("events", "--json").out == open_service.get("/events?limit=100").text + "\n"
    one = open_service.call("events", "timeline.test", "--limit", "1")
    assert "--after" in one.err
