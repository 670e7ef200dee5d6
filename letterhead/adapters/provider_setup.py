"""What mail providers are made of, whichever one the settings name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from letterhead.core.domain.provider_identity import ReturnPath

RateSlot = Callable[[str, float], Awaitable[float | None]]
READS: Final = " reads"  # ends the name of the rate of reads, which is three quarters of the whole


async def no_wait(_account: str, _patience: float) -> float | None:
    """Let every call go at once, where no other process shares the rate."""
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSetup:
    """What a provider is made of; `return_path` is the operator's own, where one is set.

    `wait_for_slot` returns how many seconds a call to an account must wait for its slot in the rate that all processes
    share, or None where that is longer than the patience given. `region`, `endpoint`, `bounce_without_mx` and `tenants`
    are for providers that have such a thing.
    """

    clock: Callable[[], datetime]
    return_path: ReturnPath | None = None
    wait_for_slot: RateSlot = no_wait
    region: str | None = None
    endpoint: str | None = None
    bounce_without_mx: bool = False
    tenants: bool = False
