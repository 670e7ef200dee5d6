"""Write into the operator's own zone what claims with delegated keys need there, as they are at that moment."""

from collections.abc import Mapping
from typing import Protocol

import structlog

from letterhead.core.rotation import delegated_keys
from letterhead.errors import Fault, Kind
from letterhead.ports.provider import Publisher
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import Intent

log = structlog.get_logger()


class KeyZoneNeeds(Protocol):
    """What writing the zone needs."""

    @property
    def store(self) -> DomainStore: ...
    @property
    def publisher(self) -> Publisher | None: ...


async def publish(deps: KeyZoneNeeds, intent: Intent) -> None:
    """Write what the state of the claim wants, or remove everything of a claim that is gone.

    Faults: those of `Publisher.publish`, and `config-invalid` where no zone is set any more.
    """
    domain = await deps.store.domain_by_id(intent.domain_id)
    wanted: Mapping[str, str | None] = {}
    if domain is not None:
        wanted = delegated_keys.zone_texts(domain)
    elif intent.key_delegation is not None:
        wanted = delegated_keys.no_texts(intent.key_delegation)
    if not wanted:
        return
    try:
        if deps.publisher is None:
            raise Fault(
                Kind.CONFIG_INVALID,
                "A domain's DKIM keys lie in a zone of our own, and LETTERHEAD_DKIM_ZONE is not set any more.",
                "Set LETTERHEAD_DKIM_ZONE, LETTERHEAD_DKIM_ZONE_SERVER and LETTERHEAD_DKIM_ZONE_TSIG as they were.",
            )
        await deps.publisher.publish(wanted, delegated_keys.TTL)
    except Fault as fault:
        log.warning("zone.not-written", kind=fault.kind, code=fault.provider_code, detail=fault.detail, fix=fault.fix)
        raise
    log.info("zone.written", names=sorted(wanted))
