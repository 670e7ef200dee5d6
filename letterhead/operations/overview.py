"""What a page shows together: an account's domains and their last checks, the history of one domain, the service.

For the operator also the domains of all accounts, to be read and never changed.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.statistics import StateChange
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.operations import domains, self_monitoring
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.domains import DomainView, DomainViewNeeds, FindDomainNeeds
from letterhead.operations.health import FAILING_FOR
from letterhead.operations.self_monitoring import MonitoringNeeds, ServiceHealth, StoreForMonitoring
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import CheckResult, DomainEvent, DomainQuery, DomainStore
from letterhead.ports.store.monitoring import AccountDomain, AllDomainsQuery, Backlog, DomainCondition
from letterhead.ports.store.sessions import SessionStore

CHANGES = 20_000  # of state, of all domains of an account
EVENTS = 500  # of one domain
AT_RISK = "TEMPORARY_FAILURE"
AT_RISK_READ, AT_RISK_SHOWN = 500, 20
PIECE = 64  # last checks that are read together
FAR = datetime.max.replace(tzinfo=UTC)


class StoreForOverview(StoreForMonitoring, DomainStore, SessionStore, Protocol):
    """Domains with their events and set-up links, and what the service measures of itself."""


class OverviewNeeds(FindDomainNeeds, MonitoringNeeds, Protocol):
    """What loading an overview needs."""

    @property
    def store(self) -> StoreForOverview: ...


class StoreForOperator(StoreForOverview, AccountStore, Protocol):
    """All of this, and the audit of what the operator reads."""


class OperatorNeeds(DomainViewNeeds, OverviewNeeds, AuditNeeds, Protocol):
    """What the operator's look at domains of others needs."""

    @property
    def store(self) -> StoreForOperator: ...


class DomainsOverview(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the domains of all accounts with their last checks; `last` is where the next page begins after."""

    listed: Sequence[AccountDomain]
    checkups: Mapping[str, CheckResult]
    last: tuple[str, str] | None


class AccountOverview(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an account's domains with their last checks, and how many of all there are in each status.

    `at_risk` are those at risk, by when sending stops; they come before the first page, which does not repeat them.
    """

    at_risk: Sequence[Domain]
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
    """Return what the first page of an account shows: the domains at risk first, unless the query names a status."""
    at_risk: Sequence[Domain] = ()
    if page.status is None:
        page = replace(page, not_status=AT_RISK)
        if page.after is None:
            first = replace(page, status=AT_RISK, not_status=None, limit=AT_RISK_READ)
            found = await domains.list_domains(deps, account_id, first)
            at_risk = sorted(found, key=lambda each: (each.dkim.stops_sending_at or FAR, each.sender))[:AT_RISK_SHOWN]
    listed = await domains.list_domains(deps, account_id, page)
    return AccountOverview(
        at_risk=at_risk,
        listed=listed,
        checkups=await domains.list_last_checks(deps, [*at_risk, *listed]),
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
        links=await deps.store.setup_links(domain.id, deps.now()),
    )


async def show_service(deps: OverviewNeeds) -> ServiceOverview:
    """Return what the operator's first page shows of the service."""
    return ServiceOverview(
        overdue=await deps.store.count_overdue(deps.now()),
        backlog=await self_monitoring.load_backlog(deps),
        health=await self_monitoring.service_health(deps),
    )


async def list_all_domains(deps: OperatorNeeds, query: AllDomainsQuery, actor: Actor) -> DomainsOverview:
    """List domains of all accounts for the operator; the audit of an account says that its list was read."""
    if query.account_id is not None:
        reader = replace(actor, account_id=query.account_id)
        await deps.store.audit(audit_row(deps, reader, "domains.view", query.account_id))
    found = await deps.store.all_domains(replace(query, limit=query.limit + 1))
    listed, more = found[: query.limit], len(found) > query.limit
    shown = [each.domain for each in listed]
    checkups: dict[str, CheckResult] = {}
    for begin in range(0, len(shown), PIECE):  # others are served in between
        checkups |= await domains.list_last_checks(deps, shown[begin : begin + PIECE])
    return DomainsOverview(
        listed=listed,
        checkups=checkups,
        last=(shown[-1].account_id, shown[-1].sender) if more else None,
    )


async def count_conditions(deps: OperatorNeeds) -> Mapping[DomainCondition, int]:
    """Count the domains of all accounts that an operator looks for."""
    return await deps.store.count_conditions(deps.now() - FAILING_FOR)


async def show_domain_of(deps: OperatorNeeds, account_id: str, raw: str, actor: Actor) -> DomainView:
    """Show an account's domain to the operator, without private keys; the audit says so. Fault `not-found`."""
    try:
        view = await domains.show_domain(deps, account_id, raw)
    except Fault as fault:
        if fault.kind is not Kind.NOT_FOUND:
            raise
        raise Fault(
            Kind.NOT_FOUND,
            f"The account {account_id[:80]!r} has no sender domain {raw[:253]!r}.",
            "Look for the domain in all accounts with GET /accounts/domains.",
        ) from fault
    reader = replace(actor, account_id=account_id)
    await deps.store.audit(audit_row(deps, reader, "domain.view", view.domain.sender))
    return view
