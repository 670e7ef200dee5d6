"""Knows how the operator's own zone is made to serve what claims need of it, as they are at that moment."""

import structlog

from letterhead.core.rotation import delegated_keys
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Deps
from letterhead.ports.provider import Publisher
from letterhead.ports.store.leases import Intent

log = structlog.get_logger()


async def publish(deps: Deps, intent: Intent) -> None:
    """Makes the zone hold what the claim's state wants, or nothing of a claim that is gone.

    Faults: those of `Publisher.publish`, and `config-invalid` where no zone is set any more.
    """
    domain = await deps.store.domain_by_id(intent.domain_id)
    wanted = (
        delegated_keys.zone_texts(domain)
        if domain is not None
        else delegated_keys.no_texts(intent.key_delegation)
        if intent.key_delegation
        else {}
    )
    if not wanted:
        return
    try:
        await _publisher(deps).publish(wanted, delegated_keys.TTL)
    except Fault as fault:
        log.warning("zone.not-written", kind=fault.kind, code=fault.provider_code, detail=fault.detail, fix=fault.fix)
        raise
    log.info("zone.written", names=sorted(wanted))


def _publisher(deps: Deps) -> Publisher:
    if deps.publisher is None:
        raise Fault(
            Kind.CONFIG_INVALID,
            "A domain's DKIM keys lie in a zone of our own, and LETTERHEAD_DKIM_ZONE is not set any more.",
            "Set LETTERHEAD_DKIM_ZONE, LETTERHEAD_DKIM_ZONE_SERVER and LETTERHEAD_DKIM_ZONE_TSIG as they were.",
        )
    return deps.publisher
