"""Reach a zone at its DNS host with a credential: bounded in time, and no part of the credential in any message."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.core.dns.records import RRset
from letterhead.core.secret import Secret, reveal
from letterhead.core.zone_changes.changes import RRsetChange
from letterhead.errors import Fault, Kind
from letterhead.ports.dns_host import DnsHostAccess, HostCredential, HostedZone, HostedZones
from letterhead.ports.keyring import Keyring
from letterhead.ports.store.dns_credentials import DnsCredentialStore, StoredDnsCredential
from letterhead.ports.tracing import SpanKind, Tracer

SECONDS: Final = 45.0  # for one reading or writing of a zone; less than half of what a plan may be busy
MOST_RRSETS: Final = 50_000  # of one zone, which is held in memory while it is planned for
FIELDS, FIELD_OCTETS = 12, 8_192  # of a credential: a service account's key of Google Cloud has 2,400
LEAST_SCRUBBED: Final = 4  # characters of a value that is looked for in a host's own words

log = structlog.get_logger()
T = TypeVar("T")


class HostedZoneNeeds(Protocol):
    """What reaching zones at DNS hosts needs."""

    @property
    def hosted_zones(self) -> HostedZones | None: ...
    @property
    def store(self) -> DnsCredentialStore: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def tracer(self) -> Tracer: ...


class GivenAccess(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody lets us write: the DNS host by its id, and a credential for this time or the id of a kept one."""

    host: str
    credential: HostCredential | None = None
    credential_id: str = ""


def new_credential(fields: Mapping[str, str]) -> HostCredential:
    """Make a credential of what somebody sent; Fault `parameter-invalid` where it is too large."""
    if len(fields) > FIELDS or any(len(value.encode()) > FIELD_OCTETS for value in fields.values()):
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"The credential has more than {FIELDS} fields, or a value of more than {FIELD_OCTETS} octets.",
            "Send the fields that GET /dns-hosts names for the host, and nothing else.",
        )
    return HostCredential({name: Secret(value.encode()) for name, value in fields.items()})


def list_dns_hosts(deps: HostedZoneNeeds) -> Sequence[DnsHostAccess]:
    """Return the DNS hosts at which zones can be written, by name."""
    return deps.hosted_zones.list_hosts() if deps.hosted_zones is not None else ()


def given_access(host: str, fields: Mapping[str, str], credential_id: str = "") -> GivenAccess:
    """Make an access of what somebody sent; Fault `parameter-invalid` where it is neither one credential nor one id."""
    if bool(fields) == bool(credential_id):
        raise Fault(
            Kind.PARAMETER_INVALID,
            "Either a credential or the id of a kept one is needed, and not both.",
            "Send `credential` with the fields that GET /dns-hosts names, or `credentialId` from GET /dns-credentials.",
        )
    return GivenAccess(host=host, credential=new_credential(fields) if fields else None, credential_id=credential_id)


async def open_credential(
    deps: HostedZoneNeeds, account_id: str, zone: str, given: GivenAccess
) -> tuple[str, HostCredential]:
    """Return the DNS host and the credential to use for a zone of an account.

    Faults: `not-found` for a kept credential that there is not, `conflict` for one of another zone or host.
    """
    if given.credential is not None:
        return given.host, given.credential
    stored = await deps.store.dns_credential(account_id, given.credential_id)
    if stored is None:
        raise no_credential(given.credential_id)
    kept = stored.credential
    if kept.zone != zone or given.host not in ("", kept.host):
        raise Fault(
            Kind.CONFLICT,
            f"The credential {kept.id} is kept for the zone {kept.zone} at {kept.host}, not for {zone} at "
            f"{given.host[:40] or kept.host}.",
            "Keep one for this zone with POST /dns-credentials, or send one for this time.",
        )
    return kept.host, unseal_credential(deps, stored)


def unseal_credential(deps: HostedZoneNeeds, stored: StoredDnsCredential) -> HostCredential:
    """Open a kept credential; Fault `keyring-wrong`."""
    opened = deps.keyring.unseal(stored.sealed, credential_purpose(stored.credential))
    values = msgspec.json.decode(reveal(opened), type=dict[str, str])
    return HostCredential({name: Secret(value.encode()) for name, value in values.items()})


def credential_purpose(credential: DnsCredential) -> str:
    """Return what a credential is sealed for: its account, zone and id, so that in another row it does not open."""
    return f"dns-credential|{credential.account_id}|{credential.zone}|{credential.id}"


def no_credential(credential_id: str) -> Fault:
    """Return the fault for a kept credential that there is not."""
    detail = f"This account keeps no credential {credential_id[:80]!r}."
    return Fault(Kind.NOT_FOUND, detail, "Look at GET /dns-credentials for those it keeps.")


class OpenZone:
    """One zone at its DNS host, reached with a credential: what goes wrong there is a Fault without any part of that.

    Faults: those of `HostedZone`; `dns-host-failed` where the host takes too long, or its library fails otherwise.
    """

    def __init__(self, zone: HostedZone, name: str, host: str, credential: HostCredential, tracer: Tracer) -> None:
        self._zone, self._name, self._host, self._credential = zone, name, host, credential
        self._tracer = tracer

    async def read(self) -> tuple[RRset, ...]:
        """Read the zone; Fault `dns-host-failed` where it has too many records."""
        rrsets = tuple(await self._within_time("read", self._zone.read()))
        if len(rrsets) > MOST_RRSETS:
            raise Fault(
                Kind.DNS_HOST_FAILED,
                f"The zone {self._name} has {len(rrsets)} sets of records; at most {MOST_RRSETS} are read.",
                "Publish the records by hand, or in a zone of the domain's own.",
                provider=self._host,
            )
        return rrsets

    async def write(self, changes: Sequence[RRsetChange]) -> None:
        """Write RRsets."""
        await self._within_time("write", self._zone.write(changes))

    async def _within_time(self, call: str, doing: Awaitable[T]) -> T:
        known = {"letterhead.dns_host": self._host, "letterhead.call": call}
        try:
            with self._tracer.span(f"dns host {call}", SpanKind.CLIENT, known):
                async with asyncio.timeout(SECONDS):
                    return await doing
        except Fault as fault:
            raise _scrubbed(fault, self._credential) from None
        except TimeoutError:
            detail = f"The DNS host {self._host} did not answer within {SECONDS:.0f} s about the zone {self._name}."
            fix = "Try again: the zone is read first, and only what it lacks is written."
        except Exception as error:
            # Libraries put what they sent into their messages: only the kind of the error is told, and logged.
            kind = type(error).__name__
            log.error("dns-host.error", host=self._host, zone=self._name, error=kind)
            detail = f"Asking the DNS host {self._host} about the zone {self._name} failed ({kind})."
            fix = "Try again; if it stays so, give the operator the trackingId."
        raise Fault(Kind.DNS_HOST_FAILED, detail, fix, provider=self._host)


def open_zone(deps: HostedZoneNeeds, name: str, host: str, credential: HostCredential) -> OpenZone:
    """Open a zone, without asking the host yet; Faults of `HostedZones.open_zone`, `conflict` without any."""
    if deps.hosted_zones is None or not deps.hosted_zones.list_hosts():
        raise Fault(
            Kind.CONFLICT,
            "This installation can't write at DNS hosts: what that needs is not installed.",
            "Ask whoever runs it to install the extra `dns-hosts`. Until then publish the records by hand.",
        )
    try:
        return OpenZone(deps.hosted_zones.open_zone(host, name, credential), name, host, credential, deps.tracer)
    except Fault as fault:
        raise _scrubbed(fault, credential) from None


def _scrubbed(fault: Fault, credential: HostCredential) -> Fault:
    """Return a fault without the values of a credential, which a host may repeat in its own words."""
    values = [reveal(secret).decode("utf-8", "replace") for secret in credential.fields.values()]
    said: list[str | None] = [fault.detail, fault.fix, fault.provider_code]
    for value in sorted((each for each in values if len(each) >= LEAST_SCRUBBED), key=len, reverse=True):
        said = [text.replace(value, "***") if text is not None else None for text in said]
    return Fault(
        fault.kind,
        said[0] or "",
        said[1],
        provider=fault.provider,
        provider_code=said[2],
        retry_after=fault.retry_after,
    )
