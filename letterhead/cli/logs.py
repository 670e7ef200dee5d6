"""The form of log lines: text at a terminal, JSON for programs; our own lines and those of libraries."""

import json
import logging
import sys
from datetime import UTC, datetime

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from letterhead.cli.tables import visible
from letterhead.config import LogFormat
from letterhead.core.secret import redact_keys

# Local variables of a traceback hold API keys and private keys: neither form shows them.
_NO_LOCALS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def write_logs(form: LogFormat | None, *, quiet: bool = False) -> None:
    """Write all log lines to stderr in one form: None is text at a terminal and JSON elsewhere.

    `quiet` writes warnings and errors only.
    """
    level = logging.WARNING if quiet else logging.INFO
    for_people = sys.stderr.isatty() if form is None else form is LogFormat.CONSOLE
    shared: list[Processor] = [_complete]
    final: list[Processor] = (
        [_escape, structlog.dev.ConsoleRenderer(sort_keys=False, exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [structlog.processors.ExceptionRenderer(_NO_LOCALS), structlog.processors.JSONRenderer(_serialize)]
    )
    structlog.configure(
        # Straight to stderr: through the library's loggers a line costs three times as much (decision 0005).
        processors=[*shared, *final],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[strip, *final]))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _complete(logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Add context, level and time. One step for structlog's three: every request waits for its line.

    Pieces of keys that somebody put where a name belongs, such as a path, are masked.
    """
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact_keys(value)
    event = structlog.contextvars.merge_contextvars(logger, level, event)
    event = structlog.processors.add_log_level(logger, level, event)
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape control characters in what others wrote (DNS answers, names), for the terminal."""
    return {
        key: visible(value) if isinstance(value, str) and key != "exception" else value for key, value in event.items()
    }


_encode = msgspec.json.Encoder(enc_hook=repr).encode


def _serialize(event: EventDict, **_: object) -> str:
    """Return a line as JSON in ASCII; what msgspec can't encode takes longer, and no line is lost."""
    try:
        text = _encode(event).decode()
    except UnicodeEncodeError:
        return json.dumps(event, default=repr)
    return text if text.isascii() else json.dumps(event, default=repr)
