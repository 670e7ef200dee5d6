"""PowerDNS by its HTTP API, with what octoDNS leaves out: disabled records, and RRsets that it can't read."""

from typing import Any, Final
from urllib.parse import urlsplit

from octodns.record import Record
from octodns_powerdns import PowerDnsProvider
from requests import HTTPError

from letterhead.core.dns.records import Other, RRset, read_ttl

NOT_FOUND: Final = 404
_UNKNOWN: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError)  # for a form that octoDNS has not


class PowerDnsZones(PowerDnsProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which also keeps in `unread` what octoDNS does not know of an RRset, by name and type.

    That is a form of its own, or records that PowerDNS holds back as disabled: a change of such an RRset by octoDNS
    would publish or lose them.
    """

    def __init__(self, id: str, url: str, api_key: str) -> None:  # noqa: A002 octoDNS's own name
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        super().__init__(id, host, api_key, port=port, scheme=parts.scheme, enable_dynamic=False)
        self.unread: dict[tuple[str, str], RRset | None] = {}

    def populate(self, zone: Any, **_options: bool) -> bool:
        """Read the zone into octoDNS's own; return whether the server has it."""
        try:
            rrsets = self._get(f"zones/{zone.name}").json()["rrsets"]
        except HTTPError as error:
            if error.response is not None and error.response.status_code == NOT_FOUND:
                return False
            raise
        for rrset in rrsets:
            name, rdtype = str(rrset["name"]).lower(), str(rrset["type"])
            key = (zone.hostname_from_fqdn(name), rdtype)
            live = [each for each in rrset["records"] if not each.get("disabled")]
            if len(live) < len(rrset["records"]):
                self.unread[key] = None
            if not live:
                continue
            try:
                data = getattr(self, f"_data_for_{rdtype}")(rrset | {"records": live})
                record = Record.new(zone, key[0], data, source=self, lenient=True)
            except _UNKNOWN:
                others = tuple(Other(text=str(each["content"])) for each in live)
                ttl = read_ttl(int(rrset["ttl"]))
                self.unread[key] = RRset(owner=name.rstrip("."), rdtype=rdtype, ttl=ttl, rdatas=others)
                continue
            zone.add_record(record, lenient=True)
        return True
