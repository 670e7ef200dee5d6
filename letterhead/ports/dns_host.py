"""The zones of customers at their DNS hosts, read and written by the APIs of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from letterhead.core.dns.records import RRset
from letterhead.core.secret import Secret
from letterhead.core.zone_changes.changes import RRsetChange


class CredentialField(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a credential: `title` is what a page calls it; a secret one is never shown again."""

    name: str
    title: str
    is_secret: bool = True
    optional: bool = False


class DnsHostAccess(msgspec.Struct, frozen=True, kw_only=True):
    """How the zones of one DNS host are written: its credential, and the narrowest scope that this needs, in words.

    `source` is the page of the host on which the scope is described.
    """

    id: str
    name: str
    fields: tuple[CredentialField, ...]
    scope: str
    source: str


@dataclass(frozen=True, slots=True)
class HostCredential:
    """The fields of a credential by their names; no representation, log or serialiser shows a value."""

    fields: Mapping[str, Secret]

    def __repr__(self) -> str:
        return f"HostCredential({', '.join(sorted(self.fields))})"


class HostedZone(Protocol):
    """One zone at its DNS host.

    Faults: `dns-host-refused` where the host does not take the credential, with its own code; `conflict` where it takes
    the credential, and refuses this change; `not-found` where it does not have the zone; `dns-host-failed` where it
    can't be reached or can't answer now.
    """

    async def read(self) -> Sequence[RRset]:
        """Return every RRset of the zone as the host has it."""
        ...

    async def write(self, changes: Sequence[RRsetChange]) -> None:
        """Write RRsets: in one change set where the host has them, else one after the other."""
        ...


class HostedZones(Protocol):
    """The DNS hosts whose zones can be written."""

    def list_hosts(self) -> Sequence[DnsHostAccess]:
        """Return the DNS hosts, by name."""
        ...

    def open_zone(self, host: str, zone: str, credential: HostCredential) -> HostedZone:
        """Return a zone at a host, by its id, without asking the host yet.

        Faults: `parameter-invalid` for an unknown host, or a field that is missing, unknown or not allowed,
        `config-invalid` where what this host needs is not installed.
        """
        ...
