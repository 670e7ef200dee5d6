"""The Ed25519 key that signs in addition to a domain's RSA key (RFC 8463), and its change with that key.

No mail depends on it: receivers that don't know the algorithm take the other signature. So it signs only while every
server serves its record, and stops at the first one that does not.
"""

from datetime import datetime

from msgspec.structs import replace

from letterhead.core.dkim import topic
from letterhead.core.dns.answers import Seen
from letterhead.core.domain.domain import Domain, Ed25519Key, OldKey, Transition
from letterhead.core.rotation.propagation import propagation_of
from letterhead.core.rotation.rotation import SETTLES, SETTLES_BY_RESOLVERS


def advance(before: Domain, step: Transition, seen: Seen, now: datetime) -> Transition:
    """Return what follows from what one check saw of the second key.

    `step` is what followed for the domain and its first key. Where the first key has just changed, the second one
    changes too; the one before, if any, is safe to remove when the first one is.
    """
    domain = step.domain
    if before.rotation is not None and domain.selector == before.rotation.selector:
        second = domain.ed25519
        old = (OldKey(selector=second.selector, replaced_at=now, public_key=second.public_key),) if second else ()
        domain = replace(domain, ed25519=before.rotation.ed25519, old_keys=(*domain.old_keys, *old))
    coming = domain.rotation
    if coming is not None:
        coming = replace(coming, ed25519=_observe(domain.sender, coming.ed25519, seen, now))
    after = replace(domain, ed25519=_observe(domain.sender, domain.ed25519, seen, now), rotation=coming)
    return replace(step, domain=after)


def _observe(sender: str, key: Ed25519Key | None, seen: Seen, now: datetime) -> Ed25519Key | None:
    """Return the key with what this check saw of its propagation."""
    if key is None:
        return None
    propagation = propagation_of(topic.planned_ed25519_record(sender, key.selector, key.public_key), seen)
    if propagation.missing_at:
        return replace(key, seen_since=None, live=False)
    if not propagation.is_everywhere:  # no answer proves nothing
        return key
    since = key.seen_since or now
    settles = SETTLES_BY_RESOLVERS if propagation.by_resolvers else SETTLES
    return replace(key, seen_since=since, live=key.live or now - since >= settles)


def wants_all(domain: Domain) -> bool:
    """Tell whether a check must ask the authoritative servers: only their answers let the key sign."""
    return domain.ed25519 is not None and not domain.ed25519.live


def is_settling(domain: Domain) -> bool:
    """Tell whether every server has the key, but not yet for long enough."""
    return domain.ed25519 is not None and domain.ed25519.seen_since is not None and not domain.ed25519.live
