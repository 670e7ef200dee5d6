"""Metrics of the service."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.store.monitoring import Backlog, Role


class ProcessCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many processes in a role live, and for how many seconds none was seen; None where none ever was."""

    role: Role
    alive: int
    silent: float | None


class StoreFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the store says of the whole service: its backlog, a resolver outage, and the processes of it."""

    backlog: Backlog
    outage: ResolverOutage | None
    processes: Sequence[ProcessCount]


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
        """Count one check by the domain's status after it, or as "lost" where its work was discarded."""
        ...

    def count_relayed(self, outcome: str) -> None:
        """Count one message of the relay: accepted, refused, sent, deferred or bounced."""
        ...

    def watch_queue(self, read: Callable[[], tuple[int, datetime | None]]) -> None:
        """Have `read` say at any time, from any thread, how many messages wait in the relay, and since when the oldest.

        A process that never calls it has no relay, and no gauge of its queue.
        """
        ...

    def serve_metrics(self, host: str, port: int) -> None:
        """Serve the metrics over HTTP from now on, for a process that has no other listener."""
        ...

    def text(self, figures: StoreFigures | None) -> bytes:
        """Return all metrics, with what the store says where it answers."""
        ...
