"""Writing a zone of our own, at a real server and at one that says whatever a server can."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import dns.message
import dns.rcode
import dns.tsig
import pytest

from letterhead.adapters.dns.update import ZoneUpdates
from letterhead.core.dns.records import split_text
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from tests.operations.delegated_story import key_zone, texts_at
from tests.rigs.dns_lab import KEY, NS1, DnsLab
from tests.rigs.processes import free_port

TTL = timedelta(minutes=5)
LONG = "v=DKIM1; k=rsa; p=" + "abcdefgh" * 60


def updates(lab: DnsLab, zone: str, **other: Any) -> ZoneUpdates:
    """Make what writes a zone at the first server, but for what is given."""
    usual: dict[str, Any] = {
        "server": (NS1, lab.authoritative_port), "key_name": "lab", "algorithm": "hmac-sha256",
        "secret": Secret(KEY.secret),
    }  # fmt: skip
    return ZoneUpdates(zone, **(usual | other))


@pytest.fixture
def zone(lab: DnsLab) -> str:
    """Return an empty zone."""
    return key_zone(lab)


async def refusal(writer: ZoneUpdates, name: str) -> Fault:
    """Write one name and return what came of it."""
    with pytest.raises(Fault) as refused:
        await writer.publish({name: LONG}, TTL)
    return refused.value


async def test_names_are_written_replaced_and_emptied_together(lab: DnsLab, zone: str) -> None:
    """A long key in strings as DNS wants them, with our TTL; again is the same; with nothing the name is gone."""
    writer, one, two = updates(lab, zone), f"lh1.abc.{zone}", f"lh2.abc.{zone}"
    for _ in range(2):
        await writer.publish({one: LONG, two: "v=DKIM1; p="}, TTL)
        assert (texts_at(lab.ns1, one), texts_at(lab.ns1, two)) == ([LONG], ["v=DKIM1; p="])
    (rrset,) = lab.ns1.ask(one, "TXT").answer
    assert rrset.ttl == 300
    assert [len(each) for each in rrset[0].strings] == [len(each) for each in split_text(LONG)]
    await writer.publish({one: "v=DKIM1; p=", two: LONG}, TTL)
    assert (texts_at(lab.ns1, one), texts_at(lab.ns1, two)) == (["v=DKIM1; p="], [LONG])
    await writer.publish({one: None, two: None}, TTL)
    assert (texts_at(lab.ns1, one), texts_at(lab.ns1, two)) == ([], [])
    assert lab.ns1.ask(f"abc.{zone}", "TXT").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ({"key_name": "nobody"}, "BADKEY"),
        ({"algorithm": "hmac-sha512"}, "BADKEY"),
        ({"secret": Secret(b"another secret of some length")}, "BADSIG"),
        ({"key_name": "stranger"}, "BADKEY"),
    ],
)
async def test_a_real_server_refuses_wrong_keys(lab: DnsLab, zone: str, key: dict[str, object], word: str) -> None:
    """Each refusal has the server's own word, what it means and what mends it; nothing was written."""
    writer = updates(lab, zone, **key)
    fault = await refusal(writer, f"lh1.abc.{zone}")
    assert (fault.kind, fault.provider_code) == (Kind.CONFIG_INVALID, word)
    assert "LETTERHEAD_DKIM_ZONE" in (fault.fix or "")
    assert texts_at(lab.ns1, f"lh1.abc.{zone}") == []
    (condition,) = await writer.health()
    assert (condition.ok, condition.fix) == (False, fault.fix)


async def test_a_zone_that_the_server_does_not_serve(lab: DnsLab, zone: str) -> None:
    """A zone that is not there, or a name below one that is, is refused in words."""
    for wrong in ("nowhere.test", f"below.{zone}"):
        fault = await refusal(updates(lab, wrong), f"lh1.abc.{wrong}")
        assert fault.provider_code in ("NOTAUTH", "NOTZONE", "REFUSED")


async def test_only_slots_below_the_zone_are_written(lab: DnsLab, zone: str) -> None:
    """Whatever is asked for: not the zone itself, no other name in it, none outside; not one octet is sent."""
    writer = updates(lab, zone)
    names = [
        zone, f"lh1.{zone}", f"www.{zone}", f"lh3.abc.{zone}", f"_dmarc.abc.{zone}", f"lh1.a.b.{zone}", "lh1.abc.test",
        f"lh1.abc.{zone}.test", f"lh1.abc.x{zone}", f"*.abc.{zone}", f"lh1.*.{zone}", f"lh1.a\\.b.{zone}",
    ]  # fmt: skip
    serial = lab.ns1.ask(zone, "SOA").answer[0][0].serial
    for name in names:
        assert (await refusal(writer, name)).provider_code == "NOTZONE", name
    with pytest.raises(Fault):  # all or nothing
        await writer.publish({f"lh1.abc.{zone}": LONG, f"www.{zone}": LONG}, TTL)
    assert lab.ns1.ask(zone, "SOA").answer[0][0].serial == serial


async def test_the_trial_changes_nothing(lab: DnsLab, zone: str) -> None:
    """What the doctor sends is allowed to whoever may write, and leaves even the zone's serial as it was."""
    serial = lab.ns1.ask(zone, "SOA").answer[0][0].serial
    (condition,) = await updates(lab, zone).health()
    assert condition.ok
    assert zone in condition.said
    assert lab.ns1.ask(zone, "SOA").answer[0][0].serial == serial


# --- a server that says whatever a server can -------------------------------------------------------------------------

Says = Callable[[dns.message.Message], bytes | None]


@contextlib.asynccontextmanager
async def primary(says: Says) -> AsyncIterator[tuple[str, int]]:
    """Serve one answer to each question over TCP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            size = int.from_bytes(await reader.readexactly(2))
            query = dns.message.from_wire(await reader.readexactly(size), keyring=KEY)
            if (told := says(query)) is not None:
                writer.write(len(told).to_bytes(2) + told)
                await writer.drain()
        writer.close()

    port = free_port("127.0.0.1")
    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield "127.0.0.1", port


def rcode(code: dns.rcode.Rcode) -> Says:
    """Refuse with a word, signed."""

    def says(query: dns.message.Message) -> bytes:
        reply = dns.message.make_response(query)
        reply.set_rcode(code)
        return reply.to_wire()

    return says


def late(query: dns.message.Message) -> bytes:
    """Say that the clocks differ (RFC 8945 5.2.3)."""
    reply = dns.message.make_response(query, tsig_error=int(dns.rcode.BADTIME))
    reply.set_rcode(dns.rcode.NOTAUTH)
    return reply.to_wire()


def unsigned(query: dns.message.Message) -> bytes:
    """Say that all went well, as somebody on the way could."""
    reply = dns.message.make_response(query)
    reply.tsig = None
    return reply.to_wire()


@pytest.mark.parametrize(
    ("says", "kind", "word"),
    [
        (rcode(dns.rcode.REFUSED), Kind.CONFIG_INVALID, "REFUSED"),
        (rcode(dns.rcode.NOTIMP), Kind.CONFIG_INVALID, "NOTIMP"),
        (rcode(dns.rcode.SERVFAIL), Kind.CONFIG_INVALID, "SERVFAIL"),
        (late, Kind.CONFIG_INVALID, "BADTIME"),
        (lambda _: None, Kind.UNREACHABLE, None),
        (lambda _: b"nonsense", Kind.CONFIG_INVALID, "unreadable"),
        (unsigned, Kind.CONFIG_INVALID, "unsigned"),
    ],
)
async def test_whatever_it_says_is_told(lab: DnsLab, says: Says, kind: Kind, word: str | None) -> None:
    """Each answer but a signed NOERROR is a fault with a fix; an unsigned one proves nothing."""
    async with primary(says) as server:
        fault = await refusal(updates(lab, "keys.test", server=server), "lh1.abc.keys.test")
    assert (fault.kind, fault.provider_code) == (kind, word)
    assert fault.fix


async def test_a_server_that_cannot_write_its_file(lab: DnsLab) -> None:
    """SERVFAIL, which BIND answers where its journal can't be written, leads to the file and the folder."""
    async with primary(rcode(dns.rcode.SERVFAIL)) as server:
        fault = await refusal(updates(lab, "keys.test", server=server), "lh1.abc.keys.test")
    assert "journal" in fault.detail
    assert "folder" in (fault.fix or "")


async def test_nobody_there(lab: DnsLab) -> None:
    """A closed port, and a name that leads nowhere, are said with the setting to look at."""
    for server in (("127.0.0.1", free_port("127.0.0.1")), ("nowhere.invalid", 53)):
        fault = await refusal(updates(lab, "keys.test", server=server), "lh1.abc.keys.test")
        assert fault.kind is Kind.UNREACHABLE
        assert "LETTERHEAD_DKIM_ZONE_SERVER" in (fault.fix or "")


def test_the_secret_is_nowhere_in_its_words(lab: DnsLab) -> None:
    """Not even in the repr that a traceback shows."""
    assert b"only between" not in repr(updates(lab, "keys.test")).encode()
    assert dns.tsig.Key.__name__ not in repr(updates(lab, "keys.test"))
