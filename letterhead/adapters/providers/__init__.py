"""Knows which providers there are and how each is made; knows nothing of what they do."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from letterhead.adapters import aws
from letterhead.adapters.providers.dns import DnsProvider
from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.ports.provider import Provider

RateSlot = Callable[[str, float], Awaitable[float | None]]


async def at_once(_account: str, _patience: float) -> float | None:
    """Lets every call go at once: there is nobody to share with."""
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSetup:
    """Holds what providers are made of; `return_path` is the operator's own, where one is set.

    `turn` says how many seconds a call to an account must wait for its place among those of all processes, or nothing
    where that is more than the patience given. `region`, `endpoint`, `bounce_without_mx`, `tenants` are for providers
    that have such a thing.
    """

    clock: Callable[[], datetime]
    return_path: ReturnPath | None = None
    turn: RateSlot = at_once
    region: str | None = None
    endpoint: str | None = None
    bounce_without_mx: bool = False
    tenants: bool = False


Opening = AbstractAsyncContextManager[Provider]


def _ses(setup: ProviderSetup) -> Opening:
    aws.require("LETTERHEAD_PROVIDER is ses")
    from letterhead.adapters.providers.ses import open_ses  # here, since it wants the extra letterhead[ses]

    return open_ses(
        clock=setup.clock,
        turn=setup.turn,
        region=setup.region,
        endpoint=setup.endpoint,
        bounce_without_mx=setup.bounce_without_mx,
        tenants=setup.tenants,
    )


PROVIDERS: Mapping[str, Callable[[ProviderSetup], Opening]] = MappingProxyType(
    {
        "dns": lambda setup: nullcontext(DnsProvider(setup.clock, setup.return_path)),
        "simulated": lambda setup: nullcontext(SimulatedProvider(setup.clock, setup.return_path)),
        "ses": _ses,
    }
)
