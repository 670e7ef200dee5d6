"""Zones of servers that speak RFC 2136, read by AXFR and written by updates, all signed with TSIG (RFC 8945)."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import dns.message
import dns.name
import dns.query
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone
from dns.rdtypes.ANY.TXT import TXT
from octodns.record import Create, Delete, Record
from octodns.record.exception import RecordException
from octodns.record.rr import Rrset
from octodns_bind import Rfc2136Provider

from letterhead.adapters.dns.dnspython_values import rrset
from letterhead.adapters.dns_hosts.records import octets_of
from letterhead.core.dns.records import RRset, split_text

MOST_RECORDS: Final = 100_000  # of one zone
SECONDS: Final = 10


class UpdateRefused(Exception):
    """The server's answer to an update is not NOERROR, or nobody has signed it."""

    def __init__(self, rcode: int | None) -> None:
        super().__init__()
        self.rcode = rcode


class ZoneTooLarge(Exception):
    """A zone has more records than are read."""


class Rfc2136Zones(Rfc2136Provider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which also keeps in `unread` the RRsets that octoDNS does not know, by name and type.

    It bounds a transfer, wants every answer signed, and writes only where each RRset still is as it was read.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 octoDNS's own name
        server: str,
        key_name: str,
        key_secret: str,
        key_algorithm: str = "hmac-sha256",
    ) -> None:
        host, _, port = server.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        super().__init__(id, host, int(port), ":" in host, SECONDS)
        self._key = dns.tsig.Key(key_name, key_secret, key_algorithm)
        self._standing: dict[tuple[str, str], dns.rdataset.Rdataset] = {}
        self.unread: dict[tuple[str, str], RRset | None] = {}

    def populate(self, zone: Any, **_options: bool) -> bool:
        """Read the zone into octoDNS's own; a server that does not have it refuses the transfer."""
        messages = dns.query.xfr(
            self.host,
            zone.name,
            port=self.port,
            timeout=self.timeout,
            lifetime=2 * self.timeout,
            relativize=False,
            keyring={self._key.name: self._key},
            keyname=self._key.name,
        )
        for owner, rdataset in dns.zone.from_xfr(bounded(messages), relativize=False).iterate_rdatasets():
            name, rdtype = owner.to_text().lower(), dns.rdatatype.to_text(rdataset.rdtype)
            key = (zone.hostname_from_fqdn(name), rdtype)
            self._standing[key] = rdataset
            try:
                texts = [rdata.to_text() for rdata in rdataset]
                read = Record.from_rrset(zone, Rrset(name, rdtype, rdataset.ttl, texts), lenient=True, source=self)
            except (RecordException, ValueError, KeyError, TypeError):
                self.unread[key] = rrset(owner, rdataset.rdtype, rdataset.ttl, rdataset)
                continue
            zone.add_record(read, lenient=True)
        return True

    def _apply(self, plan: Any) -> None:
        """Write all changes in one update, on the condition that each RRset is as it was read (RFC 2136 2.4)."""
        update = dns.update.UpdateMessage(plan.desired.name, keyring=self._key)
        for change in plan.changes:
            record = change.new or change.existing
            owner = dns.name.from_text(record.fqdn)
            if isinstance(change, Create):
                update.absent(owner, record._type)
            else:
                update.present(owner, *self._standing[record.name, record._type])
            if isinstance(change, Delete):
                update.delete(owner, record._type)
            else:
                update.replace(owner, record.ttl, *written_rdatas(record))
        answer = dns.query.tcp(update, self.host, port=self.port, timeout=self.timeout)
        if answer.rcode() or not answer.had_tsig:
            raise UpdateRefused(answer.rcode() or None)


def written_rdatas(record: Any) -> Iterator[dns.rdata.Rdata]:
    """Return what a record holds; a TXT octet for octet, which octoDNS itself would not."""
    if record._type == "TXT":
        for value in record.values:
            strings = split_text(octets_of(value, escapes=0))
            yield TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [each.encode("latin-1") for each in strings])
        return
    for text in record.to_rrset().rdatas:
        yield dns.rdata.from_text(dns.rdataclass.IN, record._type, text)


def bounded(messages: Iterable[dns.message.Message]) -> Iterator[dns.message.Message]:
    """Pass messages of a transfer on; raise `ZoneTooLarge` where they hold too many records."""
    seen = 0
    for message in messages:
        seen += sum(len(each) for each in message.answer)
        if seen > MOST_RECORDS:
            raise ZoneTooLarge
        yield message
