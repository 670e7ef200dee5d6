"""What a page shows together: an account's domains and their last checks, the history of one domain, the service."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.statistics import StateChange
from letterhead.core.zone import resolver_outage
from letterhead.operations import domains, self_monitoring
from letterhead.operations.domains import FindDomainNeeds
from letterhead.operations.self_monitoring import MonitoringNeeds, ServiceHealth, StoreForMonitoring
from letterhead.ports.store.domains import CheckResult, DomainEvent, DomainQuery, DomainStore
from letterhead.ports.store.monitoring import Backlog
from letterhead.ports.store.sessions import SessionStore

CHANGES = 20_000  # of state, of all domains of an account
EVENTS = 500  # of one domain


class StoreForOverview(StoreForMonitoring, DomainStore, SessionStore, Protocol):
    """Domains with their events and set-up links, and what the service measures of itself."""


class OverviewNeeds(FindDomainNeeds, MonitoringNeeds, Protocol):
    """What loading an overview needs."""

    @property
    def store(self) -> StoreForOverview: ...


class AccountOverview(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an account's domains with their last checks, and how many of all there are in each status."""

    listed: Sequence[Domain]
    checkups: Mapping[str, CheckResult]
    counts: Mapping[str, int]
    is_resolver_outage: bool


class DomainHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a domain, the oldest first, and the links to its set-up page."""

    events: Sequence[DomainEvent]
    changes: Sequence[StateChange]
    links: Sequence[SetupLink]


class ServiceOverview(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, how late it is, and what the service recorded of itself in the last day."""

    overdue: Sequence[int]
    backlog: Backlog
    health: ServiceHealth


async def show_account(deps: OverviewNeeds, account_id: str, page: DomainQuery) -> AccountOverview:
    """Return what the first page of an account shows."""
    listed = await domains.list_domains(deps, account_id, page)
    return AccountOverview(
        listed=listed,
        checkups=await domains.list_last_checks(deps, listed),
        counts=await deps.store.count_statuses(account_id),
        is_resolver_outage=resolver_outage.is_resolver_outage(await deps.store.resolver_outage()),
    )


async def list_state_changes(deps: OverviewNeeds, account_id: str) -> Sequence[StateChange]:
    """Return how the states of the account's domains changed, the oldest first."""
    return await deps.store.state_changes(account_id, CHANGES)


async def show_history(deps: OverviewNeeds, domain: Domain) -> DomainHistory:
    """Return what happened to one domain."""
    changes = await list_state_changes(deps, domain.account_id)
    return DomainHistory(
        events=await deps.store.events(domain.account_id, domain.id, None, EVENTS),
        changes=[each for each in changes if each.domain_id == domain.id],
        links=await deps.store.setup_links(domain.id),
    )


async def show_service(deps: OverviewNeeds) -> ServiceOverview:
    """Return what the operator's first page shows of the service."""
    return ServiceOverview(
        overdue=await deps.store.count_overdue(deps.now()),
        backlog=await self_monitoring.load_backlog(deps),
        health=await self_monitoring.service_health(deps),
    )
