"""The registry of mail providers: each one's name, and how it is opened.

`dns` is no provider at all, `simulated` one in memory, `ses` Amazon SES.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from types import MappingProxyType

from letterhead.adapters import aws
from letterhead.adapters.provider_setup import READS, ProviderSetup, RateSlot, no_wait
from letterhead.adapters.providers.dns import DnsProvider
from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.ports.provider import Provider

Opening = AbstractAsyncContextManager[Provider]


def _open_ses(setup: ProviderSetup) -> Opening:
    aws.require("LETTERHEAD_PROVIDER is ses")
    from letterhead.adapters.providers.ses import open_ses  # here, since it needs the extra letterhead[ses]

    return open_ses(setup)


PROVIDERS: Mapping[str, Callable[[ProviderSetup], Opening]] = MappingProxyType(
    {
        "dns": lambda setup: nullcontext(DnsProvider(setup.clock, setup.return_path)),
        "simulated": lambda setup: nullcontext(SimulatedProvider(setup.clock, setup.return_path)),
        "ses": _open_ses,
    }
)

__all__ = ["PROVIDERS", "READS", "Opening", "ProviderSetup", "RateSlot", "no_wait"]
