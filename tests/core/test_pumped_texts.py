"""No text of a stranger may hold the event loop: whatever one record or field says, it is judged within milliseconds.

Each piece of the grammar is repeated behind each beginning, until the text is as long as a server can send, or as long
as a record may be that is read.
"""

import time

import pytest

from letterhead.core.check import check
from letterhead.core.dmarc import record as dmarc_record
from letterhead.core.dns.answers import Delegated, Nameserver, NoData, Question, Reply, View
from letterhead.core.findings import diagnosis
from letterhead.core.plan.plan import Plan
from letterhead.core.spf import macros, passing_terms
from letterhead.core.spf import record as spf_record
from tests.core import receiver, samples

OCTETS = 15_800  # of one TXT over TCP, its message's other parts taken away
LENGTHS = (OCTETS, min(spf_record.MAX_TEXT, dmarc_record.MAX_TEXT) - 8)
CPU = 0.020  # seconds for all rounds of a check: the dearest of these takes 0.011 on an idle core
TIMES = 6  # an ordinary check: on a machine that is slow at the moment this is the limit, and 0.020 elsewhere
RUNS = 9  # the least of so many counts: what else the machine does slows a run down, and never speeds it up
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
CACHES = (
    *(spf_record.parse_spf_record, dmarc_record.parse_dmarc_record, dmarc_record._report_uris),
    *(passing_terms._passing_terms, macros.expand_for_domain, diagnosis.readable),
)


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


def least_cpu(texts: dict[str, str]) -> float:
    """Return the least CPU that a check took, with nothing remembered; one quick run is enough."""
    least = float("inf")
    for _ in range(RUNS):
        for cache in CACHES:
            cache.cache_clear()
        least = min(least, cpu_of_a_check(texts))
        if least <= CPU:
            break
    return least


def is_dear(took: float) -> bool:
    """Tell whether a check took more than it may: the CPU limit, or six ordinary checks at this moment."""
    return took > CPU and took > TIMES * least_cpu({})


@pytest.mark.parametrize("name", AT)
@pytest.mark.parametrize("unit", UNITS)
def test_no_text_holds_the_loop(name: str, unit: str) -> None:
    """A text of this piece, behind each beginning and before each end, costs a check next to nothing."""
    texts = [
        (begin + unit * (length // len(unit.encode())))[:length] + end
        for begin in AT[name]
        for end in ENDS
        for length in LENGTHS
    ]
    dear = {text[:40]: took for text in texts if is_dear(took := least_cpu({name: text}))}
    assert dear == {}


def test_a_tree_of_long_records_does_not_hold_the_loop() -> None:
    """Nine records as long as may be, each of which includes the next, cost ten times one at most."""
    texts = {}
    for number in range(9):
        own = f"v=spf1 include:t{number + 1}.acme.dev "
        texts[f"t{number}.acme.dev"] = (own + "a:.b.test " * 300)[: LENGTHS[1]]
    texts["acme.dev"] = "v=spf1 include:t0.acme.dev -all"
    assert not is_dear(least_cpu(texts) / 10)


FIELDS = (
    b"DKIM-Signature: ",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.dev; s=lh1; h=from; bh=AAAA; b=",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.dev; s=lh1; h=from",
    b"Received: ",
    b"Received: from a.test ([192.0.2.1]",
    b"Received-SPF: pass ",
    b"Authentication-Results: a.test; ",
    b"Return-Path: ",
    b"Return-Path: <a@",
    b"From: ",
    b"From: a <a@",
    b"List-Id: ",
)


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_of_a_message_holds_the_loop(field: bytes) -> None:
    """A field of a message of each piece is judged within the same time."""
    dear = {}
    for unit in UNITS:
        octets = unit.encode()
        message = (field + octets * (OCTETS // len(octets)))[
            :OCTETS
        ] + b"!\r\nFrom: a@acme.dev\r\nTo: b@b.test\r\n\r\nbody"
        least = float("inf")
        for _ in range(RUNS):
            began = time.thread_time()
            receiver.judged(message, {"acme.dev": {"TXT": ["v=spf1 -all"]}})
            least = min(least, time.thread_time() - began)
            if least <= CPU:
                break
        if is_dear(least):
            dear[unit] = least
    assert dear == {}
