"""Traces: a span for each request, check, call of a provider and delivery, in the terms of OpenTelemetry."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from enum import StrEnum
from typing import Final, Protocol

# The span under way, as W3C Trace Context writes it; None where nothing is traced. What is written for later, such as
# an intent, carries it, so that the work can be linked to what called for it.
traceparent: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)


class SpanKind(StrEnum):
    """What a span is to the other side of it, by OpenTelemetry's names."""

    SERVER = "server"
    CLIENT = "client"
    CONSUMER = "consumer"
    INTERNAL = "internal"


class TraceSpan(Protocol):
    """One piece of work under way. No attribute may hold a domain's name, an address, a URL, a token or a key."""

    def set(self, attributes: Mapping[str, str | int]) -> None:
        """Add attributes."""
        ...

    def fail(self, error_type: str) -> None:
        """Mark the work as failed, with the kind of the error and without its text."""
        ...

    def rename(self, name: str) -> None:
        """Replace the name, where it is known only at the end."""
        ...


class Tracer(Protocol):
    """The making of spans; what is raised within one marks it as failed."""

    @property
    def is_on(self) -> bool:
        """Whether spans are made at all."""
        ...

    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        *,
        parent: str | None = None,
        link: str | None = None,
    ) -> AbstractContextManager[TraceSpan]:
        """Open a span within the one under way, or within `parent`; `link` is a traceparent that called for the work.

        A `parent` or `link` that can't be read is left out.
        """
        ...


class UntracedSpan:
    """A span that is not recorded."""

    def set(self, attributes: Mapping[str, str | int]) -> None:
        """Do nothing."""

    def fail(self, error_type: str) -> None:
        """Do nothing."""

    def rename(self, name: str) -> None:
        """Do nothing."""


_UNTRACED: Final = nullcontext(UntracedSpan())


class Untraced:
    """The tracer where LETTERHEAD_OPENTELEMETRY is not set."""

    is_on = False

    def span(self, *_: object, **__: object) -> AbstractContextManager[TraceSpan]:
        """Return a context that does nothing."""
        return _UNTRACED
