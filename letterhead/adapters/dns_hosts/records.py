"""Conversion of octoDNS's records to RRsets of the core and back.

octoDNS has a TXT value in one piece, with `;` as `\\;`, and for some hosts with the escapes of the presentation format.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from octodns.record import Record
from octodns.record.rr import Rrset

from letterhead.adapters.dns.dnspython_values import core_rdata
from letterhead.adapters.dns_hosts.table import HostRow
from letterhead.core.dns.records import Address, Mx, Other, Rdata, RRset, Soa, Target, Txt, split_text
from letterhead.errors import Fault, Kind

OCTAL: Final = 8
_OCTAL: Final = re.compile(r"\\(?:([0-7]{3})|(.))", re.DOTALL)
_DECIMAL: Final = re.compile(r"\\(?:(\d{3})|(.))", re.DOTALL)
_WRITABLE: Final = re.compile(r"[ !#-\[\]-~]+")  # what needs no escape: printable ASCII but quotes and backslashes


def core_rrset(record: Any, *, escapes: int) -> RRset:
    """Return the RRset of a record; a type that only octoDNS or the host has is `Other`."""
    owner, rdtype = record.fqdn.rstrip(".").lower(), str(record._type)
    rdatas: tuple[Rdata, ...]
    if rdtype == "TXT":
        texts = sorted({octets_of(value, escapes=escapes) for value in record.values})
        rdatas = tuple(Txt(strings=split_text(text)) for text in texts)
    else:
        rdatas = tuple(core_rdatas(record, rdtype))
    return RRset(owner=owner, rdtype=rdtype, ttl=record.ttl, rdatas=rdatas)


def octets_of(value: str, *, escapes: int) -> str:
    """Return the octets of one TXT value of octoDNS, one character each."""
    if not escapes:
        return value.replace("\\;", ";").encode("utf-8", "replace").decode("latin-1")
    octets, at = bytearray(), 0
    for hit in (_OCTAL if escapes == OCTAL else _DECIMAL).finditer(value):
        octets += value[at : hit.start()].encode("utf-8", "replace")
        octets += bytes([int(hit[1], escapes) % 256]) if hit[1] else hit[2].encode("utf-8", "replace")
        at = hit.end()
    octets += value[at:].encode("utf-8", "replace")
    return octets.decode("latin-1")


def core_rdatas(record: Any, rdtype: str) -> Iterable[Rdata]:
    """Return the RDATA of a record that is no TXT."""
    try:
        texts = record.to_rrset().rdatas
        number = dns.rdatatype.from_text(rdtype)
        rdatas = [dns.rdata.from_text(dns.rdataclass.IN, number, text) for text in texts]
        return [core_rdata(rdata) for rdata in sorted(set(rdatas))]
    except (dns.exception.DNSException, AttributeError, KeyError, TypeError, ValueError):
        return [Other(text=str(value)) for value in getattr(record, "values", None) or [record.value]]


def new_record(zone: Any, rrset: RRset, standing: Any | None, row: HostRow) -> Any:
    """Return the record that octoDNS writes for an RRset; a TXT value that stands there already is kept as it is.

    Fault `conflict` for what octoDNS would write otherwise than it is, be it ours or somebody else's.
    """
    name = rrset.owner.removesuffix(zone.name.rstrip(".")).rstrip(".")
    if rrset.rdtype != "TXT":
        texts = [presentation_text(rdata, rrset) for rdata in rrset.rdatas]
        written = Rrset(f"{rrset.owner}.", rrset.rdtype, rrset.ttl, texts)
        return Record.from_rrset(zone, written, lenient=True)
    kept = {octets_of(value, escapes=row.escapes): value for value in (standing.values if standing else ())}
    texts = [rdata.text for rdata in rrset.rdatas if isinstance(rdata, Txt)]
    if not all(_WRITABLE.fullmatch(text) or (row.exact and text in kept) for text in texts):
        raise _unwritable(rrset)
    values = [kept.get(text, text.replace(";", "\\;")) for text in texts]
    return Record.new(zone, name, {"type": "TXT", "ttl": rrset.ttl, "values": values}, lenient=True)


def presentation_text(rdata: Rdata, rrset: RRset) -> str:
    """Return RDATA in the presentation format; Fault `conflict` for a type that is never ours."""
    match rdata:
        case Mx():
            return f"{rdata.preference} {rdata.exchange}."
        case Target():
            return f"{rdata.name}."
        case Address():
            return rdata.ip
        case Txt() | Soa() | Other():
            raise _unwritable(rrset)


def _unwritable(rrset: RRset) -> Fault:
    return Fault(
        Kind.CONFLICT,
        f"The {rrset.rdtype} records at {rrset.owner} hold what octoDNS can't write without changing it.",
        "Nothing was written. Add or change this record in the pages of the DNS host.",
        provider_code="not-writable",
    )
