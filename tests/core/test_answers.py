"""The fingerprint of a DNS answer: what makes two answers say the same, and what makes them differ."""

from itertools import combinations

from msgspec.structs import replace

from letterhead.core.dns.answers import (
    Aliased,
    Answer,
    Delegated,
    Found,
    Nameserver,
    NoData,
    NxDomain,
    Unanswered,
    Why,
    fingerprint,
)
from letterhead.core.dns.records import Mx, RRset, Txt

ONE, TWO = Txt(strings=("v=spf1 -all",)), Txt(strings=("hello",))
FOUND = Found(rrset=RRset(owner="acme.dev", rdtype="TXT", ttl=300, rdatas=(ONE, TWO)))
ALIASED = Aliased(target="b.acme.dev", aliases=("a.acme.dev", "b.acme.dev"), ttl=300)
SERVERS = (
    Nameserver(name="ns1.acme.dev", addresses=("192.0.2.1",)),
    Nameserver(name="ns2.acme.dev", addresses=("192.0.2.2",)),
)
DELEGATED = Delegated(zone="acme.dev", servers=SERVERS, negative_ttl=300)


def test_ttls_the_order_of_records_and_the_owner_do_not_count() -> None:
    """Answers that differ in nothing else say the same."""
    same: list[tuple[Answer, Answer]] = [
        (FOUND, replace(FOUND, rrset=replace(FOUND.rrset, ttl=7))),
        (FOUND, replace(FOUND, rrset=replace(FOUND.rrset, rdatas=(TWO, ONE)))),
        (FOUND, replace(FOUND, rrset=replace(FOUND.rrset, rdatas=(ONE, TWO, ONE)))),
        (FOUND, replace(FOUND, rrset=replace(FOUND.rrset, owner="www.acme.dev"))),
        (ALIASED, replace(ALIASED, ttl=7)),
        (NoData(negative_ttl=5), NoData(negative_ttl=6)),
        (NxDomain(negative_ttl=5, zone="dev"), NxDomain(negative_ttl=6, zone="dev")),
        (DELEGATED, replace(DELEGATED, negative_ttl=7, servers=SERVERS[::-1])),
    ]
    for one, other in same:
        assert one != other
        assert fingerprint(one) == fingerprint(other) is not None


def test_all_else_counts() -> None:
    """Answers that differ in kind, records, aliases, the AD bit or the zone have each their own fingerprint."""
    rrset = FOUND.rrset
    different: list[Answer] = [
        FOUND,
        replace(FOUND, rrset=replace(rrset, rdatas=(ONE,))),
        replace(FOUND, rrset=replace(rrset, rdatas=(ONE, Txt(strings=("hel", "lo"))))),
        replace(FOUND, rrset=replace(rrset, rdatas=(Mx(preference=10, exchange="acme.dev"),))),
        replace(FOUND, rrset=replace(rrset, rdtype="SPF")),
        replace(FOUND, aliases=ALIASED.aliases),
        replace(FOUND, aliases=ALIASED.aliases[::-1]),
        replace(FOUND, authentic=True),
        ALIASED,
        replace(ALIASED, target="c.acme.dev"),
        replace(ALIASED, aliases=ALIASED.aliases[1:]),
        replace(ALIASED, dangling=True),
        replace(ALIASED, hides=True),
        NoData(negative_ttl=5),
        NxDomain(negative_ttl=5),
        NxDomain(negative_ttl=5, zone="dev"),
        DELEGATED,
        replace(DELEGATED, zone="dev"),
        replace(DELEGATED, servers=SERVERS[:1]),
        replace(DELEGATED, parent_servers=("ns1.acme.dev",)),
    ]
    for one, other in combinations(different, 2):
        assert fingerprint(one) != fingerprint(other), (one, other)


def test_no_answer_has_no_fingerprint() -> None:
    """Two servers that did not answer do not say the same."""
    assert fingerprint(Unanswered(why=Why.TIMEOUT)) is None
