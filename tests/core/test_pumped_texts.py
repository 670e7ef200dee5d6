"""No text from DNS may hold the event loop: whatever one record says, a whole check judges it within milliseconds.

Each piece of the grammar is repeated until the text is as long as a server can send, behind each beginning.
"""

import time

import pytest

from letterhead.core.check import check
from letterhead.core.dns.answers import Delegated, Nameserver, NoData, Question, Reply, View
from letterhead.core.plan.plan import Plan
from tests.core import samples

OCTETS = 15_800  # of one TXT over TCP, its message's other parts taken away
CPU = 0.25  # seconds for all rounds of a check: the dearest of these takes 0.07, quadratic ones took 0.8 to 3.4
PLAN = samples.plan()
SERVERS = (Nameserver(name="ns1.acme.dev", addresses=("192.0.2.1",)),)

UNITS = [
    "a",
    ".",
    "/",
    ":",
    "%",
    ",",
    ";",
    "=",
    '"',
    "<",
    " ",
    "-",
    "0",
    "%{",
    "a.",
    "a;",
    "a=b;",
    "a:",
    " a",
    " +",
    "//",
]
UNITS += [
    " include:",
    " include:a.test",
    " a:b.test",
    " mx",
    "%{d}",
    "rua=mailto:",
    ",mailto:a@b.test",
    "A",
    "\\",
    "\t",
    "é",
]
AT = {
    "acme.dev": ["v=spf1 ", "v=spf1 include:", "v=spf1 include:.", "v=spf1 a:", "v=spf1 a/", "v=spf1 exists:%{"],
    "lh.acme.dev": ["v=spf1 ", "v=spf1 include:.", "v=spf1 a:"],
    "lh1._domainkey.acme.dev": ["v=DKIM1; k=rsa; p=", "v=DKIM1; ", "p=", '"v=DKIM1', "v=", ""],
    "_dmarc.acme.dev": ["v=DMARC1; p=none; ", "v=DMARC1; p=none; rua=mailto:", "v=DMARC1; p=none; rua=", ""],
}  # fmt: skip
ENDS = ["", "!"]


def answer(texts: dict[str, str], question: Question) -> tuple[Reply, ...]:
    """Answer from these texts: one TXT at a name, a delegation for the zone, and else nothing."""
    if question.view is View.DELEGATION:
        zone = Delegated(zone="acme.dev", servers=SERVERS, negative_ttl=60)
        return samples.replies(question.view, zone)
    text = texts.get(question.name) if question.rdtype == "TXT" else None
    if text is None:
        return samples.replies(question.view, NoData(negative_ttl=60))
    return samples.replies(question.view, samples.found(question.name, "TXT", samples.txt(text)))


def cpu_of_a_check(texts: dict[str, str], plan: Plan = PLAN) -> float:
    """Ask and judge as a check does; return the seconds of CPU that the core took."""
    seen: dict[Question, tuple[Reply, ...]] = {}
    took = 0.0
    for _ in range(12):
        began = time.thread_time()
        wanted = [each for each in check.next_questions(plan, seen, thorough=True) if each not in seen]
        took += time.thread_time() - began
        if not wanted:
            break
        seen |= {question: answer(texts, question) for question in wanted}
    began = time.thread_time()
    check.examine(plan, seen)
    return took + time.thread_time() - began


@pytest.mark.parametrize("name", AT)
@pytest.mark.parametrize("unit", UNITS)
def test_no_text_holds_the_loop(name: str, unit: str) -> None:
    """A text of 15.8 KB of this piece, behind each beginning and before each end, costs a check next to nothing."""
    texts = [(begin + unit * (OCTETS // len(unit.encode())))[:OCTETS] + end for begin in AT[name] for end in ENDS]
    dear = [text for text in texts if cpu_of_a_check({name: text}) > CPU]
    assert [text[:40] for text in dear if cpu_of_a_check({name: text}) > CPU] == []  # once more: machines stumble
