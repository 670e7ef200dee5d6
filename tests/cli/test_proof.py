"""The command that proves a domain, against a service that runs as its own process, and how a verdict reads."""

import json
from pathlib import Path
from typing import Any

import pytest

from letterhead.cli.exit_codes import Exit
from letterhead.cli.proofs import LARGEST, exit_of, report, source
from letterhead.errors import Fault
from tests.rigs.command import Running
from tests.rigs.signing import message

VERDICT: dict[str, Any] = {
    "judgedAt": "2026-11-23T12:00:00Z",
    "envelope": {"clientIp": "9.9.9.9", "clientIpFrom": "received", "mailFrom": "", "mailFromFrom": "return-path",
                 "received": "from x\x1b[31m"},
    "dkim": [{"result": "fail", "why": "The body was changed.", "fix": "Sign last.", "domain": "acme.dev",
              "selector": "lh1", "algorithm": "rsa-sha256", "keyBits": 2048, "aligned": True}],
    "spf": {"result": "softfail", "why": "No.", "identity": "mailfrom", "domain": "lh.acme.dev", "lookups": 3,
            "aligned": True, "code": "spf.no-all"},
    "dmarc": {"result": "fail", "why": "Nothing passes.", "fix": "Sign it.", "outcome": "rejected",
              "fromDomain": "acme.dev", "policy": "reject", "host": "_dmarc.acme.dev", "record": "v=DMARC1; p=reject",
              "inherited": False},
    "notes": ["Look again."],
}  # fmt: skip
TOLD = {"sender": "acme.dev", "status": "judged", "verdict": VERDICT}


def test_a_verdict_reads_as_a_compiler_says_it() -> None:
    """Verdict first, each part with its reason and fix, how the message came, nothing of a stranger's unescaped."""
    text = report(TOLD).plain
    assert text.startswith("acme.dev  DMARC fail: the message is rejected")
    assert "DKIM fail\n   |  d=acme.dev s=lh1 rsa-sha256, 2048 bits, aligned\n   |  The body was changed.\n" in text
    assert "SPF softfail [spf.no-all]\n   |  mailfrom lh.acme.dev, 3 of 10 lookups, aligned" in text
    assert "From acme.dev, reject, by _dmarc.acme.dev: v=DMARC1; p=reject" in text
    assert "   = fix: Sign it." in text
    assert "MAIL FROM" in text
    assert "note: Look again." in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, Exit.NOT_GOOD),
        ({"result": "pass"}, Exit.OK),
        ({"result": "none"}, Exit.OK),
        ({"result": "temperror"}, Exit.NOT_SEEN),
        ({"result": "pass", "fromDomain": "other.dev"}, Exit.NOT_GOOD),
    ],
)
def test_the_exit_code_is_dmarcs(change: dict[str, str], code: Exit) -> None:
    """1 where DMARC fails or the message is another domain's, 5 where a lookup got no answer."""
    assert exit_of({**TOLD, "verdict": {**VERDICT, "dmarc": {**VERDICT["dmarc"], **change}}}) is code


def test_a_message_is_judged_by_the_service(service: Running, tmp_path: Path) -> None:
    """A file of any octets goes as it is; without a key in DNS the signature is none, and DMARC tells."""
    service.call("domains", "add", "proven.test", "--no-start")
    file = tmp_path / "mail.eml"
    file.write_bytes(message("proven.test").replace(b"Hello", b"H\xe4llo\0"))
    words = ("--ip", "9.9.9.9", "--mail-from", "a@proven.test")
    told = service.call("domains", "proof", "proven.test", "--raw", str(file), *words, "--json")
    assert json.loads(told.out)["verdict"]["envelope"]["clientIpFrom"] == "given"
    shown = service.call("domains", "proof", "proven.test", "--raw", str(file), *words)
    assert "The message has no signature." in shown.out
    assert "DMARC" in shown.out


def test_without_a_mailbox_it_is_said_what_to_do(service: Running, tmp_path: Path) -> None:
    """Nothing can be sent: refused with the fix; a file that is not there is named."""
    service.call("domains", "add", "unproven.test", "--no-start")
    refused = service.call("domains", "proof", "unproven.test")
    assert refused.code == Exit.REFUSED
    assert "raw" in refused.err
    missing = service.call("domains", "proof", "unproven.test", "--raw", str(tmp_path / "none.eml"))
    assert missing.code == Exit.USAGE


def test_a_file_becomes_a_request(tmp_path: Path) -> None:
    """Text stays text, other octets are base64, what is too large is refused before it is sent."""
    file = tmp_path / "mail.eml"
    file.write_bytes(b"From: a\n\nhello")
    assert source(file) == {"raw": "From: a\n\nhello"}
    file.write_bytes(b"\xff")
    assert source(file) == {"raw": "/w==", "encoding": "base64"}
    file.write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(Fault):
        source(file)


def test_what_was_sent_is_told() -> None:
    """Where to look for the message, and under which id."""
    told = {"sender": "acme.dev", "status": "sent", "to": "proof@x.test", "id": "proof1", "next": "Open it."}
    assert report(told).plain == "acme.dev  sent, to proof@x.test\nid proof1\nOpen it."
    assert exit_of(told) is Exit.OK
