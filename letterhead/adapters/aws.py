"""Knows how Amazon's client is made: its extra, its time-outs, its silence; knows no service of theirs."""

import importlib.util
import logging
from typing import Any

from letterhead.errors import Fault, Kind

# At DEBUG Amazon's own client writes whole requests and answers, keys and all, into the log; at INFO nothing of use.
for _name in ("botocore", "aiobotocore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def require(wanted_by: str) -> None:
    """Refuses to go on without Amazon's client, before anything that imports it; `wanted_by` says what asks for it."""
    if importlib.util.find_spec("aiobotocore") is None:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{wanted_by}, and Amazon's client is not installed.",
            'Install it: pip install "letterhead[ses]" (`./dev run` does so by itself).',
        )


def session(*, connect_within: float, answer_within: float, tries: int) -> tuple[Any, Any]:
    """Gives a session, which finds credentials as every AWS program does, and a client's configuration; in seconds."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(
        connect_timeout=connect_within,
        read_timeout=answer_within,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    return get_session(), config
