"""Hold DMARC against the tests of rspamd, of authheaders, of OpenDMARC and of dmarc.

They come with the sources of Debian's rspamd and opendmarc and of PyPI's authheaders and dmarc. All but authheaders,
where its test asks for the tree walk, go by RFC 7489 or RFC 9091.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

from letterhead.core.check.auth_report import DmarcResult
from letterhead.core.dmarc.record import parse_dmarc_record, problems, reports
from tests.conformance.page import hold_row
from tests.core.receiver import judged, organisation
from tests.rigs.debian_source import read_source
from tests.rigs.sdist import read_sdist
from tests.rigs.signing import OWN, sealed

RSPAMD_SHA256 = "8801ee6838114c5a9e69fc27e818be4d636c051f06c87a2c711111dc21a4a254"
OPENDMARC_SHA256 = "ee1dcdd158fd5fd2b16de2b86980c4a4be60a070641ca19591a713da4e4008bb"
AUTHHEADERS_SHA256 = "118edc6d3cb1ad18ffab3d788ccc562fca2854cd645faab08fc47033c648148a"
DMARC_SHA256 = "f620ab69102a4be060f5e6fcf7ad93e6c1bf17807ab36f9a44df188c2191a43d"
CLIENT = "192.0.2.7"

NO_RECORD_ABOVE = "by the public suffix list, names without a record above them are of one organisation (RFC 7489 3.2)"
PCT = "pct, which RFC 9989 A.6 removed, made the policy milder"
SEVERAL_AUTHORS = "a From field with several domains names no author; most receivers reject it (RFC 9989 5.3.1)"
NOT_A_TAG = "what is no tag is ignored, and the policy stands (RFC 9989 4.8)"
REMOVED_TAG = "a tag that RFC 9989 C.5.2 lists as removed is ignored, whatever its value"
SHORTENED = "a policy is one of three words, which nothing shortens (RFC 9989 4.8)"
NO_ADDRESS = "mailto:// has no address behind it, so no report comes (RFC 6068 2)"
NO_FIELD = "angle brackets without a meaning in RFC 5322 3.4: no address can be told for certain"
EMPTY_LABELS = "a name with empty labels is none that DNS can hold (RFC 1035 2.3.1)"
# What we judge otherwise, and why.
RSPAMD_DIFFERENCES = {
    "DMARC SUBDOMAIN PASS DKIM RELAXED ALIGNMENT": NO_RECORD_ABOVE,
    "DMARC SUBDOMAIN PASS SPF RELAXED ALIGNMENT": NO_RECORD_ABOVE,
    "DMARC PCT ZERO REJECT": PCT,
    "DMARC PCT ZERO SP QUARANTINE": PCT,
}
AUTHHEADERS_DIFFERENCES = {
    "test_authenticate_dmarc_bad": NOT_A_TAG,
    "test_authenticate_dmarc_mult_from": SEVERAL_AUTHORS,
    "test_authenticate_dmarc_mult_from2": SEVERAL_AUTHORS,
}
RECORD_DIFFERENCES = {
    "v=DMARC1; p=n;": SHORTENED,
    "v=DMARC1; p=none; rf=bob;": REMOVED_TAG,
    "v=DMARC1; p=none; ri=bob;": REMOVED_TAG,
    "v=DMARC1; p=none; pct=500;": REMOVED_TAG,
    "v=DMARC1; p=none; rf=000000000000000000000000000000000": REMOVED_TAG,
    "v=DMARC1; p=none; ruf=mailto://abuse.com": NO_ADDRESS,
    "v=DMARC1; p=none; ruf=mailto://abuse.com; foo=bar; buzz=happy;": NO_ADDRESS,
}
FROM_DIFFERENCES = {
    "Joe Johnson <joe@joe.com>, ace@ace.com": SEVERAL_AUTHORS,
    "joe@joe.com, ace@ace.com": SEVERAL_AUTHORS,
    "<<<><joe@joe.com>>>": NO_FIELD,
}
SIBLINGS = "two names below one organisational domain are aligned (RFC 9989 3.2.10); theirs takes one above or below"
DMARC_DIFFERENCES = {"test_result_quarantine_subdomain": SIBLINGS}
ALIGNMENT_DIFFERENCES = {".mac.com., mac.com": EMPTY_LABELS, "....mac.com...., mac.com": EMPTY_LABELS}

# What a symbol of rspamd means: the result, and the policy that is applied.
SYMBOLS = {
    "DMARC_POLICY_ALLOW": "pass",
    "DMARC_POLICY_SOFTFAIL": "fail none",
    "DMARC_POLICY_QUARANTINE": "fail quarantine",
    "DMARC_POLICY_REJECT": "fail reject",
    "DMARC_DNSFAIL": "temperror",
    "DMARC_NA": "none",
}


def verdict(found: DmarcResult) -> str:
    """Return the result, and the policy that is applied where it is a fail."""
    result = found.judgement.result.value
    return f"fail {found.policy.applied}" if result == "fail" and found.policy else result


# --- rspamd: messages, judged over a zone ------------------------------------------------------------------------


@cache
def rspamd() -> dict[str, bytes]:
    """Read the functional tests of rspamd, by their paths in there."""
    files = read_source("rspamd", "trixie", "rspamd_3.12.1.orig.tar.xz", RSPAMD_SHA256)
    folder = "test/functional/"
    return {name.removeprefix(folder): octets for name, octets in files.items() if name.startswith(folder)}


def rspamd_zone() -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Read the zone that rspamd's tests put in the place of DNS, and the names that do not answer."""
    text = rspamd()["configs/merged-local.conf"].decode()
    zone: dict[str, dict[str, list[str]]] = {}
    silent = []
    entry = r'name = "([^"]+)"[^\n]*\n\s*type = "(\w+)";\s*(?:rcode = \'(\w+)\'|replies = (\[.*\]))'
    for name, rdtype, code, replies in re.findall(entry, text):
        if replies:
            zone.setdefault(name, {}).setdefault(rdtype.upper(), []).extend(ast.literal_eval(replies))
        elif code == "timeout":
            silent.append(name)
    return zone, silent


def test_rspamd_functional_tests() -> None:
    """Each message gets the verdict that rspamd gives it, but for those that are named with a reason."""
    zone, silent = rspamd_zone()
    robot = rspamd()["cases/001_merged/115_dmarc.robot"].decode().partition("*** Test Cases ***\n")[2]
    cases = [each.strip() for each in re.split(r"\n\n+", robot) if each.strip()]
    differing = {}
    for case in cases:
        name, told = case.partition("\n")[::2]
        message, symbol = re.search(r"messages/\S+", told), re.search(r"Expect Symbol\s+(\w+)", told)
        client, sender = re.search(r"IP=(\S+)", told), re.search(r"From=(\S+)", told)
        assert message and symbol, case
        ip, mail_from = client and client[1], sender and sender[1]
        octets = rspamd()[message[0]]
        found = judged(octets, zone, silent=silent, ip=ip, mail_from=mail_from, helo="client.example").dmarc
        if verdict(found) != SYMBOLS[symbol[1]]:
            differing[name] = f"{verdict(found)}, not {SYMBOLS[symbol[1]]}"
            assert verdict(found) != "pass", f"{name} is not good, and passes"
            assert found.older, f"{name}: nothing is said of receivers that go by RFC 7489"
    assert differing.keys() == RSPAMD_DIFFERENCES.keys(), differing
    hold_row("rspamd, its functional tests of DMARC", len(cases), differing, RSPAMD_DIFFERENCES)


# --- authheaders: messages, judged over a zone -------------------------------------------------------------------


@cache
def authheaders() -> dict[str, bytes]:
    """Read the tests of authheaders, by their file names."""
    files = read_sdist("authheaders", "0.16.3", AUTHHEADERS_SHA256)
    folder = "authheaders/test/"
    return {name.removeprefix(folder): octets for name, octets in files.items() if name.startswith(folder)}


def authheaders_zone(tree: ast.Module) -> dict[str, dict[str, list[str]]]:
    """Read the zone of its tests, where an empty text, and None, stand for a name that is not there."""
    assigned = next(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_dns_responses"
    )
    assert isinstance(assigned, ast.Dict)
    zone: dict[str, dict[str, list[str]]] = {}
    for key, value in zip(assigned.keys, assigned.values, strict=True):
        assert key is not None
        if isinstance(value, ast.Call):  # read_test_data("…")
            text = authheaders()[ast.literal_eval(value.args[0])].decode()
        else:
            text = ast.literal_eval(value)
        if text:
            zone[ast.literal_eval(key).rstrip(".")] = {"TXT": [text.strip()]}
    return zone


def authheaders_cases(tree: ast.Module) -> Iterator[tuple[str, bytes, str]]:
    """Give each test of DMARC by its name, with its message and the result that is expected of it."""
    messages = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and "read_test_data" in ast.unparse(node):
            messages[ast.unparse(node.targets[0])] = authheaders()[ast.literal_eval(node.value.args[0])]
    for test in ast.walk(tree):
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_authenticate_dmarc"):
            calls = [node for node in ast.walk(test) if isinstance(node, ast.Call)]
            judging = next(each for each in calls if ast.unparse(each.func) == "authenticate_message")
            expecting = next(each for each in calls if ast.unparse(each.func) == "self.assertEqual")
            yield test.name, messages[ast.unparse(judging.args[0])], ast.literal_eval(expecting.args[1])


def test_authheaders_tests() -> None:
    """Each message gets the verdict that authheaders gives it, but for those that are named with a reason."""
    tree = ast.parse(authheaders()["test_authentication.py"])
    zone = authheaders_zone(tree)
    differing, cases = {}, list(authheaders_cases(tree))
    for name, message, expected in cases:
        result, policy = re.search(r"dmarc=(\w+)", expected), re.search(r"policy\.dmarc=(\w+)", expected)
        assert result, expected
        theirs = f"fail {policy[1]}" if result[1] == "fail" and policy else result[1]
        ours = verdict(judged(message, zone).dmarc)
        if ours != theirs:
            assert ours != "pass", f"{name} is not good, and passes"
            differing[name] = f"{ours}, not {theirs}"
    assert differing.keys() == AUTHHEADERS_DIFFERENCES.keys(), differing
    hold_row("authheaders, its tests of DMARC", len(cases), differing, AUTHHEADERS_DIFFERENCES)


# --- OpenDMARC: records, From fields and alignment ---------------------------------------------------------------


def opendmarc(file: str) -> list[list[str]]:
    """Read the table of a test of libopendmarc: each row's strings, unquoted, and words."""
    files = read_source("opendmarc", "trixie", "opendmarc_1.4.2.orig.tar.gz", OPENDMARC_SHA256)
    text = files[f"libopendmarc/tests/{file}"].decode()
    found = []
    for row in re.findall(r"^\s*/\* *\d+ *\*/\s*\{(.*)\},", text, re.MULTILINE):
        parts = re.findall(r'"(?:[^"\\]|\\.)*"|[\w-]+', row)
        found.append([ast.literal_eval(each) if each.startswith('"') else each for each in parts])
    return found


def has_fault(text: str) -> bool:
    """Tell whether we find any fault with a record that somebody must mend."""
    record = parse_dmarc_record(text)
    faulty = any(not each.harmless for each in problems(record))
    addresses = (*reports(record, "rua"), *reports(record, "ruf"))
    return not record.is_enforceable or bool(record.bad_policies) or faulty or any(not each.host for each in addresses)


def test_opendmarc_records() -> None:
    """We find a fault where its parser does, but for the records that are named with a reason."""
    cases = opendmarc("test_dmarc_parse.c")
    differing = {text for text, outcome in cases if has_fault(text) != (outcome != "DMARC_PARSE_OKAY")}
    assert differing == RECORD_DIFFERENCES.keys(), "\n".join(sorted(differing))
    hold_row("OpenDMARC, records", len(cases), differing, RECORD_DIFFERENCES)


def test_opendmarc_from_fields() -> None:
    """The From domain is the one that it finds, but for the fields that are named with a reason."""
    cases = opendmarc("test_finddomain.c")
    found = {raw: judged(f"From: {raw}\r\n\r\nx".encode(), {}).given.from_domain for raw, _ in cases}
    differing = {raw: found[raw] for raw, expected in cases if found[raw] != expected}
    assert differing.keys() == FROM_DIFFERENCES.keys(), differing
    hold_row("OpenDMARC, From fields", len(cases), differing, FROM_DIFFERENCES)


def is_aligned(author: str, sender: str, strict: bool) -> bool:
    """Tell whether SPF for a sender proves an author, where each organisation has a record."""
    record = f"v=DMARC1; p=reject; aspf={'s' if strict else 'r'}"
    zone = {f"_dmarc.{organisation(each.lower())}": {"TXT": [record]} for each in (author, sender)}
    zone[sender.lower()] = {"TXT": [f"v=spf1 ip4:{CLIENT} -all"]}
    found = judged(f"From: x@{author}\r\n\r\nx".encode(), zone, ip=CLIENT, mail_from=f"x@{sender}", helo=sender)
    return found.dmarc.judgement.result.value == "pass"


def test_opendmarc_alignment() -> None:
    """Two names are aligned where it finds them so, but for those that are named with a reason."""
    cases = opendmarc("test_alignment.c")
    differing = {
        f"{author}, {sender}"
        for author, sender, mode, outcome in cases
        if is_aligned(author, sender, mode.endswith("STRICT")) != (outcome == "0")
    }
    assert differing == ALIGNMENT_DIFFERENCES.keys()
    hold_row("OpenDMARC, alignment", len(cases), differing, ALIGNMENT_DIFFERENCES)


# --- dmarc: records, alignment and verdicts ----------------------------------------------------------------------


def calls(test: ast.FunctionDef) -> list[tuple[str, dict[str, str]]]:
    """Return the calls in a test: what is called, and with which texts and words, by keyword or by place."""
    found = []
    for node in ast.walk(test):
        if isinstance(node, ast.Call):
            given = {str(at): each for at, each in enumerate(node.args)}
            given |= {str(each.arg): each.value for each in node.keywords}
            texts = {key: str(v.value) if isinstance(v, ast.Constant) else ast.unparse(v) for key, v in given.items()}
            found.append((ast.unparse(node.func), texts))
    return found


def dmarc_verdict(test: ast.FunctionDef) -> tuple[str, str]:
    """Return the verdict that a test expects, and ours on a message that was signed and sent as it says."""
    told = calls(test)
    expected = {values["0"]: values["1"] for name, values in told if name == "self.assertEqual"}
    theirs = "pass" if expected["result.result"] == "POLICY_PASS" else "fail"
    theirs += "" if theirs == "pass" else f" {expected['result.disposition'].rpartition('_')[2].lower()}"
    named = dict(told)
    policy, spf, dkim = named["self.dmarc.parse_record"], named.get("SPF"), named.get("DKIM")
    author = policy["domain"]
    zone = {f"_dmarc.{policy.get('org_domain', author)}": {"TXT": [policy["record"]]}, author: {"MX": [f"10 {author}"]}}
    octets = f"From: x@{author}\r\n\r\nx\r\n".encode()
    if dkim is not None:
        zone[f"k1._domainkey.{dkim['domain']}"] = {"TXT": [OWN.record]}
        octets = sealed(octets, OWN, dkim["domain"], "k1", covers=("from",))
        octets += b"" if dkim["result"] == "DKIM_PASS" else b"more\r\n"
    if spf is not None:
        assert spf["result"] == "SPF_PASS"
        zone[spf["domain"]] = {"TXT": [f"v=spf1 ip4:{CLIENT} -all"]}
    sender = spf["domain"] if spf else "elsewhere.test"
    found = judged(octets, zone, ip=CLIENT, mail_from=f"x@{sender}", helo=sender)
    return theirs, verdict(found.dmarc)


def test_dmarc_tests() -> None:
    """Records have a fault, names are aligned, and messages pass, where they do there; but for those named."""
    tree = ast.parse(read_sdist("dmarc", "1.2.1", DMARC_SHA256)["dmarc/tests/test_dmarc.py"])
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    agree: dict[str, bool] = {}
    for test in tests:
        if re.fullmatch("test_parse_record_(syntax|value)_invalid", test.name):
            table = next(each.value for each in test.body if isinstance(each, ast.Assign))
            agree |= {record: has_fault(record) for record, _ in ast.literal_eval(table)}
        elif test.name.startswith("test_result_"):
            theirs, ours = dmarc_verdict(test)
            agree[test.name] = theirs == ours
        elif test.name in ("test_alignment", "test_alignment_mixed_case"):
            asked = [values for name, values in calls(test) if name == "self.dmarc.check_alignment"]
            wanted = [name == "self.assertTrue" for name, _ in calls(test) if name.startswith("self.assert")]
            for pair, good in zip(asked, wanted, strict=True):
                strict = pair["2"].endswith("STRICT")
                agree[f"{pair['0']}, {pair['1']}, {pair['2']}"] = is_aligned(pair["0"], pair["1"], strict) == good
    differing = {name for name, agrees in agree.items() if not agrees}
    assert differing == DMARC_DIFFERENCES.keys()
    hold_row("dmarc of PyPI, its tests of records, alignment and verdicts", len(agree), differing, DMARC_DIFFERENCES)
