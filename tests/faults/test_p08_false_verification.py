"""P8: nobody is verified falsely. Adversarial answers go in as the octets that a server sends, and through the real
reading and judging; wherever the verdict is "present", another implementation of DKIM must find our very key there.
"""

import base64
import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from letterhead.adapters.dns.interpret import server_answer
from letterhead.adapters.dns.labels import name_from, wire_form
from letterhead.adapters.dns.wire import TXT, DnsQuery, Malformed, TooLarge, read_message
from letterhead.core.check import check
from letterhead.core.dns.answers import Answer, Found, Perspective, Question, Reply, Unanswered, View, Why
from letterhead.core.dns.records import Txt
from letterhead.core.domain.evidence import RecordState, record_state
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.plan.plan import Plan, RecordId
from tests.core import samples
from tests.faults.conftest import Figures

SENDER, SELECTOR = "acme.test", "lhabc"
ZONE = name_from(SENDER)
PATH = ReturnPath(mx_host="bounces.mail.test", mx_priority=10, spf="include:spf.mail.test")

Change = Callable[[random.Random, str], Sequence[str]]


@lru_cache
def public_key(number: int) -> str:
    """Make a public key; 0 is ours, the others are other claims'."""
    key = rsa.generate_private_key(65537, 2048).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@lru_cache
def plan() -> Plan:
    """Plan one claim."""
    claim = samples.domain(SENDER, selector=SELECTOR, public_key=public_key(0), mail_from=f"mail.{SENDER}")
    return check.plan_for(claim, PATH)


def ours() -> str:
    """Write the record to publish."""
    return plan().records[0].value


def flip(chance: random.Random, text: str) -> Sequence[str]:
    """Flip one bit of the text."""
    octets = bytearray(text.encode("latin-1"))
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    return [octets.decode("latin-1")]


def prefix(chance: random.Random, text: str) -> Sequence[str]:
    """Cut the end off."""
    return [text[: chance.randrange(len(text))]]


def suffix(chance: random.Random, text: str) -> Sequence[str]:
    """Cut the beginning off."""
    return [text[chance.randrange(1, len(text)) :]]


def hole(chance: random.Random, text: str) -> Sequence[str]:
    """Take a piece out."""
    start = chance.randrange(len(text))
    return [text[:start] + text[start + chance.randrange(1, 40) :]]


def inserted(chance: random.Random, text: str) -> Sequence[str]:
    """Put something in."""
    start = chance.randrange(len(text))
    return [
        text[:start]
        + chance.choice([" ", "\t", ";", "=", "A", "/", "\\", '"', "\0", "\xff", "p=", "; "])
        + text[start:]
    ]


def another(chance: random.Random, text: str) -> Sequence[str]:
    """Answer with another claim's key."""
    return [text.replace(public_key(0), public_key(chance.randrange(1, 4)))]


def both(chance: random.Random, text: str) -> Sequence[str]:
    """Answer with ours and another one's."""
    pair = [text, *chance.choice([another, flip, prefix, suffix])(chance, text)]
    chance.shuffle(pair)
    return pair


def tagged(chance: random.Random, text: str) -> Sequence[str]:
    """Add a tag, before or behind: some of these forbid the key, some mean nothing."""
    tag = chance.choice(
        ["v=DKIM2", "v=dkim1", "k=ed25519", "k=", "h=sha1", "h=sha1:sha256", "s=tlsrpt", "s=email", "t=s", "t=y",
         "n=hello", "p=", f"p={public_key(1)}", "g=", "x"]
    )  # fmt: skip
    return [f"{tag}; {text}" if chance.random() < 0.5 else f"{text}; {tag}"]


def recased(chance: random.Random, text: str) -> Sequence[str]:
    """Change the case of a stretch."""
    start = chance.randrange(len(text))
    end = start + chance.randrange(1, 60)
    return [text[:start] + text[start:end].swapcase() + text[end:]]


def shared(chance: random.Random, text: str) -> Sequence[str]:
    """Answer with what every customer publishes, and with nothing of the key."""
    return [
        chance.choice(["v=spf1 include:spf.mail.test ~all", "v=DMARC1; p=none", "v=DKIM1; k=rsa; p=", "v=DKIM1", ""])
    ]


CHANGES: tuple[Change, ...] = (
    flip, flip, prefix, suffix, hole, inserted, another, both, tagged, recased, shared,
)  # fmt: skip


HOST = f"{SELECTOR}._domainkey.{SENDER}"
QUERY = DnsQuery(name=name_from(HOST), rdtype=TXT, recursive=False)
QUESTION = wire_form(QUERY.name) + struct.pack("!HH", TXT, 1)


def packet(texts: Sequence[str]) -> bytes:
    """Write the answer as a server with authority does: RFC 1035 4.1, each record's name a pointer to the question."""
    header = struct.pack("!6H", 1, 0x8400, 1, len(texts), 0, 0)
    return header + QUESTION + b"".join(record(strings(text.encode("latin-1"))) for text in texts)


def record(rdata: bytes) -> bytes:
    """Write one TXT record."""
    return b"\xc0\x0c" + struct.pack("!HHIH", TXT, 1, 300, len(rdata)) + rdata


def strings(octets: bytes) -> bytes:
    """Write a text as character-strings."""
    pieces = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


def answer(chance: random.Random, texts: Sequence[str]) -> Answer:
    """Read what a server sent, at times with a bit of the packet itself flipped on its way."""
    octets = bytearray(packet(texts))
    if chance.random() < 0.3:
        octets[chance.randrange(12, len(octets))] ^= 1 << chance.randrange(8)
    try:
        return server_answer(read_message(bytes(octets), QUERY), QUERY, ZONE)
    except (Malformed, TooLarge):
        return Unanswered(why=Why.MALFORMED)


def verdict(answers: Sequence[Answer]) -> RecordState:
    """Judge what the servers said, as a check does."""
    record = plan().records[0]
    question = Question(name=record.host, rdtype="TXT", view=View.EVERY_SERVER)
    replies = tuple(
        Reply(perspective=Perspective(view=View.EVERY_SERVER, server=f"ns{number}"), answer=each)
        for number, each in enumerate(answers)
    )
    standing = check.judge_record(record, {question: replies})
    assert standing.record.id is RecordId.DKIM
    return record_state([standing])


@lru_cache(maxsize=10_000)
def modulus(text: str) -> int | None:
    """Ask dkimpy which key a receiver would verify with; nothing where it would not."""
    try:
        key, _, kind, _ = dkim.evaluate_pk("name", text.encode("latin-1"))
    except Exception:  # each refusal has its own kind there
        return None
    return int(key["modulus"]) if kind == b"rsa" else None


def receives_ours(each: Answer) -> bool:
    """Say whether a receiver that asks this server verifies with our key and no other."""
    if not isinstance(each, Found) or len(each.rrset.rdatas) != 1:
        return False
    (rdata,) = each.rrset.rdatas
    return isinstance(rdata, Txt) and modulus("".join(rdata.strings)) == modulus(ours())


@pytest.mark.timeout(600)
def test_no_false_verification(size: int, figures: Figures) -> None:
    """Where we say "present", every server that answered gives receivers our key: never another, never part of it."""
    chance, seen, false = random.Random(8), Counter[RecordState](), list[Sequence[Answer]]()
    assert modulus(ours()) is not None
    for _ in range(size):
        change = chance.choice(CHANGES)
        servers = [answer(chance, change(chance, ours()))]
        if chance.random() < 0.1:  # a second server says what is right
            servers.append(answer(chance, [ours()]))
        sight = verdict(servers)
        seen[sight] += 1
        told = [each for each in servers if not isinstance(each, Unanswered)]
        if sight is RecordState.PRESENT and not (told and all(receives_ours(each) for each in told)):
            false.append(servers)
    figures(answers=size, false=len(false), **{sight.value: number for sight, number in seen.items()})
    assert not false, false[:3]
    assert {RecordState.PRESENT, RecordState.MISSING, RecordState.DIVIDED, RecordState.UNANSWERED} == seen.keys()


@pytest.mark.parametrize(("text", "present"), [("{}", True), ("{};", True), ("; {}", False), ("{};;", False)])
def test_an_empty_tag_spoils_the_record(text: str, present: bool) -> None:
    """One semicolon may end the list; nothing between two is no tag, and strict receivers refuse it (RFC 6376 3.2)."""
    sight = verdict([answer(random.Random(0), [text.format(ours())])])
    assert (sight is RecordState.PRESENT, modulus(text.format(ours())) is not None) == (present, present)
