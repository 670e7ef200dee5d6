"""What somebody asks of a new API key, checked: names, networks, an end, and nothing beyond the key that makes it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Caller
from letterhead.core.accounts.key_bounds import MOST_DOMAINS, MOST_NETWORKS, DomainBinding, are_within, parse_networks
from letterhead.core.names.domain_names import NameRules, parse_domain
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import NewKeyRequest
from letterhead.ports.deps import Clock

LONGEST: Final = timedelta(days=36_525)  # a hundred years: times far beyond have no UTC that can be stored


class KeyRequestNeeds(Protocol):
    """What checking a request for a key needs."""

    @property
    def names(self) -> NameRules: ...
    @property
    def now(self) -> Clock: ...


class KeyBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is to be held to, as it was sent; empty where it is held to nothing."""

    domains: tuple[str, ...] = ()
    covers_below: bool = False
    networks: tuple[str, ...] = ()
    ends_at: datetime | None = None


def check_request(
    deps: KeyRequestNeeds, request: NewKeyRequest, bounds: KeyBounds, maker: Caller | None = None
) -> NewKeyRequest:
    """Return the request with its bounds; `maker` is the caller whose key makes it, None where the operator does.

    Faults: `domain-…` for a name, `parameter-invalid` for anything else, `scope-missing` for a key beyond its maker.
    """
    if len(bounds.networks) > MOST_NETWORKS:
        detail = f"A key names at most {MOST_NETWORKS} networks."
        raise Fault(Kind.PARAMETER_INVALID, detail, "Make several keys, or name a larger network.")
    binding = parse_binding(deps.names, bounds.domains, covers_below=bounds.covers_below)
    if bounds.ends_at is not None and not timedelta(0) < bounds.ends_at - deps.now() < LONGEST:
        detail = f"A key can't end at {bounds.ends_at.isoformat()}: that has been, or is more than 100 years ahead."
        raise Fault(Kind.PARAMETER_INVALID, detail, "Choose a time that is to come, or leave expiresAt away.")
    asked = replace(
        request,
        ends_at=None if bounds.ends_at is None else bounds.ends_at.astimezone(UTC),
        binding=binding,
        networks=parse_networks(bounds.networks),
    )
    if maker is not None:
        _require_within(asked, maker)
    return asked


def parse_binding(names: NameRules, domains: Sequence[str], *, covers_below: bool) -> DomainBinding | None:
    """Parse the sender domains that a key or a webhook endpoint is to be bound to; None where there are none.

    Faults: `domain-…` for a name, `parameter-invalid` for too many, or for names below none.
    """
    if len(domains) > MOST_DOMAINS:
        detail = f"At most {MOST_DOMAINS} domains can be named, and these are {len(domains)}."
        raise Fault(Kind.PARAMETER_INVALID, detail, "Make several, or name a domain with those below it.")
    if covers_below and not domains:
        detail = "The names below the domains can't be covered: no domains are named."
        raise Fault(Kind.PARAMETER_INVALID, detail, "Name the domains, or leave coversSubdomains away.")
    parsed = tuple(dict.fromkeys(parse_domain(each, names, owns_suffix=True).ascii for each in domains))
    return DomainBinding(names=parsed, covers_below=covers_below) if parsed else None


def _require_within(asked: NewKeyRequest, maker: Caller) -> None:
    """Raise Fault `scope-missing` where a key would reach further than the one that makes it."""
    if maker.binding is not None:  # such keys do not come here: `web.access` refuses them, and so does their store
        raise Fault(Kind.KEY_BOUND, "A key that is bound to domains makes no keys.", "Use a key of the account.")
    if maker.ends_at is not None and (asked.ends_at is None or asked.ends_at > maker.ends_at):
        ends = f"{maker.ends_at:%Y-%m-%dT%H:%M:%SZ}"
        detail = f"The key that you use ends at {ends}, and none that it makes lasts longer."
        raise Fault(Kind.SCOPE_MISSING, detail, f"Set expiresAt to {ends} or before, or use a key without an end.")
    if maker.networks and not (asked.networks and are_within(asked.networks, maker.networks)):
        detail = f"The key that you use comes from {', '.join(maker.networks)}, and none that it makes from elsewhere."
        raise Fault(
            Kind.SCOPE_MISSING, detail, "Set networks to these or parts of them, or use a key without networks."
        )
