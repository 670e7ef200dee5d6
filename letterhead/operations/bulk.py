"""Add or check many domains in one request: each by itself, whole or not at all, with a result of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain
from letterhead.errors import Fault, Kind
from letterhead.operations import domains, on_demand_checks
from letterhead.operations.checks import CheckNeeds
from letterhead.operations.domains import DomainNeeds, DomainRequest, DomainView
from letterhead.operations.on_demand_checks import StandingCheck
from letterhead.operations.recent_results import PLACES_EACH, OnDemand
from letterhead.ports.store.domains import ClaimResult

MOST: Final = 100  # domains of one request
RETRY: Final = 0.25  # seconds between two attempts to be let on, where the rate of requests is the reason
LONGEST_WAIT: Final = 5  # seconds for which one domain waits to be let on

T = TypeVar("T")
R = TypeVar("R")


class Pace(Protocol):
    """How fast a request for many domains goes on, and when it ends with what it has done."""

    def admit(self) -> Awaitable[None]:
        """Count one more domain as a request of its own; Fault `too-many-requests`, `usage-limit-exceeded`."""
        ...

    def is_over(self) -> bool:
        """Whether the time of the request is over, so that the domains left are not begun."""
        ...


class AddedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain that was added, or was there already."""

    domain: Domain
    is_new: bool


class CheckedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain after its check; `standing` is the last check where it answers for a new one."""

    view: DomainView
    standing: StandingCheck | None


async def add_domains(
    deps: DomainNeeds, account_id: str, limits: Limits, requests: Sequence[DomainRequest], pace: Pace
) -> list[AddedDomain | Fault]:
    """Add domains one after the other, each in a transaction of its own; return what came of each.

    The same names again change nothing, so a request that broke off can be sent again as it was.
    """

    async def add(request: DomainRequest) -> AddedDomain:
        result = await domains.add_domain(deps, account_id, limits, request)
        domain = await domains.find_domain(deps, account_id, str(request.sender))
        return AddedDomain(domain=domain, is_new=result is ClaimResult.ADDED)

    return [await _attempt(add, each, pace) for each in requests]


async def check_domains(
    deps: CheckNeeds, on_demand: OnDemand, account_id: str, senders: Sequence[str], pace: Pace
) -> list[CheckedDomain | Fault]:
    """Check domains now, as many side by side as an account has places; return what came of each."""
    turns = asyncio.Semaphore(PLACES_EACH)

    async def check(sender: str) -> CheckedDomain:
        standing = await on_demand_checks.check_now(deps, on_demand, account_id, sender)
        return CheckedDomain(view=await domains.show_domain(deps, account_id, sender), standing=standing)

    async def check_in_turn(sender: str) -> CheckedDomain | Fault:
        async with turns:
            return await _attempt(check, sender, pace)

    return list(await asyncio.gather(*map(check_in_turn, senders)))


async def _attempt(work: Callable[[T], Awaitable[R]], item: T, pace: Pace) -> R | Fault:
    """Do one piece of work, once it is let on and there is room for it; return a Fault in place of raising it."""
    is_admitted = False
    while not pace.is_over():
        try:
            if not is_admitted:
                await pace.admit()
                is_admitted = True
            return await work(item)
        except Fault as fault:
            if fault.kind is not Kind.TOO_MANY_REQUESTS or (fault.retry_after or 1) > LONGEST_WAIT:
                return fault
        await asyncio.sleep(RETRY)
    return Fault(
        Kind.TOO_MANY_REQUESTS,
        "The time of this request was over before this domain's turn came; nothing was done to it.",
        "Send the request again with the domains that are left.",
        retry_after=1,
    )
