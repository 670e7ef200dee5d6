"""The service's own figures, the domains of all accounts, and the health of the provider account."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.statistics import StateChange
from letterhead.core.schedule.check_lag import HistogramCount
from letterhead.ports.provider import ProviderHealth


class SharedRate(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a rate that all processes share: a slot in each `every`, the next free one, how many were taken."""

    name: str
    every: timedelta | None
    next_at: datetime
    taken: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How much work waits; `lag` is the age of the oldest due check in seconds.

    `intents` is all work that is owed outside, due or not, and `intents_age` for how many seconds the oldest has been
    owed. `misdated` checks were planned, or made, by a clock that was ahead of the one that counts them.
    """

    due: int
    lag: float
    intents: int
    pooled_keys: int
    reminders: int
    deliveries: int = 0
    alerts: int = 0
    misdated: int = 0
    intents_age: float = 0.0


class Role(StrEnum):
    """What a process does; one that does several things has a heartbeat for each."""

    API = "api"
    WORKER = "worker"
    RELAY = "relay"


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the service, by an id of its own."""

    id: str
    role: Role
    host: str
    pid: int
    version: str


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A process that was seen since a time, last at `at`; `silent` is the time from then to now.

    All three are by one clock, that of PostgreSQL's server or of the one machine that has the embedded database.
    """

    process: ProcessIdentity
    since: datetime
    at: datetime
    silent: timedelta


class DomainCondition(StrEnum):
    """What an operator looks for among the domains of all accounts."""

    AT_RISK = "at-risk"
    FAILING = "failing"  # for longer than a while
    REFUSED = "refused"  # by the mail provider


class AllDomainsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A filter and a page of the domains of all accounts, by account and name.

    `after` is the account and the name to start after, `failing_before` since when a domain fails at the latest to be
    FAILING. `contains` is a piece of the domain's name or of its account's name or address, in small letters, and
    `labels` are of the form `key:value`, all of which a domain has.
    """

    limit: int
    failing_before: datetime
    after: tuple[str, str] = ("", "")
    account_id: str | None = None
    status: str | None = None  # as in the API
    condition: DomainCondition | None = None
    contains: str | None = None
    labels: tuple[str, ...] = ()


class AccountDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain with its account's name; `refusal` is why the provider did not do work that is still owed."""

    domain: Domain
    account_name: str
    refusal: str | None = None


class WorkKind(StrEnum):
    """What the service does for an account."""

    CHECK = "check"
    PROVIDER = "provider"  # calls of the mail provider
    KEY_ZONE = "key-zone"  # updates of the operator's own zone
    DNS_HOST = "dns-host"  # zones at DNS hosts that kept credentials are for
    DELIVERY = "delivery"  # of webhooks
    REMINDER = "reminder"
    ALERT = "alert"  # in chats and on-call services
    RELAY = "relay"  # messages handed on
    REQUEST = "request"
    STREAM = "stream"


class AccountWork(msgspec.Struct, frozen=True, kw_only=True):
    """What the service did of one kind for an account: how often, for how long together, and how many octets.

    `account_id` is empty for all accounts together that were not among those who took most; `account_name` is empty
    there, and where the account is gone.
    """

    account_id: str
    kind: WorkKind
    number: int
    milliseconds: int = 0
    octets: int = 0
    account_name: str = ""


class MonitoringStore(Protocol):
    """The service's own figures, the domains of all accounts, and the health of the provider account."""

    async def backlog(self, now: datetime) -> Backlog:
        """Count due work that nobody has leased, and all work that is owed outside."""
        ...

    async def ready(self) -> None:
        """Return once storage answers; raise Fault `storage-unavailable` where it does not."""
        ...

    async def count_statuses(self, account_id: str) -> Mapping[str, int]:
        """Count an account's domains by their status in the API."""
        ...

    async def count_all_statuses(self) -> Mapping[str, int]:
        """Count the domains of all accounts by their status in the API; one that no domain has is 0."""
        ...

    async def state_changes(self, account_id: str, limit: int) -> Sequence[StateChange]:
        """Return the newest changes of state of an account's domains, deleted ones too, in the order of time."""
        ...

    async def all_domains(self, query: AllDomainsQuery) -> list[AccountDomain]:
        """Return domains of all accounts, by account and name."""
        ...

    async def count_conditions(self, failing_before: datetime) -> Mapping[DomainCondition, int]:
        """Count the domains of all accounts in each condition."""
        ...

    async def add_to_histogram(self, name: str, counted: Mapping[tuple[datetime, int], int]) -> None:
        """Add to a histogram's counts, by a time within the five minutes and by the bucket."""
        ...

    async def load_histogram(self, name: str, since: datetime) -> list[HistogramCount]:
        """Return a histogram's counts since a time, the oldest first, without those that are zero."""
        ...

    async def add_account_work(self, at: datetime, work: Sequence[AccountWork]) -> None:
        """Add to what the service did for accounts in the hour that `at` lies in."""
        ...

    async def account_work(self, since: datetime) -> list[AccountWork]:
        """Return what the service did since the hour that a time lies in: one value for each account and kind."""
        ...

    async def shared_rates(self, since: datetime) -> list[SharedRate]:
        """Return the rates that all processes share, with how many slots were taken since a time."""
        ...

    async def save_provider_health(self, provider: str, health: ProviderHealth) -> None:
        """Store the health of a provider's account in place of the one stored before."""
        ...

    async def provider_health(self, provider: str) -> ProviderHealth | None:
        """Return the health of a provider's account that was stored last; None where there is none."""
        ...

    async def count_overdue(self, now: datetime) -> Sequence[int]:
        """Count due checks by how long they have been due: under 1 s, 10 s, 1 min, 5 min, and longer."""
        ...

    async def save_heartbeat(self, process: ProcessIdentity, now: datetime) -> None:
        """Note that a process was seen now."""
        ...

    async def end_heartbeat(self, process: ProcessIdentity) -> None:
        """Forget a process that stops."""
        ...

    async def heartbeats(self, now: datetime) -> Sequence[Heartbeat]:
        """Return the processes that were seen, the latest first."""
        ...
