"""Show that the DNS servers of the tests do what servers of the world do, and what a test makes them do."""

import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.update
import pytest

from tests.rigs.dns_lab import SIGNED, DnsLab, running


def texts(reply: dns.message.Message) -> list[str]:
    return sorted(rdata.to_text() for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset)


def test_update_is_seen(lab: DnsLab, zone: str) -> None:
    """A published record is at the authoritative server at once, and at the resolver after a flush; so is its end."""
    assert lab.ask(f"a.{zone}", "TXT").rcode() == dns.rcode.NXDOMAIN
    lab.publish(f"a.{zone}", "TXT", '"one " "two"')
    answer = lab.ns1.ask(f"a.{zone}", "TXT")
    assert texts(answer) == ['"one " "two"']
    assert answer.flags & dns.flags.AA
    lab.flush()
    assert texts(lab.ask(f"a.{zone}", "TXT")) == ['"one " "two"']
    lab.withdraw(f"a.{zone}")
    lab.flush()
    assert lab.ask(f"a.{zone}", "TXT").rcode() == dns.rcode.NXDOMAIN


def test_update_needs_the_key(lab: DnsLab, zone: str) -> None:
    """An update without the key is refused."""
    update = dns.update.UpdateMessage(zone)
    update.add("a", 60, "TXT", "x")
    assert dns.query.tcp(update, lab.ns1.address, port=lab.ns1.port, timeout=5).rcode() != dns.rcode.NOERROR


def test_long_answer_comes_by_tcp(lab: DnsLab, zone: str) -> None:
    """An answer that UDP cannot carry is truncated there, and whole by TCP."""
    lab.publish(f"long.{zone}", "TXT", " ".join([f'"{"x" * 250}"'] * 12))
    question = dns.message.make_query(f"long.{zone}", "TXT", use_edns=0, payload=1232)
    _, by_tcp = dns.query.udp_with_fallback(question, lab.ns1.address, port=lab.ns1.port, timeout=5)
    assert by_tcp


def test_frozen_server_does_not_answer(lab: DnsLab, zone: str) -> None:
    """A frozen server times out, the resolver behind it has no answer, and both answer again when it is thawed."""
    with lab.ns1.server.frozen():
        with pytest.raises(dns.exception.Timeout):
            lab.ns1.ask(zone, "SOA", timeout=0.2)
        with pytest.raises(dns.exception.Timeout):
            lab.ask(f"unseen.{zone}", "TXT", timeout=0.5)
    lab.flush()
    assert lab.ns1.ask(zone, "SOA").answer
    assert lab.ask(zone, "SOA").answer


def test_frozen_resolver_does_not_answer(lab: DnsLab, zone: str) -> None:
    """A frozen resolver times out while the authoritative server answers."""
    with lab.resolver.frozen():
        with pytest.raises(dns.exception.Timeout):
            lab.ask(zone, "SOA", timeout=0.2)
        assert lab.ns1.ask(zone, "SOA").answer
    assert lab.ask(zone, "SOA").answer


def test_signed_zone_is_authentic(lab: DnsLab, zone: str) -> None:
    """The resolver vouches for the signed zone, after an update too, and for no other."""
    lab.publish(f"a.{SIGNED}", "TXT", "signed")
    lab.flush()
    assert lab.ask(f"a.{SIGNED}", "TXT").flags & dns.flags.AD
    assert not lab.ask(zone, "SOA").flags & dns.flags.AD


def test_bogus_zone_fails(lab: DnsLab) -> None:
    """A zone that does not validate is SERVFAIL at the resolver, with the reason, and answers at its own server."""
    lab.publish("a.bogus.test", "TXT", "x")
    reply = lab.ask("a.bogus.test", "TXT")
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert reply.extended_errors()
    assert texts(lab.ns1.ask("a.bogus.test", "TXT")) == ['"x"']


def test_servers_disagree(lab: DnsLab, split_zone: str) -> None:
    """Two servers of one zone tell different things, and the resolver finds both under their own addresses."""
    lab.publish(f"a.{split_zone}", "TXT", "new", only=lab.ns1)
    lab.publish(f"a.{split_zone}", "TXT", "old", only=lab.ns2)
    assert texts(lab.ns1.ask(f"a.{split_zone}", "TXT")) == ['"new"']
    assert texts(lab.ns2.ask(f"a.{split_zone}", "TXT")) == ['"old"']
    names = {rdata.to_text() for rrset in lab.ask(split_zone, "NS").answer for rdata in rrset}
    assert names == {"ns1.lab.test.", "ns2.lab.test."}
    addresses = {rdata.to_text() for name in names for rrset in lab.ask(name, "A").answer for rdata in rrset}
    assert addresses == {lab.ns1.address, lab.ns2.address}


def test_resolver_hears_the_second_server(lab: DnsLab, split_zone: str) -> None:
    """With the first server frozen, the resolver answers from the second."""
    lab.publish(f"a.{split_zone}", "TXT", "x")
    with lab.ns1.server.frozen():
        lab.flush()
        assert texts(lab.ask(f"a.{split_zone}", "TXT", timeout=10)) == ['"x"']
    lab.flush()


@pytest.mark.parametrize(("name", "rcode"), [("test", "NOERROR"), ("nothing.test", "NXDOMAIN"), ("com", "NXDOMAIN")])
def test_world_is_whole(lab: DnsLab, name: str, rcode: str) -> None:
    """Any name has an answer from the root down: nothing leaves the machine and nothing hangs."""
    assert dns.rcode.to_text(lab.ask(name, "NS").rcode()) == rcode


def test_lab_starts_fast_and_leaves_nothing() -> None:
    """A second set of servers runs beside the first, is ready in seconds, and is gone afterwards."""
    began = time.monotonic()
    with running() as lab:
        assert time.monotonic() - began < 10
        folder = lab.resolver.log.parent
        assert folder.exists()
    assert not folder.exists()
