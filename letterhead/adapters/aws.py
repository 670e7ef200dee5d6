"""Sessions of Amazon's client: its optional dependency, timeouts and logging."""

import importlib.util
import logging
from typing import Any

from letterhead.errors import Fault, Kind

# At DEBUG Amazon's own client writes whole requests and answers, keys and all, into the log; at INFO nothing of use.
for _name in ("botocore", "aiobotocore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def require(wanted_by: str) -> None:
    """Raise Fault `config-invalid` where Amazon's client is not installed; `wanted_by` is what needs it."""
    if importlib.util.find_spec("aiobotocore") is None:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{wanted_by}, and Amazon's client is not installed.",
            "Install the extra `ses` (docs/install/pip.md); `./dev run` does so by itself.",
        )


def session(*, connect_seconds: float, read_seconds: float, tries: int) -> tuple[Any, Any]:
    """Return a session, which finds credentials as every AWS program does, and a client's configuration."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    return get_session(), config
