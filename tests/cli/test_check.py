"""`letterhead check` tells what is wrong with any domain, and a script can rely on its exit codes and its JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from letterhead import cli
from letterhead.core.dns.records import zone_line
from tests.cases import case
from tests.core import samples
from tests.rigs.command import Result, letterhead

HEAD = "$ORIGIN acme.dev.\n$TTL 1h\n@ IN SOA ns1 host ( 1 7200\n 3600 1209600 600 )\n  NS ns1\nns1 A 192.0.2.1\n"
RECORDS = {record.id.value: record for record in samples.plan().records}
LINES = {name: zone_line(each.host, each.rdtype, each.value, each.priority) for name, each in RECORDS.items()}
KEY_DATA = LINES["dkim"].partition(" ")[2]
KEYS = {"domain", "checkedAt", "dnsHost", "verdict", "records", "findings"}
RECORD_KEYS = {"id", "host", "recordType", "expected", "observed", "verdict"}
FINDING_KEYS = {
    *("code", "severity", "record", "host", "title", "detail", "expected", "observed", "fix", "evidence"),
}  # fmt: skip


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Write the plan that a customer was told."""
    path = tmp_path / "plan.json"
    records = [
        {
            "id": each.id,
            "host": each.host,
            "recordType": each.rdtype,
            "recordValue": each.value,
            "required": each.required,
        }
        | ({"priority": each.priority} if each.priority is not None else {})
        for each in RECORDS.values()
    ]
    path.write_text(json.dumps({"records": records}), "utf-8")
    return path


def zone(tmp_path: Path, **instead: str) -> Path:
    """Write a zone with all records right, but those that are given as other lines."""
    path = tmp_path / "acme.zone"
    path.write_text(HEAD + "\n".join({**LINES, **instead}.values()) + "\n", "utf-8")
    return path


Run = Callable[..., Result]
Checked = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("LETTERHEAD_ALLOW_SPECIAL_USE", raising=False)

    def command(*arguments: str | Path) -> Result:
        code = cli.run([str(each) for each in arguments])
        told = capsys.readouterr()
        return Result(code, told.out, told.err)

    return command


@pytest.fixture
def checked(run: Run) -> Checked:
    """Run a check and return its exit code and its JSON."""

    def check(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
        done = run("check", *arguments, "--json")
        assert done.out, done.err
        return done.code, json.loads(done.out)

    return check


def codes(told: dict[str, Any]) -> list[str]:
    return [each["code"] for each in told["findings"]]


def test_a_right_zone_passes(tmp_path: Path, plan: Path, checked: Checked) -> None:
    """All records as planned: exit 0, and the JSON has exactly the promised keys."""
    code, told = checked("acme.dev", "--zone", zone(tmp_path), "--expect", plan)
    assert (code, told["verdict"], told["findings"]) == (0, "pass", [])
    assert set(told) == KEYS
    assert [each["verdict"] for each in told["records"]] == ["present"] * 4
    assert all(set(each) == RECORD_KEYS for each in told["records"])


@pytest.mark.parametrize(
    ("instead", "expected"),
    [
        ({"dkim": ""}, "dkim.missing"),
        ({"dkim": 'lh1._domainkey TXT "v=DKIM1\\; k=rsa\\; p="'}, "dkim.revoked"),
        ({"dkim": f"lh1._domainkey.acme.dev {KEY_DATA}"}, "dkim.name-doubled"),
        ({"dkim": f"lh1.domainkey {KEY_DATA}"}, "dkim.underscore-missing"),
        ({"dkim": zone_line("lh1._domainkey.acme.dev", "TXT", f'"{RECORDS["dkim"].value}"')}, "dkim.quoted"),
        ({"dkim": "lh1._domainkey TXT v=DKIM1; k=rsa; p=abc"}, "dkim.quotes-lost"),
        ({"dkim": 'lh1._domainkey TXT "v=DKIM1; k=rsa; n=abc"'}, "dkim.no-key"),
        ({"dkim": "lh1._domainkey CNAME key.elsewhere.example."}, "dkim.cname-conflict"),
        ({"mail_from_mx": "", "mail_from_spf": "lh CNAME gone"}, "mail-from.cname-dangling"),
        ({"mail_from_mx": "lh MX 10 feedback.mail.example"}, "mail-from.mx-zone-appended"),
        ({"mail_from_mx": "lh MX 10 feedback.mail.example.\nlh MX 20 mail"}, "mail-from.mx-extra"),
        ({"mail_from_mx": "lh MX 0 ."}, "mail-from.mx-null"),
        ({"mail_from_spf": f'{LINES["mail_from_spf"]}\nlh TXT "v=spf1 -all"'}, "spf.several-records"),
        ({"mail_from_spf": 'lh TXT "v=spf1 inclde:spf.mail.example ~all"'}, "spf.unknown-mechanism"),
        ({"dmarc": '_dmarc TXT "v=DMARC1; p=nothing"'}, "dmarc.policy-invalid"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_zone_file_is_named(
    tmp_path: Path, plan: Path, instead: dict[str, str], expected: str, checked: Checked
) -> None:
    """Each mistake in a zone's text is one finding with all that the JSON promises, and exit 1 if it blocks."""
    code, told = checked("acme.dev", "--zone", zone(tmp_path, **instead), "--expect", plan)
    assert codes(told) == [expected]
    (finding,) = told["findings"]
    assert set(finding) == FINDING_KEYS
    assert finding["fix"]
    assert code == (1 if finding["severity"] == "blocking" else 0)


def test_any_valid_record_will_do_where_none_is_planned(tmp_path: Path, checked: Checked) -> None:
    """Without a plan, the keys that the zone holds are looked at, and what can't be right is told all the same."""
    code, told = checked("acme.dev", "--zone", zone(tmp_path), "--mail-from", "lh")
    assert (code, [each["verdict"] for each in told["records"]]) == (0, ["present"] * 4)
    wrong = {"dkim": 'lh1._domainkey TXT "v=DKIM1; k=rsa; p=!!"', "mail_from_mx": "lh MX 10 192.0.2.7."}
    code, told = checked("acme.dev", "--zone", zone(tmp_path, **wrong), "--mail-from", "lh.acme.dev")
    assert (code, told["verdict"]) == (1, "fail")
    assert {"dkim.bad-base64", "mail-from.mx-is-address"} <= set(codes(told))


def test_what_is_no_selector_is_not_taken_for_one(tmp_path: Path, checked: Checked) -> None:
    """A wildcard and a label with an underscore are no selectors; a retired key beside a live one is a note."""
    extra = ['*._domainkey TXT "v=DKIM1; p="', '_adsp._domainkey TXT "dkim=all"', 'y1._domainkey TXT "v=DKIM1; p="']
    dmarc = '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@acme.dev"'
    code, told = checked("acme.dev", "--zone", zone(tmp_path, dmarc=dmarc, more="\n".join(extra)))
    hosts = [each["host"] for each in told["records"] if each["id"] == "dkim"]
    assert (code, hosts) == (0, ["lh1._domainkey.acme.dev", "y1._domainkey.acme.dev"])
    assert codes(told) == ["dkim.retired"]


def test_a_named_selector_must_be_there(tmp_path: Path, checked: Checked) -> None:
    """A selector that was named and has no key is a blocking finding; a guessed one never is."""
    code, told = checked("acme.dev", "--zone", zone(tmp_path), "--selector", "other", "--selector", "lh1")
    assert (code, codes(told)[0]) == (1, "dkim.missing")
    assert [each["verdict"] for each in told["records"] if each["id"] == "dkim"] == ["absent", "present"]


def test_the_offending_text_has_a_mark_under_it(tmp_path: Path, plan: Path, run: Run) -> None:
    """On a terminal or in a pipe: severity and code, place, the text with a mark under the very part, what to do."""
    path = zone(tmp_path, mail_from_spf='lh TXT "v=spf1 include:spf.mail.example ip4:10.1.2.300 ~all"')
    done = run("check", "acme.dev", "--zone", str(path), "--expect", str(plan))
    lines = done.out.splitlines()
    at = next(number for number, line in enumerate(lines) if "^^^" in line)
    start = lines[at].index("^")
    assert lines[at - 1][start : start + lines[at].count("^")] == "ip4:10.1.2.300"
    assert "blocking[spf.bad-address]" in done.out
    assert "\x1b" not in done.out
    assert "= fix: " in done.out


def test_text_from_dns_can_not_reach_the_terminal(tmp_path: Path, plan: Path, run: Run) -> None:
    """Control characters in a record are shown as escapes."""
    path = zone(tmp_path, dkim='lh1._domainkey TXT "v=DKIM1; \\027[31m p=AA"')
    done = run("check", "acme.dev", "--zone", str(path), "--expect", str(plan))
    assert "\x1b" not in done.out
    assert "\\x1b[31m" in done.out


def test_a_line_that_is_not_understood_costs_itself_alone(tmp_path: Path, plan: Path, checked: Checked) -> None:
    """The other records are judged; at a name that is looked at, that record alone is unanswered."""
    code, told = checked(
        "acme.dev", "--zone", zone(tmp_path, other="www ALIAS site.example.\nold TXT open)"), "--expect", plan
    )
    assert (code, codes(told)) == (0, ["zone.lines-left-out"])
    (note,) = told["findings"]
    assert all(part in note["detail"] for part in ("www ALIAS site.example.", "old TXT open)"))
    code, told = checked("acme.dev", "--zone", zone(tmp_path, mail_from_mx="lh MX mail"), "--expect", plan)
    assert (code, told["verdict"], codes(told)) == (5, "inconclusive", ["zone.line-unread"])
    assert [each["id"] for each in told["records"] if each["verdict"] != "present"] == ["mail_from_mx"]
    assert "lh MX mail" in told["findings"][0]["detail"]


def test_zone_text_needs_no_origin(tmp_path: Path, plan: Path, checked: Checked) -> None:
    """Where the text does not say which zone it is of, it is that of the domain that the command names."""
    path = zone(tmp_path)
    path.write_text(path.read_text("utf-8").removeprefix("$ORIGIN acme.dev.\n"), "utf-8")
    code, told = checked("acme.dev", "--zone", path, "--expect", plan)
    assert (code, told["verdict"], set(codes(told)) - {"zone.text-names-no-zone"}) == (0, "pass", set())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_zone_text_in_other_encodings_is_read(tmp_path: Path, plan: Path, encoding: str, checked: Checked) -> None:
    """Windows programs write UTF-16, with a mark or without one; the text is the same."""
    path = zone(tmp_path)
    path.write_text(path.read_text("utf-8"), encoding)
    code, told = checked("acme.dev", "--zone", path, "--expect", plan)
    assert (code, told["findings"]) == (0, [])


def test_a_file_in_an_unknown_encoding_is_refused_with_the_octet(tmp_path: Path, run: Run) -> None:
    """What is no text in any of them is refused, and where is said."""
    path = tmp_path / "odd.zone"
    path.write_bytes(b"@ TXT caf\xe9\n")
    done = run("check", "acme.dev", "--zone", str(path))
    assert done.code == 2
    assert "octet 10 is 0xe9" in done.err


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["news._domainkey.acme.dev {key}"], "dkim.name-doubled"),
        (["news._domainkey {key}", "old._domainkey.acme.dev {key}"], "dkim.name-doubled"),
        (["news._domainkey {key}", "news._domainkey.shop {key}"], None),
    ],
)
def test_keys_under_doubled_names_are_found_without_a_plan(
    tmp_path: Path, lines: list[str], code: str | None, checked: Checked
) -> None:
    """A full name that lacks its final dot is doubled in the text; a subdomain's own key is not."""
    written = "\n".join(each.format(key=KEY_DATA) for each in lines)
    _, told = checked("acme.dev", "--zone", zone(tmp_path, dkim=written))
    assert [each for each in codes(told) if each.startswith("dkim.")] == ([code] if code else [])


def test_a_doubled_name_of_a_subdomain_is_found(tmp_path: Path, checked: Checked) -> None:
    """The name is doubled by its zone, which is not the domain that mail is sent from."""
    path = zone(tmp_path, dkim=f"k1._domainkey.shop.acme.dev {KEY_DATA}")
    assert "dkim.name-doubled" in codes(checked("shop.acme.dev", "--zone", path)[1])


@pytest.mark.parametrize(
    ("dmarc", "expected"),
    [("", "dmarc.missing"), ('_dmarc TXT "v=DMARC1; p=nothing"', "dmarc.policy-invalid"), (LINES["dmarc"], None)],
)
def test_dmarc_is_looked_at_whatever_is_expected(
    tmp_path: Path, plan: Path, dmarc: str, expected: str | None, checked: Checked
) -> None:
    """A plan says what must be there, not what may not be looked at; DMARC that is not planned is advice."""
    records = json.loads(plan.read_text("utf-8"))["records"]
    plan.write_text(json.dumps({"records": [each for each in records if each["id"] != "dmarc"]}), "utf-8")
    code, told = checked("acme.dev", "--zone", zone(tmp_path, dmarc=dmarc), "--expect", plan)
    assert [each["id"] for each in told["records"]][-1:] == ["dmarc"]
    assert code == 0
    assert (expected in codes(told)) is (expected is not None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('lh TXT "open\n', "Line 1"),
        ("lh MX mail\n", "Line 1"),
        ("\n$INCLUDE other\n", "Line 2"),
        ('{"ResourceRecordSets": []}', "JSON of Route 53"),
        ("[1, 2]", "JSON"),
        ("---\nacme.dev:\n  - MX: mail\n", "YAML"),
        ("Type,Name,Content,TTL\nMX,lh,mail.acme.dev,300\n", "CSV"),
        ("<html>\n", "XML or HTML"),
        ("$ORIGIN other.dev.\n@ SOA ns host 1 1 1 1 1\n", "other.dev"),
        ("", "holds no zone"),
    ],
)
def test_a_zone_that_can_not_be_read_is_no_verdict(tmp_path: Path, text: str, said: str, run: Run) -> None:
    """Exit 2, with the file, the line and what to do; nothing on stdout."""
    path = tmp_path / "bad.zone"
    path.write_text(text, "utf-8")
    done = run("check", "acme.dev", "--zone", str(path), "--json")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert str(path) in done.err
    assert "fix: " in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "truncated"),
        ('{"records": []}', "0 records"),
        ('{"records": [{"id": "mx", "host": "a.b", "recordType": "MX", "recordValue": "x"}]}', "mx"),
        ('{"records": [{"id": "dkim", "host": "a b.c", "recordType": "TXT", "recordValue": "x"}]}', "no full name"),
        ('{"records": [{"id": "dkim", "host": "a.c", "recordType": "MX", "recordValue": "x"}]}', "recordType"),
        ('{"records": [{"id": "dkim", "host": "a.c", "recordType": "TXT"}]}', "recordValue"),
    ],
)
def test_a_plan_that_can_not_be_read_is_no_verdict(tmp_path: Path, text: str, said: str, run: Run) -> None:
    """Exit 2, with the place in the file and an example of what is wanted."""
    path = tmp_path / "plan.json"
    path.write_text(text, "utf-8")
    done = run("check", "acme.dev", "--zone", str(zone(tmp_path)), "--expect", str(path))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert '"records"' in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["http://acme.dev"],
        ["acme..dev"],
        ["acme.dev", "--resolver", "127.0.0.1:0"],
        ["acme.dev", "--selector", "a b"],
        ["acme.dev", "--authoritative-port", "70000"],
        ["acme.dev", "--zone", "nowhere.zone"],
        ["acme.dev", "--nonsense"],
    ],
)
def test_a_wrong_command_line_is_no_verdict(arguments: list[str], run: Run) -> None:
    """Exit 2, and something to mend on stderr."""
    done = run("check", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_names_of_a_laboratory_and_other_scripts_are_taken(tmp_path: Path, checked: Checked) -> None:
    """Any name can be looked at: of a laboratory, though mail from it never passes, and in any script."""
    text = HEAD.replace("acme.dev", "acme.test") + 'lh1._domainkey TXT "v=DKIM1; p="\n'
    path = tmp_path / "lab.zone"
    path.write_text(text, "utf-8")
    _, told = checked("acme.test", "--zone", path)
    assert {"zone.special-use", "dkim.no-usable-key"} <= set(codes(told))
    path.write_text(HEAD.replace("acme.dev", "bücher.dev"), "utf-8")
    assert checked("Bücher.DEV", "--zone", path)[1]["domain"] == "xn--bcher-kva.dev"


def test_nobody_heard_is_no_verdict(checked: Checked) -> None:
    """A resolver that does not answer: exit 5, inconclusive, and nobody's DNS is blamed."""
    code, told = checked("acme.dev", "--resolver", "127.0.0.1:9", "--selector", "lh1")
    assert (code, told["verdict"]) == (5, "inconclusive")
    assert codes(told) == ["resolver.failed"]


PLANNED = [each for each in case.cases() if each.verdict is None]  # with a verdict it is a check without a plan


@pytest.mark.parametrize("each", PLANNED[::40], ids=lambda each: each.name)
def test_what_the_command_finds_is_what_a_check_finds(tmp_path: Path, each: case.Case, checked: Checked) -> None:
    """The same text, the same plan, the same findings: the command adds no judgement of its own."""
    zone_path, plan_path = tmp_path / "zone", tmp_path / "plan.json"
    zone_path.write_text(each.text, "utf-8")
    records = [
        {"id": one.id, "host": one.host, "recordType": one.rdtype, "recordValue": one.value, "priority": one.priority}
        for one in each.plan.records
    ]
    plan_path.write_text(json.dumps({"records": records}), "utf-8")
    _, told = checked(each.plan.sender, "--zone", zone_path, "--expect", plan_path)
    assert set(codes(told)) == each.finds


def test_the_configured_resolvers_are_asked(checked: Checked, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """LETTERHEAD_DNS_RESOLVERS is asked where the command names none; a value that is none is refused by its name."""
    monkeypatch.setenv("LETTERHEAD_DNS_RESOLVERS", "127.0.0.1:9")
    code, told = checked("acme.dev", "--selector", "lh1")
    assert (code, codes(told)) == (5, ["resolver.failed"])
    assert "127.0.0.1" in told["findings"][0]["detail"]
    monkeypatch.setenv("LETTERHEAD_DNS_RESOLVERS", "not a resolver")
    done = run("check", "acme.dev")
    assert (done.code, "LETTERHEAD_DNS_RESOLVERS" in done.err) == (2, True)


def test_explain_tells_what_a_code_means(run: Run) -> None:
    """The same words as the page in the docs; all codes without one; the nearest ones for a code that is none."""
    done = run("explain", "dkim.truncated")
    assert done.code == 0
    assert "The DKIM key is cut off" in done.out
    assert "RFC 1035 3.3" in done.out
    assert "…, but …" not in done.out
    assert "it ends after 255 of about 410 characters" in " ".join(done.out.split())
    everything = run("explain")
    assert everything.code == 0
    assert all(
        word in everything.out for word in ("dkim.truncated", "identity.refused", "resolver.outage", "claim.held")
    )
    unknown = run("explain", "dkim.trunkated")
    assert (unknown.code, unknown.out) == (2, "")
    assert "dkim.truncated" in unknown.err


def test_the_command_starts_without_a_service(tmp_path: Path) -> None:
    """As its own process in an empty folder: no data folder, no key, no server, and none is made."""
    path = zone(tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    done = letterhead("check", "acme.dev", "--zone", str(path), folder=folder)
    assert (done.code, done.err) == (0, "")
    assert list(folder.iterdir()) == []
