"""Metrics of the service."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.store.monitoring import Backlog, DomainCondition, Role


class ProcessCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many processes in a role live, and for how many seconds none was seen; None where none ever was."""

    role: Role
    alive: int
    silent: float | None


class StoreFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the store says of the whole service: its backlog, a resolver outage, its processes, and all domains.

    `statuses` counts the domains by status, and `conditions` those that an operator looks for.
    """

    backlog: Backlog
    outage: ResolverOutage | None
    processes: Sequence[ProcessCount]
    statuses: Mapping[str, int]
    conditions: Mapping[DomainCondition, int]


class Meter(Protocol):
    """Counters and gauges of one process, of what that process knows; no label may come from a client's text."""

    @property
    def media_type(self) -> str:
        """The media type of `text`."""
        ...

    def count_response(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is a template, never a path."""
        ...

    def count_check(self, outcome: str) -> None:
        """Count one check by the domain's status after it, or as "lost" where its work was discarded.

        One that had to come later, for a limit of packets, is "postponed".
        """
        ...

    def count_relayed(self, outcome: str) -> None:
        """Count one message of the relay: accepted, refused, sent, deferred or bounced."""
        ...

    def count_delivery(self, outcome: str) -> None:
        """Count one attempt to deliver a webhook, by the state of the delivery after it."""
        ...

    def watch_certificate(self, read: Callable[[], datetime]) -> None:
        """Have `read` say at any time until when the relay's certificate holds."""
        ...

    def watch_queue(self, read: Callable[[], tuple[int, datetime | None]]) -> None:
        """Have `read` say at any time, from any thread, how many messages wait in the relay, and since when the oldest.

        A process that never calls it has no relay, and no gauge of its queue.
        """
        ...

    def watch_store(self, load: Callable[[], Coroutine[None, None, StoreFigures | None]]) -> None:
        """Have `load` say at any time what the store says, for readings that nobody asks for over HTTP.

        A process that never calls it sends what it knows itself.
        """
        ...

    def serve_metrics(self, host: str, port: int) -> None:
        """Serve the metrics over HTTP from now on, for a process that has no other listener."""
        ...

    def text(self, figures: StoreFigures | None) -> bytes:
        """Return all metrics, with what the store says where it answers."""
        ...
