"""Conversion of dnspython's names and RDATA to core values: of zone text, and of types that `wire.py` leaves out."""

from collections.abc import Iterable

import dns.name
import dns.rdata
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
from dns.name import Name
from dns.rdatatype import RdataType

from letterhead.core.dns.records import Address, Mx, Other, Rdata, RRset, Soa, Target, Txt, read_ttl


def name_text(name: Name) -> str:
    """Return a name as core writes it: lower case, no final dot; the root is empty."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def name_from(text: str) -> Name:
    """Parse a name as core writes it; raise `dns.exception.DNSException` where it is none."""
    return dns.name.from_text(text or ".", dns.name.root)


def rrset(owner: Name, rdtype: RdataType, ttl: int, rdatas: Iterable[dns.rdata.Rdata]) -> RRset:
    """Return the core value of an RRset: each RDATA once, in a stable order."""
    once = tuple(core_rdata(rdata) for rdata in sorted(set(rdatas)))
    return RRset(owner=name_text(owner), rdtype=RdataType.to_text(rdtype), ttl=read_ttl(ttl), rdatas=once)


def core_rdata(rdata: dns.rdata.Rdata) -> Rdata:
    """Return the core value of one RDATA."""
    match rdata:
        case dns.rdtypes.ANY.TXT.TXT():
            return Txt(strings=tuple(string.decode("latin-1") for string in rdata.strings))
        case dns.rdtypes.ANY.MX.MX():
            return Mx(preference=rdata.preference, exchange=name_text(rdata.exchange))
        case dns.rdtypes.IN.A.A() | dns.rdtypes.IN.AAAA.AAAA():
            return Address(ip=rdata.address)
        case dns.rdtypes.ANY.CNAME.CNAME() | dns.rdtypes.ANY.NS.NS() | dns.rdtypes.ANY.PTR.PTR():
            return Target(name=name_text(rdata.target))
        case dns.rdtypes.ANY.SOA.SOA():
            return Soa(primary=name_text(rdata.mname), serial=rdata.serial, minimum=read_ttl(rdata.minimum))
        case _:
            return Other(text=rdata.to_text())
