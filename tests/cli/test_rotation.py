"""The commands on a change of keys, against a service that runs as its own process."""

import json

from letterhead.cli.exit_codes import Exit
from letterhead.cli.report import change_of_keys
from tests.rigs.command import Running

RECORD = {"recordName": "lh2._domainkey", "recordType": "TXT", "recordValue": "v=DKIM1; k=rsa; p=MII"}
OLD = {
    "host": "lh1._domainkey.acme.dev", "replacedAt": "2026-01-01T00:00:00Z", "safeToRemoveAt": "2999-01-08T00:00:00Z",
}  # fmt: skip


def test_a_pending_domain_is_told_what_to_do(service: Running) -> None:
    """There is no proven key to follow: refused, with the fix; the step says that nothing is under way."""
    service.call("domains", "add", "keys.test", "--no-start")
    refused = service.call("domains", "rotate", "keys.test")
    assert refused.code == Exit.REFUSED
    assert "Publish its records first" in refused.err
    shown = service.call("domains", "rotation", "keys.test")
    assert shown.code == Exit.OK
    assert "No change of keys is under way." in shown.out
    told = json.loads(service.call("domains", "rotate", "keys.test", "--abandon", "--json").out)
    assert told["step"] == "none"


def test_the_record_and_what_can_go_are_shown() -> None:
    """The new record as the panel wants it; each old one with when it can go, nothing of a stranger's unescaped."""
    told = {"sender": "acme.dev", "step": "waiting", "selector": "lh1\x1b", "waitsFor": "Publish it."}
    text = change_of_keys({**told, "record": RECORD, "oldSelectors": []}).plain
    assert "lh2._domainkey  TXT   v=DKIM1; k=rsa; p=MII" in text
    assert "\x1b" not in text
    rows = [{**OLD, "safeToRemove": False}, {**OLD, "safeToRemove": True}]
    text = change_of_keys({**told, "oldSelectors": rows}).plain
    assert "can go in " in text
    assert "can be removed" in text
