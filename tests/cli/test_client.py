"""The commands that are clients of the API, against a service that runs as its own process."""

import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.zone
import pytest

from letterhead.cli.client import DEFAULT_URL, base_url
from letterhead.cli.exit_codes import Exit
from tests.rigs.command import LETTERHEAD, OPERATOR_TOKEN, Running, environment, letterhead
from tests.rigs.processes import free_port


def test_a_domain_from_add_to_delete(service: Running) -> None:
    """add prints what to publish, list and show know it, check says 1 while it is not verified, delete ends it."""
    added = service.call("domains", "add", "story.test")
    assert added.code == Exit.OK
    assert "._domainkey  TXT   -         yes       v=DKIM1; k=rsa; p=" in added.out
    assert re.search(r"^lh +MX +10 +no +feedback", added.out, re.MULTILINE)
    assert "story.test" in service.call("domains", "list").out
    assert "PENDING" in service.call("domains", "show", "story.test").out
    checked = service.call("domains", "check", "story.test")
    assert checked.code == Exit.NOT_SEEN  # its resolver is not there
    assert "unanswered" in checked.out
    while "Not looked at anew: this look is " not in (again := service.call("domains", "check", "story.test").out):
        pass  # on a busy machine five seconds go by between two commands
    assert "the next can be made in " in again or "the next can be made now" in again
    assert service.call("domains", "check", "story.test", "--dry-run").code == Exit.NOT_SEEN
    assert service.call("domains", "start", "story.test").code == Exit.OK
    assert service.call("domains", "delete", "story.test", "--yes").code == Exit.OK
    assert "story.test" not in service.call("domains", "list").out


def test_json_is_the_apis_own(service: Running) -> None:
    """--json prints what the API answers, octet for octet, and private keys where that was asked for alone."""
    service.call("domains", "add", "octets.test", "--no-start")
    for words, path in ((("list",), "/domains"), (("show", "octets.test"), "/domains/octets.test")):
        whole = service.get(path).text
        assert service.call("domains", *words, "--json", "--private-keys").out == whole + "\n"
        shown = service.call("domains", *words, "--json").out
        assert '"privateDKIMKey"' in whole
        assert '"privateDKIMKey"' not in shown
        assert re.sub(r',"privateDKIMKey":"[^"]*"', "", whole) + "\n" == shown
    added = json.loads(service.call("domains", "add", "octets.test", "--json").out)
    assert "octets.test" in [domain["sender"] for domain in added]


def test_zone_file_is_one(service: Running) -> None:
    """--zone-file prints lines that a name server loads, holding exactly what the API wants published."""
    text = service.call("domains", "add", "lines.test", "--no-start", "--zone-file").out
    zone = dns.zone.from_text(text, origin="lines.test", relativize=False, check_origin=False)
    wanted = service.get("/domains/lines.test").json()["verificationRecords"]
    assert {str(name).rstrip(".") for name in zone} == {record["host"] for record in wanted.values()}
    dkim = zone.get_rdataset(f"{wanted['dkim']['host']}.", "TXT")
    assert dkim is not None
    assert b"".join(dkim[0].strings).decode() == wanted["dkim"]["recordValue"]
    assert service.call("domains", "show", "lines.test", "--zone-file").out == text


def test_options_reach_the_api(service: Running) -> None:
    """--selector, --mail-from, --no-start, --status and --search do what they say."""
    service.call("domains", "add", "optional.test", "--selector", "mine", "--mail-from", "bounce", "--no-start")
    told = service.get("/domains/optional.test").json()
    assert (told["selector"], told["mailFrom"], told["status"]) == ("mine", "bounce.optional.test", "NOT_STARTED")
    found = service.call("domains", "list", "--status", "NOT_STARTED", "--search", "optional").out.splitlines()
    assert [line.split()[0] for line in found] == ["DOMAIN", "optional.test"]


def test_refusals_are_three(service: Running) -> None:
    """What the API refuses exits with 3 and prints code, message, fix and tracking id on stderr."""
    result = service.call("domains", "add", "not a domain")
    assert (result.code, result.out) == (Exit.REFUSED, "")
    message, fix, tracking = result.err.splitlines()
    assert message.endswith("[domain-charset]")
    assert fix.startswith("fix: ")
    assert tracking.startswith("tracking id: ")
    assert service.call("domains", "show", "absent.test").code == Exit.REFUSED
    assert "[unauthorized]" in service.call("domains", "list", API_KEY="lh_live_wrong").err


def test_nobody_there_is_four(tmp_path: Path) -> None:
    """Without a server it exits with 4 and says how to start one."""
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    result = letterhead("domains", "list", folder=tmp_path, URL=url, API_KEY="lh_live_any")
    assert result.code == Exit.UNREACHABLE
    assert "letterhead run" in result.err


def test_a_url_that_is_none_is_two(tmp_path: Path) -> None:
    """A URL that is none is 2, and names the variable."""
    result = letterhead("domains", "list", folder=tmp_path, URL="nonsense", API_KEY="lh_live_any")
    assert result.code == Exit.USAGE
    assert "LETTERHEAD_URL" in result.err


def test_another_server_is_told_apart(tmp_path: Path) -> None:
    """An answer that is not in our envelope is 3, and says that this is no Letterhead."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer_otherwise, args=[listener], daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = letterhead("domains", "list", folder=tmp_path, URL=url, API_KEY="lh_live_any")
    assert result.code == Exit.REFUSED
    assert "[http-404]" in result.err


def _answer_otherwise(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\n\r\n<html>")


def test_key_comes_from_the_first_start(service: Running, tmp_path: Path) -> None:
    """Without LETTERHEAD_API_KEY the first key in the data folder is used; without that it is said what is missing."""
    found = letterhead("domains", "list", folder=tmp_path, URL=service.url, DATA_DIR=str(service.data))
    assert found.code == Exit.OK
    missing = letterhead("domains", "list", folder=tmp_path, URL=service.url)
    assert missing.code == Exit.USAGE
    assert "LETTERHEAD_API_KEY" in missing.err


def test_keys(service: Running) -> None:
    """A key is made, prints alone on stdout, works, is listed masked, and is refused once deleted."""
    made = service.call("keys", "create", "for a script", "--scope", "read")
    key = made.out.strip()
    assert service.call("domains", "list", API_KEY=key).code == Exit.OK
    assert service.call("domains", "add", "scope.test", API_KEY=key).code == Exit.REFUSED
    listed = service.call("keys", "list").out
    assert key not in listed
    line = next(line for line in listed.splitlines() if "for a script" in line)
    assert service.call("keys", "delete", line.split()[0], "--in-days", "2", "--yes").code == Exit.OK
    assert "ends in 1 d" in service.call("keys", "list").out
    assert service.call("domains", "list", API_KEY=key).code == Exit.OK
    assert service.call("keys", "delete", line.split()[0], "--yes").code == Exit.OK
    again = next(line for line in service.call("keys", "list").out.splitlines() if "for a script" in line)
    assert "revoked" in again


def test_accounts(service: Running) -> None:
    """The operator opens an account with limits, changes them, and closes it; without the token nothing is asked."""
    made = service.call(
        "accounts", "create", "--name", "Acme", "--email", "it@acme.example", "--domains", "0", "--json"
    )
    account = json.loads(made.out)
    refused = service.call("domains", "add", "over.test", API_KEY=account["key"])
    assert (refused.code, "[usage-limit-exceeded]" in refused.err) == (Exit.REFUSED, True)
    assert " 5 " in service.call("accounts", "limits", account["accountId"], "--domains", "5").out
    assert json.loads(service.call("accounts", "show", account["accountId"], "--json").out)["limits"] == {"domains": 5}
    assert "Acme" in service.call("accounts", "list").out
    assert service.call("accounts", "delete", account["accountId"], "--yes").code == Exit.OK
    assert service.call("accounts", "show", account["accountId"]).code == Exit.REFUSED
    assert service.call("accounts", "list", OPERATOR_TOKEN="").code == Exit.USAGE


def test_the_operator_of_this_machine_needs_no_token(service: Running, tmp_path: Path) -> None:
    """The token of the settings is used at the server of these settings, and is shown to no other one."""
    bind = service.url.removeprefix("http://")
    (tmp_path / "own.toml").write_text(f'operator_token = "{OPERATOR_TOKEN}"\nbind = "{bind}"\n')
    own = {"OPERATOR_TOKEN": "", "CONFIG": str(tmp_path / "own.toml")}
    assert service.call("accounts", "list", **own).code == Exit.OK
    assert service.call("accounts", "list", **own, URL="").code == Exit.OK  # found at its bind
    for url in ("https://other.invalid", f"http://127.0.0.1:{free_port('127.0.0.1')}", f"unix:{tmp_path}/other.sock"):
        elsewhere = service.call("accounts", "list", **own, URL=url)
        assert elsewhere.code == Exit.USAGE  # and not "unreachable": nothing was asked
        assert "LETTERHEAD_OPERATOR_TOKEN is not set" in elsewhere.err


def test_settings_that_may_not_be_read_hinder_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can't read this machine's settings asks the default address."""
    monkeypatch.delenv("LETTERHEAD_URL", raising=False)
    monkeypatch.setenv("LETTERHEAD_CONFIG", str(tmp_path / "own.toml"))
    assert base_url() == DEFAULT_URL
    (tmp_path / "own.toml").write_text('bind = "[::]:8026"\n')
    assert base_url() == "http://[::1]:8026"


@pytest.mark.parametrize("command", [["list"], ["show", "wide.test"]])
def test_a_pipe_gets_plain_lines(service: Running, command: list[str]) -> None:
    """In a pipe nothing is coloured, cut or wrapped, and no line ends in spaces."""
    service.call("domains", "add", "wide.test", "--no-start")
    out = service.call("domains", *command).out
    assert "\x1b" not in out
    assert out.isprintable() or all(line.isprintable() and line == line.rstrip() for line in out.splitlines())


def test_a_terminal_gets_colour(service: Running) -> None:
    """At a terminal a pending domain is yellow, and NO_COLOR turns that off."""
    service.call("domains", "add", "colour.test")
    assert "\x1b[33mPENDING" in at_terminal(service, NO_COLOR="", TERM="xterm")
    assert "\x1b[33mPENDING" not in at_terminal(service, NO_COLOR="1", TERM="xterm")


def at_terminal(service: Running, **variables: str) -> str:
    """Run `domains list` at a terminal and return what stands there."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        env = environment(URL=service.url, API_KEY=service.key) | variables
        run = subprocess.Popen([LETTERHEAD, "domains", "list"], stdout=theirs, env=env, cwd=service.data)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other side has closed
            while piece := terminal.read(4096):
                shown += piece
        assert run.wait(20) == Exit.OK
    return shown.decode()


def test_a_closed_pipe_is_no_trouble(service: Running) -> None:
    """`letterhead … | head -c 1` ends quietly."""
    pipe = f"for i in 1 2 3; do {LETTERHEAD} config; done | head -c 1; {LETTERHEAD} config | true"
    run = subprocess.run(["bash", "-c", pipe], env=environment(), cwd=service.data, capture_output=True, check=True)
    assert run.stderr == b""


def test_other_spellings_are_found(service: Running) -> None:
    """A domain added in capitals or in its own script prints its records."""
    assert "in the zone spelt.test" in service.call("domains", "add", "SPELT.test.", "--no-start").out
    assert "in the zone xn--bcher-kva.test" in service.call("domains", "add", "bücher.test", "--no-start").out


def test_the_operator_lists_and_shows_domains_of_all_accounts(service: Running) -> None:
    """--all-accounts, --account and --only with the operator's token, in pages that are joined; no private key."""
    service.call("domains", "add", "desk.test", "--no-start")
    account = service.get("/account").json()["accountId"]
    listed = service.call("domains", "list", "--all-accounts", "--search", "desk.test")
    assert re.search(rf"^{account} +\S.* desk\.test +NOT_STARTED", listed.out, re.MULTILINE)
    rows = json.loads(service.call("domains", "list", "--account", account, "--json").out)
    assert "desk.test" in [row["sender"] for row in rows]
    shown = service.call("domains", "show", "desk.test", "--account", account, "--json")
    assert json.loads(shown.out)["sender"] == "desk.test"
    assert "private" not in shown.out + listed.out
    assert "NOT_STARTED" in service.call("domains", "show", "desk.test", "--account", account).out
    none = service.call("domains", "list", "--all-accounts", "--only", "failing", "--search", "desk.test")
    assert "No domain matches." in none.out
    lost = service.call("domains", "show", "none.test", "--account", account)
    assert lost.code == Exit.REFUSED
    assert "letterhead domains list --all-accounts" in lost.err
    alone = service.call("domains", "list", "--only", "failing")
    assert alone.code == Exit.USAGE
    assert "--all-accounts" in alone.err


def test_set_up_links(service: Running, tmp_path: Path) -> None:
    """`link` prints the link alone, as --json all of it; `open` opens it with the browser; no mail server is said."""
    service.call("domains", "add", "linked.test", "--no-start")
    made = service.call("domains", "link", "linked.test")
    assert (made.code, made.out.startswith(f"{service.url}/setup/"), made.out.count("\n")) == (Exit.OK, True, 1)
    ends = json.loads(service.call("domains", "link", "linked.test", "--days", "1", "--json").out)["expiresAt"]
    assert datetime.fromisoformat(ends) < datetime.now(UTC) + timedelta(days=1, minutes=1)
    refused = service.call("domains", "link", "linked.test", "--send-to", "dns@colleague.example")
    assert (refused.code, "LETTERHEAD_SMTP_URL" in refused.err) == (Exit.REFUSED, True)
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    for command, said in ((f"{browser} %s", ""), (str(tmp_path / "none"), "open the address above")):
        env = environment(URL=service.url, API_KEY=service.key) | {"BROWSER": command, "PATH": "/usr/none"}
        opened = subprocess.run(
            [LETTERHEAD, "domains", "open", "linked.test"],
            env=env, cwd=service.data, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert said in opened.stderr
        if not said:
            assert seen.read_text() == opened.stdout


def test_the_own_account(service: Running) -> None:
    """It is shown with its address; without a mail server the address can't be confirmed, and that is said."""
    assert "@" in service.call("account").out
    refused = service.call("account", "--email", "dns@acme.example")
    assert (refused.code, "no mail server is set" in refused.err) == (Exit.REFUSED, True)


def test_own_domains_are_completed(service: Running, tmp_path: Path) -> None:
    """bash completes a domain where a command takes one, options elsewhere, and nothing where nobody answers."""
    service.call("domains", "add", "completed.test", "--no-start")
    (tmp_path / "completion").write_text(service.call("completion", "print", "bash").out)

    def completed(*words: str, **settings: str) -> str:
        listed = " ".join(f"'{word}'" for word in words)
        script = f"source ./completion; COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; "
        script += "_letterhead_or_domain; echo ${COMPREPLY[@]}"
        env = environment(**({"URL": service.url, "API_KEY": service.key} | settings))
        env["PATH"] = f"{LETTERHEAD.parent}:{env['PATH']}"
        run = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        assert run.stderr == ""
        return run.stdout.strip()

    assert completed("letterhead", "domains", "show", "compl") == "completed.test"
    assert completed("letterhead", "events", "completed") == "completed.test"
    assert completed("letterhead", "domains", "add", "compl") == ""
    assert "--json" in completed("letterhead", "domains", "show", "--j")
    assert completed("letterhead", "domains", "show", "compl", URL="http://127.0.0.1:9") == ""
