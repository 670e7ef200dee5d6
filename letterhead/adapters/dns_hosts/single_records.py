"""Providers of octoDNS for hosts that write one record at a time: what stays of an RRset is never taken away.

octoDNS would delete an RRset and create it again, and the host may be gone in between; or, at Cloudflare, it would put
what the first record has besides its value, such as a comment, in place of what each of the others has.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from octodns.record import Create, Record
from octodns_cloudflare import CloudflareProvider
from octodns_digitalocean import DigitalOceanProvider
from octodns_dnsimple import DnsimpleProvider
from octodns_gandi import GandiProvider
from octodns_hetzner import HetznerProvider
from octodns_ovh import OvhProvider

OVH_TEXTS: Final = ("TXT", "SPF", "DKIM", "DMARC")  # types of OVHcloud that its nameservers answer as TXT


def differing_values(provider: Any, new: Any, entries: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Return a record for each value of `new` that no entry of the host has, and the entries whose value is to go."""
    missing, gone, present = [], [], []
    for entry in entries:
        data = getattr(provider, f"_data_for_{new._type}")(new._type, [entry])
        (value,) = Record.new(new.zone, new.name, data, lenient=True).values
        present.append(value)
        if value not in new.values:
            gone.append(entry)
    for value in new.values:
        if value not in present:
            one = new.copy()
            one.values, one.octodns = [value], new.octodns
            missing.append(one)
    return missing, gone


def update_entries(
    provider: Any,
    new: Any,
    entries: Iterable[Any],
    write: Callable[[Any, Any], None],
    delete: Callable[[Any], None],
) -> None:
    """Replace entries in place by what is missing; create the rest of that, or delete the rest of those."""
    missing, gone = differing_values(provider, new, entries)
    for one, entry in zip(missing, gone, strict=False):
        write(one, entry)
    for one in missing[len(gone) :]:
        provider._apply_Create(Create(one))
    for entry in gone[len(missing) :]:
        delete(entry)


class CloudflareZones(CloudflareProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which keeps the comment, the tags and the automatic TTL of each record."""

    def _apply_Update(self, change: Any) -> None:  # noqa: N802 octoDNS's own name
        new = change.new
        if not hasattr(new, "values"):  # a CNAME, which it replaces in place
            super()._apply_Update(change)
            return
        new.octodns = {"cloudflare": {"auto-ttl": self._record_is_just_auto_ttl(change.existing)}}
        path = f"/zones/{self.zones[new.zone.name]['id']}/dns_records"
        standing = [
            each
            for each in self.zone_records(new.zone)
            if (each.get("name"), each["type"]) == (new.fqdn.rstrip("."), new._type)
        ]

        def write(one: Any, entry: Any) -> None:
            kept = ("name", "ttl", "proxied")
            (data,) = ({key: each[key] for key in each if key not in kept} for each in self._gen_data(one))
            self._try_request("PATCH", f"{path}/{entry['id']}", data=data)

        update_entries(self, new, standing, write, lambda entry: self._try_request("DELETE", f"{path}/{entry['id']}"))


class DigitalOceanZones(DigitalOceanProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which changes single records."""

    def _apply_Update(self, change: Any) -> None:  # noqa: N802 octoDNS's own name
        _update_by_client(self, change, "PUT", "domains", kept=("name", "ttl"), usual=super()._apply_Update)


class DnsimpleZones(DnsimpleProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which changes single records."""

    def _apply_Update(self, change: Any) -> None:  # noqa: N802 octoDNS's own name
        _update_by_client(self, change, "PATCH", "zones", kept=("name", "ttl", "type"), usual=super()._apply_Update)


def _update_by_client(
    provider: Any, change: Any, method: str, folder: str, *, kept: tuple[str, ...], usual: Callable[[Any], None]
) -> None:
    new = change.new
    if not hasattr(new, "values"):
        usual(change)
        return
    zone = new.zone.name.rstrip(".")
    standing = [
        each for each in provider.zone_records(new.zone) if (each["name"], each["type"]) == (new.name, new._type)
    ]

    def write(one: Any, entry: Any) -> None:
        (params,) = getattr(provider, f"_params_for_{one._type}")(one)
        data = {key: params[key] for key in params if key not in kept}
        provider._client._request(method, f"/{folder}/{zone}/records/{entry['id']}", data=data)

    update_entries(provider, new, standing, write, lambda entry: provider._client.record_delete(zone, entry["id"]))


class GandiZones(GandiProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which replaces an RRset at once."""

    def _apply_update(self, change: Any) -> None:
        new = change.new
        data = getattr(self, f"_params_for_{new._type}")(new)
        path = f"/livedns/domains/{new.zone.name.rstrip('.')}/records/{data['rrset_name']}/{new._type}"
        self._client._request("PUT", path, data={key: data[key] for key in ("rrset_ttl", "rrset_values")})


class HetznerZones(HetznerProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which keeps the comment of each record of an RRset that it replaces."""

    def _apply_Update(self, zone_id: Any, change: Any) -> None:  # noqa: N802 octoDNS's own name
        client, name = self._client, change.new.name or "@"
        rrsets = client._get_rrsets(client._get_zone_by_id_or_name(zone_id))
        standing = [
            each for found in rrsets if (found.name, found.type) == (name, change.new._type) for each in found.records
        ]

        def text(value: str) -> str:
            return re.sub(r'"\s*"', "", value).strip('"')

        comments = {text(each.value): each.comment for each in standing}
        make = client._ZoneRecord
        client._ZoneRecord = lambda value: make(value=value, comment=comments.get(text(value)))
        try:
            super()._apply_Update(zone_id, change)
        finally:
            client._ZoneRecord = make


class OvhZones(OvhProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which takes all of `OVH_TEXTS` at a name for one RRset, and changes single records.

    OVHcloud's own pages make SPF, DKIM and DMARC records of types of their own. What is written is served once all is.
    """

    def get_records(self, zone_name: str) -> list[dict[str, Any]]:
        """Return every record of the zone with its number, those of `OVH_TEXTS` as TXT."""
        self._entries: list[dict[str, Any]] = []
        for number in self._client.get(f"/domain/zone/{zone_name}/record"):
            found = self.get_record(zone_name, number)
            rdtype = "TXT" if found["fieldType"] in OVH_TEXTS else found["fieldType"]
            self._entries.append(found | {"id": number, "fieldType": rdtype})
        return self._entries

    def _apply_update(self, zone_name: str, change: Any) -> None:
        new = change.new
        if not hasattr(new, "values"):
            super()._apply_update(zone_name, change)
            return
        missing, gone = differing_values(self, new, self._standing(new))
        for one in missing:
            self._apply_create(zone_name, Create(one))
        for entry in gone:
            self.delete_record(zone_name, entry["id"])

    def _apply_delete(self, zone_name: str, change: Any) -> None:
        for entry in self._standing(change.existing):
            self.delete_record(zone_name, entry["id"])

    def _standing(self, record: Any) -> list[dict[str, Any]]:
        wanted = (record.name, record._type)
        return [each for each in self._entries if (each["subDomain"], each["fieldType"]) == wanted]
