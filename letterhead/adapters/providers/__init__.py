"""Knows which providers there are and how each is made; knows nothing of what they do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from letterhead.adapters.providers.dns import DnsProvider
from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.identity import ReturnPath
from letterhead.ports import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSetup:
    """Holds what providers are made of; `return_path` is the operator's own, where one is set."""

    clock: Callable[[], datetime]
    return_path: ReturnPath | None = None


PROVIDERS: Mapping[str, Callable[[ProviderSetup], Provider]] = MappingProxyType(
    {
        "dns": lambda setup: DnsProvider(setup.clock, setup.return_path),
        "simulated": lambda setup: SimulatedProvider(setup.clock, setup.return_path),
    }
)
