"""Hold check_host against the test suites of openspf for RFC 7208 and RFC 4408, and against that of pyspf.

They come with the source of PyPI's pyspf. The rules of their zones are those of pyspf's own driver: a record of the old
type SPF stands for a TXT where a name has none, and TIMEOUT is the answer for each type that is not listed before it.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from letterhead.core.check import message_authentication
from letterhead.core.check.auth_report import AuthInput
from letterhead.core.dns.answers import Aliased, Answer, Found, NoData, NxDomain, Question, Reply, Unanswered, Why
from letterhead.core.dns.records import Address, Mx, Rdata, RRset, Target, Txt
from letterhead.core.message import message
from letterhead.core.message.envelope import envelope
from letterhead.core.names.host_names import question_name
from tests.core import receiver, samples
from tests.rigs.sdist import read_sdist

SHA256 = "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186"
SUITES = {
    "RFC 7208": "test/rfc7208-tests.yml",
    "RFC 4408": "test/rfc4408-tests.yml",
    "pyspf": "test/test.yml",
}
# By suite and test, where we differ on purpose, and why.
DIFFERENCES = {
    ("pyspf", "default-modifier"): "“default=” is none of SPF's words: RFC 7208 6 has receivers ignore such a modifier",
    ("pyspf", "default-modifier-harsh"): "“ambiguous” is a result of pyspf's own, not of RFC 7208 2.6",
}
PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
TIMEOUT = "TIMEOUT"
Zone = dict[str, dict[str, tuple[Rdata, ...] | str]]


@cache
def scenarios(suite: str) -> tuple[Mapping[str, Any], ...]:
    """Read the scenarios of a suite."""
    text = read_sdist("pyspf", "2.0.14", SHA256)[SUITES[suite]]
    return tuple(each for each in yaml.safe_load_all(text) if each and "tests" in each)


def zone_of(data: Mapping[str, Any]) -> Zone:
    """Read the zone of a scenario."""
    zone: Zone = {}
    for owner, entries in data["zonedata"].items():
        name = str(owner).lower().rstrip(".")
        held = zone.setdefault(question_name(name) or name, {})
        has_txt = any(isinstance(each, dict) and "TXT" in each for each in entries)
        for entry in entries:
            if entry == TIMEOUT:
                held |= {rdtype: TIMEOUT for rdtype in ("A", "AAAA", "MX", "TXT", "PTR") if rdtype not in held}
                continue
            ((rdtype, value),) = entry.items()
            rdtype = "TXT" if rdtype == "SPF" and not has_txt else rdtype
            if value == TIMEOUT:
                held[rdtype] = TIMEOUT
            elif rdtype != "SPF" and value != "NONE":
                before = held.get(rdtype, ())
                held[rdtype] = (*(before if isinstance(before, tuple) else ()), rdata(rdtype, value))
    return zone


def rdata(rdtype: str, value: Any) -> Rdata:
    """Read one record."""
    match rdtype:
        case "TXT":
            strings = [value] if isinstance(value, str) else value
            return Txt(strings=tuple(each.encode().decode("latin-1") for each in strings))
        case "MX":
            return Mx(preference=value[0], exchange=value[1].lower().rstrip("."))
        case "A" | "AAAA":
            return Address(ip=str(ip_address(value)))
        case _:
            return Target(name=value.lower().rstrip("."))


def answer(zone: Zone, question: Question) -> Answer:
    """Answer as a resolver does, with CNAMEs followed."""
    name, aliases = question.name, list[str]()
    while len(aliases) < 9:
        held = zone.get(name)
        rdatas = held.get(question.rdtype) if held is not None else None
        if isinstance(rdatas, str):
            return Unanswered(why=Why.TIMEOUT)
        if rdatas is not None:
            return Found(rrset=RRset(owner=name, rdtype=question.rdtype, ttl=60, rdatas=rdatas), aliases=tuple(aliases))
        alias = held.get("CNAME", ()) if held is not None else ()
        if not isinstance(alias, tuple) or not alias:
            break
        target = alias[0]
        assert isinstance(target, Target)
        name = target.name
        aliases.append(name)
    if len(aliases) == 9:
        return Unanswered(why=Why.CNAME_LOOP)
    if aliases:
        return Aliased(target=name, aliases=tuple(aliases), ttl=60, dangling=True)
    below = any(each.endswith(f".{name}") for each in zone)
    return NoData(negative_ttl=60) if name in zone or below else NxDomain(negative_ttl=60)


def judge(zone: Zone, test: Mapping[str, Any]) -> str:
    """Judge one client as the proof of a message does; return the result's word."""
    read = message.parse_message(b"")
    came = envelope(read, str(test["host"]), str(test["mailfrom"]), str(test["helo"]), receiver.organisation)
    given = AuthInput(
        sender="acme.dev", message=read, envelope=came, now=receiver.NOW, organisation=receiver.organisation
    )
    seen = dict[Question, tuple[Reply, ...]]()
    while wanted := message_authentication.first_questions(given, seen):
        seen |= {each: samples.replies(each.view, answer(zone, each)) for each in wanted}
    return message_authentication.judge(given, (), seen).spf.judgement.result.value


def disagreements(suite: str) -> Iterator[tuple[str, str]]:
    """Run a suite; return each test whose result is none of those that it allows, with what ours is."""
    for data in scenarios(suite):
        zone = zone_of(data)
        for name, test in data["tests"].items():
            allowed = test["result"] if isinstance(test["result"], list) else [test["result"]]
            result = judge(zone, test)
            if result not in allowed:
                yield name, f"{result}, not {' or '.join(allowed)}"


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_agrees_but_where_we_differ_on_purpose(suite: str) -> None:
    """Each disagreement is known and has its reason; one that goes away is noticed."""
    found = dict(disagreements(suite))
    assert found.keys() == {name for where, name in DIFFERENCES if where == suite}, found


@pytest.mark.parametrize("suite", SUITES)
def test_the_page_has_the_numbers_of_the_run(suite: str) -> None:
    """docs/conformance.md says how many cases a suite has, how many agree, and names those that do not."""
    row = next(line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| {suite} suite"))
    cases, agree = (int(each) for each in re.findall(r"\| (\d+) ", row))
    differing = [name for where, name in DIFFERENCES if where == suite]
    assert cases == sum(len(data["tests"]) for data in scenarios(suite))
    assert agree == cases - len(differing)
    assert all(f"`{name}`" in row for name in differing)
