"""The forms of output, questions before destroying, and a terminal's width, against one real service."""

import csv
import io
import json
import os
import pty
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from letterhead.cli.exit_codes import Exit, worst
from letterhead.cli.report import finding, report
from letterhead.cli.tables import columns, cut
from letterhead.core.check.check import CheckJudgement
from letterhead.core.findings.diagnosis import Finding
from letterhead.operations.one_off_checks import OneOffResult
from tests.rigs.command import LETTERHEAD, OPERATOR_TOKEN, Running, environment, letterhead, printed_key, running

HEAD = "$TTL 1h\n@ IN SOA ns1 host ( 1 7200\n 3600 1209600 600 )\n  NS ns1\nns1 A 192.0.2.1\n"
LISTS = (
    ["domains", "list"], ["keys", "list"], ["webhooks", "list"], ["events"], ["config"], ["accounts", "list"],
    ["accounts", "audit"],
)  # fmt: skip


def at_terminal(
    service: Running,
    *arguments: str,
    answer: str = "",
    width: int = 80,
    until: tuple[str, socket.socket] | None = None,
    **settings: str,
) -> tuple[int, str]:
    """Run a command at a pseudo terminal, type an answer, and return its exit code and what stands there.

    With `until`, a server hangs up on the command as soon as a text stands there.
    """
    ours, theirs = pty.openpty()
    mine = {"URL": service.url, "OPERATOR_TOKEN": OPERATOR_TOKEN} | settings
    if "API_KEY" not in mine:
        mine["API_KEY"] = service.key
    env = environment(**mine) | {"COLUMNS": str(width), "LINES": "24", "NO_COLOR": "", "TERM": "xterm"}
    run = subprocess.Popen(
        [LETTERHEAD, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=service.data.parent
    )
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        asked = False
        while True:
            try:
                piece = terminal.read(4096)
            except OSError:  # EIO: the other side has closed
                break
            shown += piece
            if answer and not asked and re.search(rb"(go on: |\[y/N\] )$", shown):
                terminal.write(f"{answer}\n".encode())
                asked = True
            if until is not None and not asked and until[0].encode() in shown:
                until[1].accept()[0].close()
                asked = True
        return run.wait(20), shown.decode()


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_every_list_has_three_forms(service: Running, words: list[str]) -> None:
    """JSON is read as JSON, CSV has as many fields in each row as its header, and a table has its header."""
    service.call("domains", "add", "forms.test", "--no-start")
    json.loads(service.call(*words, "-o", "json").out)
    header, *rows = list(csv.reader(io.StringIO(service.call(*words, "--output", "csv").out)))
    assert all(re.fullmatch(r"[a-z_]+", name) for name in header)
    assert all(len(row) == len(header) for row in rows)
    assert service.call(*words).out.split("\n")[0].isupper()
    assert service.call(*words, "--json", "-o", "csv").code == Exit.USAGE


def test_csv_holds_whole_times_and_no_secret(service: Running) -> None:
    """A script reads times of ISO 8601, not how long ago; private keys are in no form unless they were asked for."""
    service.call("domains", "add", "times.test", "--no-start")
    rows = list(csv.DictReader(io.StringIO(service.call("domains", "list", "-o", "csv").out)))
    (row,) = [each for each in rows if each["domain"] == "times.test"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["added"])
    assert "PRIVATE KEY" not in service.call("domains", "list", "-o", "json").out


def test_deleting_asks_and_a_script_must_say_so(service: Running) -> None:
    """Without a terminal and without --yes nothing is done, exit 2; at a terminal any other answer than yes is no."""
    service.call("domains", "add", "kept.test", "--no-start")
    refused = service.call("domains", "delete", "kept.test")
    assert (refused.code, "--yes" in refused.err) == (Exit.USAGE, True)
    code, shown = at_terminal(service, "domains", "delete", "kept.test", answer="n")
    assert (code, "Nothing was done." in shown) == (Exit.NOT_GOOD, True)
    assert "kept.test" in service.call("domains", "list").out
    code, _ = at_terminal(service, "domains", "delete", "kept.test", answer="y")
    assert code == Exit.OK
    assert "kept.test" not in service.call("domains", "list").out
    for words in (["keys", "delete", "x"], ["webhooks", "delete", "x"], ["accounts", "delete", "x"]):
        refused = service.call(*words)
        assert (refused.code, "--yes" in refused.err) == (Exit.USAGE, True)
        assert service.call(*words, "--yes").code == Exit.REFUSED


@pytest.mark.timeout(300)
def test_where_mail_would_stop_the_name_is_typed(tmp_path: Path) -> None:
    """Of a domain that may send, yes is not enough: its own name must be typed."""
    with running(tmp_path, "demo") as demo:
        key, sender = printed_key(demo), "lighthouse.example"
        mine = {"URL": demo.url, "API_KEY": key}
        for answer, code in (("y", Exit.NOT_GOOD), ("harbour.example", Exit.NOT_GOOD), (sender, Exit.OK)):
            assert sender in letterhead("domains", "list", folder=tmp_path, **mine).out
            ended, shown = at_terminal(demo, "domains", "delete", sender, answer=answer, API_KEY=key)
            assert (ended, f"Type {sender} to go on" in shown) == (code, True), shown
        assert sender not in letterhead("domains", "list", folder=tmp_path, **mine).out


def test_a_terminal_shows_that_it_waits(service: Running) -> None:
    """A server that takes a request and says nothing is named, until it hangs up: then the command says so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code, shown = at_terminal(service, "keys", "list", until=(f"Waiting for {url}", silent), URL=url)
    assert (code, f"Waiting for {url}" in shown, "[unreachable]" in shown) == (Exit.UNREACHABLE, True, True)


def test_a_new_key_sees_no_private_keys(service: Running) -> None:
    """`keys create` gives no more than a program needs that manages domains; the list says which scope a key has."""
    key = service.call("keys", "create", "plain").out.strip()
    service.call("domains", "add", "scoped.test", "--no-start", API_KEY=key)
    shown = service.call("domains", "show", "scoped.test", "--json", "--private-keys", API_KEY=key)
    assert (shown.code, "PRIVATE KEY" in shown.out) == (Exit.OK, False)
    header, *rows = service.call("keys", "list").out.splitlines()
    (row,) = [line for line in rows if " plain " in line]
    assert row[header.index("SCOPE") :].startswith("write ")


@pytest.mark.parametrize("words", [["domains", "show", "narrow.test"], ["domains", "list"], ["keys", "list"]])
def test_a_terminal_is_not_too_narrow(service: Running, words: list[str]) -> None:
    """Lines of a report stay within the terminal, and one word has the colour."""
    service.call("domains", "add", "narrow.test")
    code, shown = at_terminal(service, *words, width=100)
    assert (code, "\x1b[1m" in shown) == (Exit.OK, True)
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in shown.replace("\r", "").split("\n")]
    if words[:2] == ["domains", "show"]:
        assert max(map(len, lines)) <= 100
    assert "\x1b[33mPENDING\x1b[0m" in shown or words[0] == "keys"


LONG = {
    "severity": "blocking", "code": "dkim.wrong-key", "title": "Another key", "host": "k._domainkey.acme.dev",
    "detail": "What stands there is not what was planned, " * 4, "expected": "v=DKIM1; p=" + "A" * 400,
    "observed": ["v=DKIM1; p=" + "B" * 400], "fix": "Replace the value of the record k._domainkey " * 3,
}  # fmt: skip


def test_lines_stay_behind_their_gutter() -> None:
    """At a terminal each line of a finding begins with its gutter or below the fix; in a pipe nothing is wrapped."""
    narrow = finding(LONG, 60)
    assert all(len(line) <= 60 for line in narrow.plain.split("\n"))
    body = narrow.plain.split("\n")[2:]
    assert all(line.startswith(("   |  ", "   = fix: ", " " * 10)) for line in body)
    assert "…" in narrow.plain
    whole = finding(LONG).plain
    assert ("…" not in whole, "A" * 400 in whole, len(whole.split("\n"))) == (True, True, 6)


def test_one_word_has_the_colour() -> None:
    """The severity alone is red: the title, the detail and the fix are not."""
    text = finding(LONG, 60)
    assert not text.style
    red = [text.plain[span.start : span.end] for span in text.spans if "red" in str(span.style)]
    assert red == ["blocking"]


def test_optional_and_awaited_records_are_no_alarm() -> None:
    """A missing DMARC record that is not required is optional, a key asked for just now awaited; SPF has a row."""
    record = {"verdict": "absent", "recordType": "TXT", "host": "_dmarc.acme.dev", "required": False}
    spf = {**LONG, "severity": "warning", "code": "spf.no-all", "host": "acme.dev", "observed": ["v=spf1 a"]}
    key = {**record, "host": "n._domainkey.acme.dev", "required": True}
    shown = report({"sender": "acme.dev", "records": [record], "nextKey": key, "findings": [spf]})
    rows = [line.split() for line in shown.plain.split("\n")[1:4]]
    assert [row[0] for row in rows] == ["optional", "present", "awaited"]
    assert rows[1][2:] == ["acme.dev", "v=spf1", "a"]
    assert "red" not in str([span.style for span in shown.spans])


def test_a_long_value_is_cut_at_a_terminal_alone() -> None:
    """The last column ends with … within the width, and is whole without one."""
    assert columns(("A", "B"), [("a", "x" * 100)], width=40).plain.split("\n")[1] == f"a  {'x' * 36}…"
    assert columns(("A", "B"), [("a", "x" * 100)]).plain.endswith("x" * 100)
    assert cut("中文中文", 5) == "中文…"


def zones(tmp_path: Path) -> Path:
    """Write a text with three zones: a right one, one with nothing, one with an unknown word in its SPF record."""
    path = tmp_path / "zones"
    bodies = {
        "right.dev": '@ TXT "v=spf1 -all"\n_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@right.dev"\n',
        "empty.dev": "",
        "odd.dev": '@ TXT "v=spf1 ptr -all"\n_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@odd.dev"\n',
    }
    path.write_text("".join(f"$ORIGIN {name}.\n{HEAD}{body}" for name, body in bodies.items()), "utf-8")
    return path


def test_nothing_at_all_is_not_good(tmp_path: Path) -> None:
    """A domain with neither DKIM nor SPF nor DMARC is `none`, exit 1; a warning counts with --strict alone."""
    path = str(zones(tmp_path))
    empty = letterhead("check", "empty.dev", "--zone", path, "--json", folder=tmp_path)
    assert (empty.code, json.loads(empty.out)["verdict"]) == (Exit.NOT_GOOD, "none")
    assert letterhead("check", "odd.dev", "--zone", path, folder=tmp_path).code == Exit.OK
    strict = letterhead("check", "odd.dev", "--zone", path, "--strict", folder=tmp_path)
    assert (strict.code, "\nfail: " in strict.out, "--strict" in strict.out) == (Exit.NOT_GOOD, True, True)
    assert letterhead("check", "right.dev", "--zone", path, "--strict", folder=tmp_path).code == Exit.OK


@pytest.mark.parametrize(
    ("severities", "spf", "strict", "verdict"),
    [
        (("warning", "inconclusive"), None, False, "inconclusive"),
        (("warning", "inconclusive"), None, True, "fail"),
        (("inconclusive",), None, True, "inconclusive"),
        (("inconclusive",), (), False, "inconclusive"),
        (("warning",), (), True, "none"),
        (("blocking", "inconclusive"), (), False, "fail"),
    ],
)
def test_what_is_bad_counts_before_what_is_not_known(
    severities: tuple[str, ...], spf: tuple[str, ...] | None, strict: bool, verdict: str
) -> None:
    """A warning fails a strict check also where something else got no answer, as what blocks does in every check."""
    findings = tuple(msgspec.convert(LONG | {"severity": each}, Finding) for each in severities)
    examination = CheckJudgement(results=(), findings=findings)
    result = OneOffResult(
        sender="acme.dev", checked_at=datetime.now(UTC), dns_host=None, examination=examination, spf=spf, strict=strict
    )
    assert result.verdict == verdict


def test_spf_of_the_domain_has_its_row(tmp_path: Path) -> None:
    """SPF at the domain itself is shown with its verdict, in the text and in JSON."""
    path = str(zones(tmp_path))
    shown = letterhead("check", "odd.dev", "--zone", path, "--json", folder=tmp_path)
    (spf,) = [each for each in json.loads(shown.out)["records"] if each["id"] == "spf"]
    assert (spf["verdict"], spf["observed"]) == ("present", ["v=spf1 ptr -all"])


def test_several_domains_in_one_process(tmp_path: Path) -> None:
    """All are checked, in the order given; a name that is none is reported, and the worst exit code counts."""
    path, names = str(zones(tmp_path)), tmp_path / "names"
    names.write_text("# ours\nempty.dev\n\nodd.dev  # old\n", "utf-8")
    both = letterhead("check", "right.dev", "--from-file", str(names), "--zone", path, "-o", "json", folder=tmp_path)
    assert [each["domain"] for each in json.loads(both.out)] == ["right.dev", "empty.dev", "odd.dev"]
    assert both.code == Exit.NOT_GOOD
    command = [str(LETTERHEAD), "check", "-", "--zone", path, "-o", "csv"]
    run = subprocess.run(
        command, input="right.dev\nb..c\n", env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == Exit.USAGE
    assert "b..c" in run.stderr
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(run.stdout))] == ["pass"]
    expect = letterhead("check", "right.dev", "odd.dev", "--expect", "x.json", folder=tmp_path)
    assert (expect.code, "--expect" in expect.err) == (Exit.USAGE, True)


def test_a_zone_file_is_read_once_for_all_domains(tmp_path: Path) -> None:
    """A zone text that comes from a pipe, which can't be read twice, serves every domain."""
    text = zones(tmp_path).read_text("utf-8")
    command = [str(LETTERHEAD), "check", "right.dev", "odd.dev", "--zone", "/dev/stdin", "-o", "json"]
    run = subprocess.run(
        command, input=text, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (run.returncode, [each["verdict"] for each in json.loads(run.stdout)]) == (Exit.OK, ["pass", "pass"])


def test_the_worst_code_wins() -> None:
    """A wrong command line is worse than a fault in DNS, and that is worse than silence."""
    assert worst([Exit.OK, Exit.NOT_SEEN]) is Exit.NOT_SEEN
    assert worst([Exit.NOT_SEEN, Exit.NOT_GOOD]) is Exit.NOT_GOOD
    assert worst([Exit.NOT_GOOD, Exit.USAGE]) is Exit.USAGE


def test_the_version_has_three_ways(tmp_path: Path) -> None:
    """`letterhead version`, `letterhead --version` and `python -m letterhead version` print one line."""
    line = letterhead("--version", folder=tmp_path).out
    assert letterhead("version", folder=tmp_path).out == line
    command = [sys.executable, "-m", "letterhead", "version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == line
