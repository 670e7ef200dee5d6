"""Knows when a domain's Ed25519 key signs beside its RSA key (RFC 8463), and how one follows another.

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
    """Takes in what one check saw of the second key; `step` is what followed for the domain and its first key."""
    domain = _followed(before, step.domain, now)
    coming = domain.rotation
    if coming is not None:
        coming = replace(coming, ed25519=_looked(domain.sender, coming.ed25519, seen, now))
    after = replace(domain, ed25519=_looked(domain.sender, domain.ed25519, seen, now), rotation=coming)
    return replace(step, domain=after)


def _followed(before: Domain, domain: Domain, now: datetime) -> Domain:
    """Lets the second key follow where the first one has: the one before, if any, is safe to remove as the first is."""
    if before.rotation is None or domain.selector != before.rotation.selector:
        return domain
    old = (OldKey(selector=domain.ed25519.selector, replaced_at=now),) if domain.ed25519 else ()
    return replace(domain, ed25519=before.rotation.ed25519, old_keys=(*domain.old_keys, *old))


def _looked(sender: str, key: Ed25519Key | None, seen: Seen, now: datetime) -> Ed25519Key | None:
    if key is None:
        return None
    spread = propagation_of(topic.planned_ed25519_record(sender, key.selector, key.public_key), seen)
    if spread.missing_at:
        return replace(key, seen_since=None, live=False)
    if not spread.is_everywhere:  # silence proves nothing
        return key
    since = key.seen_since or now
    settles = SETTLES_BY_RESOLVERS if spread.by_resolvers else SETTLES
    return replace(key, seen_since=since, live=key.live or now - since >= settles)


def wants_all(domain: Domain) -> bool:
    """Says whether a check must ask the authoritative servers: only they can let the key sign."""
    return domain.ed25519 is not None and not domain.ed25519.live


def is_settling(domain: Domain) -> bool:
    """Says whether the key was seen everywhere, and is only waited with."""
    return domain.ed25519 is not None and domain.ed25519.seen_since is not None and not domain.ed25519.live
