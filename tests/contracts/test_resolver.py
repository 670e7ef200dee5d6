"""Show that zone text and real servers answer alike: one table of questions, asked of both."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.dns.answers import (
    Aliased,
    Answer,
    Delegated,
    Found,
    Nameserver,
    NoData,
    NxDomain,
    Question,
    Reply,
    Unanswered,
    View,
    Why,
)
from letterhead.core.dns.records import Mx, Rdata, RRset, Target, Txt
from letterhead.errors import Fault, Kind
from letterhead.ports.resolver import Allowance, Resolver
from tests.rigs.dns_lab import BOGUS, RESOLVER, SIGNED, DnsLab

ZONE, CHILD, SPLIT = "contract.test", "child.contract.test", "torn.test"
TTL, NEGATIVE = 60, 5
LONG = " ".join([f'"{"x" * 250}"'] * 12)

RECORDS = (
    ("s._domainkey", "TXT", '"v=DKIM1; p=" "AAAA"'),
    ("octets", "TXT", '"\\255\\000\\"a\\\\"'),
    ("long", "TXT", LONG),
    ("lh", "MX", "10 Feedback-SMTP.example."),
    ("lh", "TXT", '"v=spf1 include:example.com -all"'),
    ("nomail", "MX", "0 ."),
    ("alias", "CNAME", "Alias2"),
    ("alias2", "CNAME", "lh"),
    ("dangling", "CNAME", "nothing"),
    ("empty", "CNAME", "nomail"),
    ("outside", "CNAME", "nothing.test."),
    ("into", "CNAME", "t.child"),
    ("loop", "CNAME", "loop2"),
    ("loop2", "CNAME", "loop"),
    ("*.wild", "TXT", '"made up"'),
    ("real.wild", "MX", "5 mx.example."),
    ("*.also", "CNAME", "lh"),
    ("a.between", "TXT", '"below"'),
    ("child", "NS", "ns1.lab.test."),
    ("lost", "NS", "nowhere"),
)
IN_CHILD = (("t", "TXT", '"in the child"'), ("up", "CNAME", "lh.contract.test."))

SURROUNDINGS = """
$ORIGIN test.
test. 60 SOA ns1.lab.test. hostmaster.lab.test. 1 60 60 600 5
@ 60 NS ns1.lab
$ORIGIN lab.test.
lab.test. 60 SOA ns1.lab.test. hostmaster.lab.test. 1 60 60 600 5
@ 60 NS ns1
ns1 60 A 127.0.0.2
ns2 60 A 127.0.0.3
"""


def zone_text(zone: str, *records: tuple[str, str, str], servers: int = 1) -> str:
    lines = [f"$ORIGIN {zone}.", "$TTL 60", "@ SOA ns1.lab.test. hostmaster.lab.test. 1 60 60 600 5"]
    lines += [f"@ NS ns{number}.lab.test." for number in range(1, servers + 1)]
    return "\n".join(lines + [" ".join(record) for record in records]) + "\n"


def publish(lab: DnsLab, zone: str, records: tuple[tuple[str, str, str], ...]) -> None:
    for label, rdtype, value in records:
        named = rdtype in ("CNAME", "NS") and not value.endswith(".")
        lab.publish(f"{label}.{zone}", rdtype, f"{value}.{zone}." if named else value)


@pytest.fixture(scope="module")
def published(lab: DnsLab) -> DnsLab:
    lab.zone(ZONE)
    lab.zone(CHILD)
    publish(lab, ZONE, RECORDS)
    publish(lab, CHILD, IN_CHILD)
    lab.flush()
    return lab


@pytest.fixture(params=["zone text", "real servers"])
def resolver(request: pytest.FixtureRequest) -> Resolver:
    if request.param == "zone text":
        return ZoneFileResolver(SURROUNDINGS, zone_text(ZONE, *RECORDS), zone_text(CHILD, *IN_CHILD))
    return asking(request.getfixturevalue("published"))


def asking(lab: DnsLab) -> DnsResolver:
    return DnsResolver([(RESOLVER, lab.resolver_port)], lab.authoritative_port)


async def ask(resolver: Resolver, name: str, rdtype: str, view: View) -> tuple[Reply, ...]:
    question = Question(name=name, rdtype=rdtype, view=view)
    limits = Allowance(packets=64, until=asyncio.get_running_loop().time() + 10)
    return (await resolver.ask([question], limits))[question]


def found(owner: str, rdtype: str, *rdatas: Rdata, aliases: tuple[str, ...] = ()) -> Found:
    return Found(rrset=RRset(owner=f"{owner}.{ZONE}", rdtype=rdtype, ttl=TTL, rdatas=rdatas), aliases=aliases)


def aliased(*names: str, dangling: bool) -> Aliased:
    return Aliased(target=names[-1], aliases=names, ttl=TTL, dangling=dangling)


def txt(*strings: str) -> Txt:
    return Txt(strings=strings)


NO_DATA, NX_DOMAIN = NoData(negative_ttl=NEGATIVE), NxDomain(negative_ttl=NEGATIVE, zone=ZONE)
MX = Mx(preference=10, exchange="feedback-smtp.example")
SPF = txt("v=spf1 include:example.com -all")
TABLE: dict[tuple[str, str], Answer] = {
    ("s._domainkey", "TXT"): found("s._domainkey", "TXT", txt("v=DKIM1; p=", "AAAA")),
    ("octets", "TXT"): found("octets", "TXT", txt('\xff\x00"a\\')),
    ("long", "TXT"): found("long", "TXT", txt(*["x" * 250] * 12)),
    ("lh", "MX"): found("lh", "MX", MX),
    ("nomail", "MX"): found("nomail", "MX", Mx(preference=0, exchange="")),
    ("lh", "A"): NO_DATA,
    ("lh", "CNAME"): NO_DATA,
    ("nothing", "TXT"): NX_DOMAIN,
    ("below.lh", "TXT"): NX_DOMAIN,
    ("alias", "CNAME"): found("alias", "CNAME", Target(name=f"alias2.{ZONE}")),
    ("alias", "MX"): found("lh", "MX", MX, aliases=(f"alias2.{ZONE}", f"lh.{ZONE}")),
    ("dangling", "TXT"): aliased(f"nothing.{ZONE}", dangling=True),
    ("empty", "TXT"): aliased(f"nomail.{ZONE}", dangling=True),
    ("any.wild", "TXT"): found("any.wild", "TXT", txt("made up")),
    ("any.at.all.wild", "TXT"): found("any.at.all.wild", "TXT", txt("made up")),
    ("any.wild", "MX"): NO_DATA,
    ("real.wild", "TXT"): NO_DATA,
    ("below.real.wild", "TXT"): NX_DOMAIN,
    ("wild", "TXT"): NO_DATA,
    ("any.also", "TXT"): found("lh", "TXT", SPF, aliases=(f"lh.{ZONE}",)),
    ("between", "TXT"): NO_DATA,
}
# The views differ where an answer lies beyond the servers' own zone.
BEYOND: dict[tuple[str, View], Answer] = {
    ("outside", View.EVERY_SERVER): aliased("nothing.test", dangling=False),
    ("outside", View.RECURSIVE): aliased("nothing.test", dangling=True),
    ("loop", View.EVERY_SERVER): Unanswered(why=Why.CNAME_LOOP),
}


def without_ttl(answer: Answer) -> Answer:
    """Drop what a resolver counts down."""
    match answer:
        case Found():
            return msgspec.structs.replace(answer, rrset=msgspec.structs.replace(answer.rrset, ttl=0))
        case Aliased():
            return msgspec.structs.replace(answer, ttl=0)
        case NoData() | NxDomain() | Delegated():
            return msgspec.structs.replace(answer, negative_ttl=0)
        case Unanswered():
            return answer


@pytest.mark.parametrize(("name", "rdtype"), TABLE)
async def test_servers_and_resolver_tell_the_same(resolver: Resolver, name: str, rdtype: str) -> None:
    """Each kind of record, alias, wildcard and absence is the same value from the zone's server and a resolver."""
    expected = TABLE[name, rdtype]
    (by_server,) = await ask(resolver, f"{name}.{ZONE}", rdtype, View.EVERY_SERVER)
    assert by_server.answer == expected
    told = by_server.perspective
    assert (told.server, told.address, told.zone) == ("ns1.lab.test", "127.0.0.2", ZONE)
    (by_resolver,) = await ask(resolver, f"{name}.{ZONE}", rdtype, View.RECURSIVE)
    assert without_ttl(by_resolver.answer) == without_ttl(expected)
    assert by_resolver.perspective.view is View.RECURSIVE


@pytest.mark.parametrize(("name", "view"), BEYOND)
async def test_alias_beyond_the_zone(resolver: Resolver, name: str, view: View) -> None:
    """A server's word ends at its zone: where an alias leads out, the target is to be asked; a loop is no answer."""
    (reply,) = await ask(resolver, f"{name}.{ZONE}", "TXT", view)
    expected = BEYOND[name, view]
    assert without_ttl(reply.answer) == without_ttl(expected)


async def test_each_name_has_its_own_zone(resolver: Resolver) -> None:
    """A name below a delegation is asked at the servers of the zone below, not at those of the zone above."""
    (reply,) = await ask(resolver, f"t.{CHILD}", "TXT", View.TWO_SERVERS)
    assert reply.perspective.zone == CHILD
    assert isinstance(reply.answer, Found)
    assert reply.answer.rrset.rdatas == (txt("in the child"),)


async def test_alias_lies_in_its_own_zone(resolver: Resolver) -> None:
    """An alias that leads out of its zone is asked where it stands, not where it leads."""
    (reply,) = await ask(resolver, f"up.{CHILD}", "TXT", View.EVERY_SERVER)
    assert (reply.perspective.zone, reply.answer) == (CHILD, aliased(f"lh.{ZONE}", dangling=False))


async def test_lost_delegation_is_unanswered(resolver: Resolver) -> None:
    """A name delegated to servers that cannot be found is unanswered in every view: never absent."""
    for view in (View.EVERY_SERVER, View.TWO_SERVERS, View.RECURSIVE):
        for reply in await ask(resolver, f"a.lost.{ZONE}", "TXT", view):
            assert isinstance(reply.answer, Unanswered), reply


@pytest.mark.parametrize("name", [ZONE, f"lh.{ZONE}", f"nothing.{ZONE}"])
async def test_delegation(resolver: Resolver, name: str) -> None:
    """The delegation of a name is the zone that holds it with its servers, whether or not the name exists."""
    (reply,) = await ask(resolver, name, "NS", View.DELEGATION)
    servers = (Nameserver(name="ns1.lab.test", addresses=("127.0.0.2",)),)
    assert without_ttl(reply.answer) == Delegated(zone=ZONE, servers=servers, negative_ttl=0)


@pytest.mark.parametrize("name", ["nobody.test", "mail.nobody.test"])
async def test_unregistered_domain(resolver: Resolver, name: str) -> None:
    """A domain that the registry does not know is NXDOMAIN there, and so is all below it."""
    (reply,) = await ask(resolver, name, "NS", View.DELEGATION)
    assert reply.answer == NxDomain(negative_ttl=NEGATIVE, zone="test")


async def test_unreadable_questions_are_values(resolver: Resolver) -> None:
    """A name or type that DNS can't carry is unanswered, not raised."""
    for name, rdtype in (("a..b", "TXT"), ("x" * 64 + ".test", "TXT"), (ZONE, "NONSENSE")):
        (reply,) = await ask(resolver, name, rdtype, View.RECURSIVE)
        assert isinstance(reply.answer, Unanswered)


TORN = (
    zone_text(SPLIT, ("same", "TXT", "same"), servers=2)
    + """
; @server ns1.lab.test
name TXT new
; @server ns2.lab.test
name TXT old
late TXT there
"""
)


@pytest.fixture(scope="module")
def torn_lab(lab: DnsLab) -> DnsLab:
    lab.zone(SPLIT, servers=2)
    lab.publish(f"same.{SPLIT}", "TXT", "same")
    lab.publish(f"name.{SPLIT}", "TXT", "new", only=lab.ns1)
    lab.publish(f"name.{SPLIT}", "TXT", "old", only=lab.ns2)
    lab.publish(f"late.{SPLIT}", "TXT", "there", only=lab.ns2)
    lab.flush()
    return lab


@pytest.fixture(params=["zone text", "real servers"])
def torn(request: pytest.FixtureRequest) -> Resolver:
    """Return a zone whose two servers differ."""
    if request.param == "zone text":
        return ZoneFileResolver(SURROUNDINGS, TORN)
    return asking(request.getfixturevalue("torn_lab"))


@pytest.fixture(params=["zone text", "real servers"])
def half_silent(request: pytest.FixtureRequest) -> Iterator[Resolver]:
    """Return the same zone with its second server silent."""
    if request.param == "zone text":
        yield ZoneFileResolver(SURROUNDINGS, TORN + "; @server ns2.lab.test timeout\n")
        return
    lab: DnsLab = request.getfixturevalue("torn_lab")
    with lab.ns2.server.frozen():
        yield asking(lab)
    lab.flush()


@pytest.fixture(params=["zone text", "real servers"])
def broken(request: pytest.FixtureRequest) -> Resolver:
    """Return a zone whose signatures are wrong."""
    if request.param == "zone text":
        return ZoneFileResolver(SURROUNDINGS, zone_text(BOGUS, ("a", "TXT", "x")) + "; @resolver bogus\n")
    lab: DnsLab = request.getfixturevalue("lab")
    lab.publish(f"a.{BOGUS}", "TXT", "x")
    return asking(lab)


def said(reply: Reply) -> object:
    """Return the first record, or the kind of answer."""
    match reply.answer:
        case Found():
            return reply.answer.rrset.rdatas[0]
        case Unanswered():
            return reply.answer.why
        case _:
            return type(reply.answer)


@pytest.mark.parametrize("view", [View.EVERY_SERVER, View.TWO_SERVERS])
async def test_each_server_is_heard(torn: Resolver, view: View) -> None:
    """Where servers differ, each one's own word is kept under its name."""
    for name, expected in {
        "same": [txt("same"), txt("same")],
        "name": [txt("new"), txt("old")],
        "late": [NxDomain, txt("there")],
    }.items():
        replies = await ask(torn, f"{name}.{SPLIT}", "TXT", view)
        assert [reply.perspective.server for reply in replies] == ["ns1.lab.test", "ns2.lab.test"]
        assert [said(reply) for reply in replies] == expected


@pytest.mark.parametrize("view", [View.EVERY_SERVER, View.TWO_SERVERS])
async def test_silent_server_does_not_hide_the_other(half_silent: Resolver, view: View) -> None:
    """One server's silence is kept beside the other's answer."""
    replies = await ask(half_silent, f"same.{SPLIT}", "TXT", view)
    assert [said(reply) for reply in replies] == [txt("same"), Why.TIMEOUT]


async def test_broken_signatures_are_told_apart(broken: Resolver) -> None:
    """Where validation fails the resolver's answer is "bogus", while the zone's own server has the record."""
    (by_resolver,) = await ask(broken, f"a.{BOGUS}", "TXT", View.RECURSIVE)
    (by_server,) = await ask(broken, f"a.{BOGUS}", "TXT", View.EVERY_SERVER)
    assert (said(by_resolver), said(by_server)) == (Why.BOGUS, txt("x"))


async def test_resolver_vouches_for_a_signed_zone(lab: DnsLab) -> None:
    """`authentic` is the resolver's AD bit: set for the signed zone, for no other, and by no server of its own."""
    kinds: dict[str, type[Found] | type[NxDomain]] = {"": Found, "missing.": NxDomain}
    for zone, signed in ((SIGNED, True), ("test", False)):
        for label, kind in kinds.items():
            for view in (View.RECURSIVE, View.ONE_SERVER):
                (reply,) = await ask(asking(lab), f"{label}{zone}", "SOA", view)
                assert isinstance(reply.answer, kind)
                assert reply.answer.authentic is (signed and view is View.RECURSIVE)
        (reply,) = await ask(asking(lab), zone, "MX", View.RECURSIVE)
        assert isinstance(reply.answer, NoData)
        assert reply.answer.authentic is signed


async def test_long_answer_comes_by_tcp(published: DnsLab) -> None:
    """An answer too long for UDP costs one more packet, and is whole."""
    question = Question(name=f"long.{ZONE}", rdtype="TXT", view=View.RECURSIVE)
    limits = Allowance(packets=64, until=asyncio.get_running_loop().time() + 10)
    (reply,) = (await asking(published).ask([question], limits))[question]
    assert isinstance(reply.answer, Found)
    assert limits.packets == 62


async def test_lame_delegation_is_no_answer(lab: DnsLab) -> None:
    """A server that does not hold the zone it is named for has no say on it, even where it holds the zone above."""
    lab.zone("halflame.test")
    lab.publish("halflame.test", "NS", "ns1.lab.test.", "ns2.lab.test.")  # which holds the root, not this
    lab.flush()
    replies = await ask(asking(lab), "a.halflame.test", "TXT", View.EVERY_SERVER)
    assert [said(reply) for reply in replies] == [NxDomain, Why.LAME]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("@ SOA ns host 1 1 1 1 1\n", 1),
        ('$ORIGIN a.test.\n@ TXT "early\n', 2),
        ("$ORIGIN a.test.\n@ SOA ns host 1 1 1 1 1\n; @server ns timeot\n", 3),
        ("$ORIGIN a.test.\n$TTL 5\n@ MX mail\n", 3),
    ],
)
def test_unreadable_zone_text_names_the_line(text: str, line: int) -> None:
    """Zone text that can't be read is refused with the place and with what to do."""
    with pytest.raises(Fault, match=f"Line {line} of") as refused:
        ZoneFileResolver(text)
    assert refused.value.kind is Kind.PARAMETER_INVALID
    assert refused.value.fix
