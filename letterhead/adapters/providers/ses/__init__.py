"""Knows how Amazon SES is opened: region, endpoint, credentials, one client for the process's life.

Imported only where the settings name this provider: it wants the extra letterhead[ses].
"""

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Final

from letterhead.adapters.providers.ses.account import PROBES, SesAccount
from letterhead.adapters.providers.ses.calls import Calls, Turn
from letterhead.adapters.providers.ses.provider import SesProvider
from letterhead.adapters.providers.ses.tenants import TENANT_PROBES, Tenants
from letterhead.errors import Fault, Kind

CONNECT_WITHIN: Final = 5.0  # seconds
ANSWER_WITHIN: Final = 10.0

# At DEBUG Amazon's own client writes whole requests, private keys and all, into the log; at INFO nothing of use.
for _name in ("botocore", "aiobotocore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@asynccontextmanager
async def open_ses(
    *,
    clock: Callable[[], datetime],
    turn: Turn,
    region: str | None = None,
    endpoint: str | None = None,
    bounce_without_mx: bool = False,
    tenants: bool = False,
    pause: Callable[[float], Awaitable[None]] | None = None,
) -> AsyncIterator[SesProvider]:
    """Opens SES with credentials as every AWS program finds them.

    Without `region` it is that of the environment or the profile, without `endpoint` AWS_ENDPOINT_URL_SESV2 or
    Amazon's own. Fault `config-invalid` where the extra is not installed or there is no region.
    """
    session, config = _session()
    where = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not where:
        raise _without_region()
    async with AsyncExitStack() as opened:

        async def client(service: str, url: str | None) -> Any:
            made = session.create_client(service, region_name=where, endpoint_url=url, config=config)
            return await opened.enter_async_context(made)

        calls = Calls(await client("sesv2", endpoint), turn=turn, account=f"ses:{where}", pause=pause)
        identities = Calls(await client("sts", None), turn=turn, account=f"sts:{where}", pause=pause)
        account = SesAccount(calls, identities, where, PROBES + TENANT_PROBES if tenants else PROBES)
        yield SesProvider(
            calls,
            account,
            clock=clock,
            region=where,
            bounce_without_mx=bounce_without_mx,
            tenants=Tenants(calls, account) if tenants else None,
        )


def _session() -> tuple[Any, Any]:
    try:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session
    except ImportError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            "LETTERHEAD_PROVIDER is ses, and Amazon's client is not installed.",
            'Install it: pip install "letterhead[ses]" (`./dev run` does so by itself).',
        ) from error
    config = AioConfig(
        connect_timeout=CONNECT_WITHIN,
        read_timeout=ANSWER_WITHIN,
        retries={"mode": "standard", "total_max_attempts": 1},  # each of ours takes a turn in the shared budget
    )
    return get_session(), config


def _without_region() -> Fault:
    return Fault(
        Kind.CONFIG_INVALID,
        "LETTERHEAD_PROVIDER is ses, and no AWS region is set.",
        "Write for example LETTERHEAD_SES_REGION=eu-west-1; AWS_REGION or the profile's region would do too.",
    )


__all__ = ["SesProvider", "open_ses"]
