"""The tracer and the sender of metrics that LETTERHEAD_OPENTELEMETRY names."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from letterhead.adapters.metrics import PrometheusMeter
from letterhead.config import Settings
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Machine
from letterhead.ports.tracing import Tracer, Untraced

if TYPE_CHECKING:
    from prometheus_client import Metric

FIGURES_SECONDS = 5.0  # that the store's part of a reading may take


@asynccontextmanager
async def open_telemetry(settings: Settings, meter: PrometheusMeter, machine: Machine) -> AsyncIterator[Tracer]:
    """Open what sends spans and metrics to the collector; a tracer that does nothing where it is not wished.

    Fault `config-invalid` where the packages are not installed, or one of their variables can't be read.
    """
    if not settings.opentelemetry:
        yield Untraced()
        return
    try:
        from letterhead.adapters import opentelemetry
    except ImportError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"LETTERHEAD_OPENTELEMETRY is set, and a package that it needs is not installed: {error.name}.",
            "Install the extra `otel` (docs/install/pip.md), or remove the setting.",
        ) from error
    loop = asyncio.get_running_loop()

    def read() -> "Sequence[Metric]":
        """Return a reading, in the sender's thread; without the store's part once the loop is closing."""
        load = meter.load_figures
        if load is None or closing:
            return meter.collect(None)
        asked = asyncio.run_coroutine_threadsafe(load(), loop)
        try:
            return meter.collect(asked.result(FIGURES_SECONDS))
        except TimeoutError:
            asked.cancel()
            return meter.collect(None)

    closing = False
    try:
        resource = opentelemetry.new_resource(machine)
        tracer = opentelemetry.OpenTelemetryTracer(resource) if opentelemetry.is_exported("traces") else None
        sender = opentelemetry.MetricSender(resource, read) if opentelemetry.is_exported("metrics") else None
    except ValueError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"A variable of OpenTelemetry can't be read: {error}.",
            "Correct the variable that begins with OTEL_, or remove it.",
        ) from error
    try:
        yield tracer or Untraced()
    finally:
        closing = True
        for each in (tracer, sender):
            if each is not None:
                each.close()
