"""Metrics."""

from typing import Protocol

from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.store.monitoring import Backlog


class Meter(Protocol):
    """Keeps the service's numbers; no label may come from a client's text."""

    @property
    def media_type(self) -> str:
        """Names the form that `text` tells them in."""
        ...

    def count_response(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request; `route` is a template, never a path."""
        ...

    def count_check(self, outcome: str) -> None:
        """Counts one check by the status that it left, or "lost" where its work was thrown away."""
        ...

    def count_relayed(self, outcome: str) -> None:
        """Counts one message of the relay: accepted, refused, sent, deferred or bounced."""
        ...

    def set_queue_size(self, messages: int) -> None:
        """Notes how many messages the relay has taken and not handed over."""
        ...

    def serve_metrics(self, host: str, port: int) -> None:
        """Tells all numbers to whoever asks there, from now on; for a process that has no other door."""
        ...

    def text(self, backlog: Backlog | None, silence: ResolverOutage | None) -> bytes:
        """Tells all numbers, with how much work waits where that is known, and who fell silent."""
        ...
