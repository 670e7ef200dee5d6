"""One zone at its DNS host, read and written through octoDNS."""

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

from octodns.provider.plan import UnsafePlan
from octodns.zone import Zone

from letterhead.adapters.dns_hosts.faults import fault_of, zone_missing
from letterhead.adapters.dns_hosts.limits import LibraryThreads, limit_session
from letterhead.adapters.dns_hosts.records import core_rrset, new_record
from letterhead.adapters.dns_hosts.table import HostRow
from letterhead.core.dns.records import RRset
from letterhead.core.secret import Secret, reveal
from letterhead.core.zone_changes.changes import RRsetChange, is_same
from letterhead.errors import Fault, Kind

T = TypeVar("T")

NAME: Final = "letterhead"  # of each provider, in octoDNS
NOT_FOUND: Final = 404
SECONDS: Final = 45.0  # for one reading or writing of a zone
_CHATTY: Final = (
    "Plan", "Record", "Zone", "DesecAPI", f"desecProvider[{NAME}]", "Rfc2136Zones", "azure", "google", "hcloud",
    "msal", "octodns_hetzner", "ovh", "requests", "urllib3",
)  # fmt: skip


class HostAnswered(Exception):
    """The host answered an error, and the library went on as if it had not."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status_code = status


class OctoDnsZone:
    """Implements `HostedZone`: a provider of octoDNS is made for each call, and forgotten after it."""

    def __init__(self, row: HostRow, zone: str, fields: Mapping[str, Secret], threads: LibraryThreads) -> None:
        self._row = row
        self._zone = zone
        self._fields = fields
        self._threads = threads

    async def read(self) -> Sequence[RRset]:
        """Return every RRset of the zone, in the order of names and types."""

        def read(provider: Any, errors: list[int]) -> tuple[RRset, ...]:
            records = self._populate(provider, errors).records
            rrsets = [core_rrset(record, escapes=self._row.escapes) for record in records]
            unread = [rrset for rrset in getattr(provider, "unread", {}).values() if rrset is not None]
            return tuple(sorted(rrsets + unread, key=lambda rrset: (rrset.owner, rrset.rdtype)))

        return await self._call(read, f"Reading {self._zone} at {self._row.access.name}")

    async def write(self, changes: Sequence[RRsetChange]) -> None:
        """Write exactly these RRsets, by one plan of octoDNS; Fault `conflict` where the zone is another by now."""
        await self._call(lambda provider, errors: self._write(provider, errors, changes), f"Writing {self._zone}")

    async def _call(self, work: Callable[[Any, list[int]], T], what: str) -> T:
        def call() -> T:
            session = None
            try:
                provider, errors = self.new_provider()
                if self._row.session is not None:
                    session = attrgetter(self._row.session)(provider)
                    limit_session(session, SECONDS, errors)
                return work(provider, errors)
            except Fault:
                raise
            except Exception as error:  # a dozen libraries, each with errors of its own
                raise fault_of(error, self._row.access, self._zone) from None
            finally:
                if session is not None:
                    session.close()

        return await self._threads.run(call, SECONDS, what)

    def new_provider(self) -> tuple[Any, list[int]]:
        """Make octoDNS's provider, and a list that gets the status of each error that the host answers."""
        errors: list[int] = []
        module, _, name = self._row.provider.rpartition(".")
        provider_class = getattr(importlib.import_module(module), name)
        own = (f"{each.__name__}[{NAME}]" for each in provider_class.__mro__)
        for logger in (*own, *_CHATTY):  # some write what they send and who signs in
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        named = {self._row.arguments[field]: reveal(secret).decode() for field, secret in self._fields.items()}
        provider = provider_class(NAME, **named, **self._row.options)
        provider.strict_supports = False  # what this host has not is left out of the plan, and never an error
        return provider, errors

    def _populate(self, provider: Any, errors: list[int]) -> Any:
        seen = Zone(f"{self._zone}.", [])
        exists = provider.populate(seen, target=True, lenient=True)
        failed = [status for status in errors if status != NOT_FOUND]
        if failed or (errors and not seen.records):  # Hetzner's takes an error for a zone without records
            raise HostAnswered((failed or errors)[0])
        # Cloudflare's says that a zone without a record does not exist, though it lists the zone.
        if not exists and seen.name not in (getattr(provider, "zones", None) or ()):
            raise zone_missing(self._row.access, self._zone)
        return seen

    def _write(self, provider: Any, errors: list[int], changes: Sequence[RRsetChange]) -> None:
        seen = self._populate(provider, errors)
        standing = {(record.name, record._type): record for record in seen.records}
        desired, wanted = seen.copy(), set()
        for change in changes:
            key = (self._relative(change.rrset), change.rrset.rdtype)
            wanted.add(key)
            record = standing.get(key)
            now = core_rrset(record, escapes=self._row.escapes) if record else None
            if key in getattr(provider, "unread", ()) or not is_same(now, change.before):
                raise self._changed(change.rrset)
            if record:
                desired.remove_record(record)
            if change.after:
                written = new_record(desired, change.after, record, self._row)
                desired.add_record(written, lenient=True)
        self._apply(provider, desired, wanted, len(seen.records))

    def _apply(self, provider: Any, desired: Any, wanted: set[tuple[str, str]], standing: int) -> None:
        """Have octoDNS plan and apply; its limits hold with exactly the changes that were asked for, in numbers."""
        most = (len(wanted) + 0.5) / max(standing, 1)
        provider.update_pcent_threshold = provider.delete_pcent_threshold = most
        plan = provider.plan(desired)
        if plan is None:
            return
        foreign = [each.record for each in plan.changes if (each.record.name, each.record._type) not in wanted]
        if foreign:
            raise self._changed(core_rrset(foreign[0], escapes=self._row.escapes))
        try:
            plan.raise_if_unsafe()
        except UnsafePlan:
            raise Fault(
                Kind.CONFLICT,
                f"octoDNS takes the change of {self._zone} for unsafe: it would change the zone's own nameservers.",
                "Nothing was written. Change the records in the pages of the DNS host.",
                provider=self._row.access.id,
            ) from None
        provider.apply(plan)

    def _relative(self, rrset: RRset) -> str:
        if rrset.owner == self._zone:
            return ""
        if not rrset.owner.endswith(f".{self._zone}"):
            raise Fault(
                Kind.CONFLICT,
                f"{rrset.owner} does not lie in the zone {self._zone}.",
                "Nothing was written. Plan again for the zone that the name lies in.",
            )
        return rrset.owner.removesuffix(f".{self._zone}")

    def _changed(self, rrset: RRset) -> Fault:
        return Fault(
            Kind.CONFLICT,
            f"The {rrset.rdtype} records at {rrset.owner} are no longer as the plan has them, or are of a form that "
            "octoDNS does not know.",
            "Nothing was written. Plan again; where it refuses again, change this record in the DNS host's own pages.",
            provider=self._row.access.id,
        )
