"""Knows how Amazon SES is opened: region, endpoint, credentials, one client for the process's life.

Imported only where the settings name this provider: it wants the extra letterhead[ses].
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Final

from letterhead.adapters import aws
from letterhead.adapters.providers.ses.account import PROBES, SesAccount
from letterhead.adapters.providers.ses.calls import AwsCalls, WaitForSlot
from letterhead.adapters.providers.ses.provider import SesProvider
from letterhead.adapters.providers.ses.tenants import TENANT_PROBES, Tenants
from letterhead.errors import Fault, Kind

CONNECT_WITHIN: Final = 5.0  # seconds
ANSWER_WITHIN: Final = 10.0


@asynccontextmanager
async def open_ses(
    *,
    clock: Callable[[], datetime],
    turn: WaitForSlot,
    region: str | None = None,
    endpoint: str | None = None,
    bounce_without_mx: bool = False,
    tenants: bool = False,
    pause: Callable[[float], Awaitable[None]] | None = None,
) -> AsyncIterator[SesProvider]:
    """Opens SES with credentials as every AWS program finds them.

    Without `region` it is that of the environment or the profile, without `endpoint` AWS_ENDPOINT_URL_SESV2 or
    Amazon's own. Fault `config-invalid` where there is no region.
    """
    # One try: each of ours takes a turn in the shared budget.
    session, config = aws.session(connect_within=CONNECT_WITHIN, answer_within=ANSWER_WITHIN, tries=1)
    where = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not where:
        raise _without_region()
    async with AsyncExitStack() as opened:

        async def client(service: str, url: str | None) -> Any:
            made = session.create_client(service, region_name=where, endpoint_url=url, config=config)
            return await opened.enter_async_context(made)

        calls = AwsCalls(await client("sesv2", endpoint), turn=turn, account=f"ses:{where}", pause=pause)
        identities = AwsCalls(await client("sts", None), turn=turn, account=f"sts:{where}", pause=pause)
        account = SesAccount(calls, identities, where, PROBES + TENANT_PROBES if tenants else PROBES)
        yield SesProvider(
            calls,
            account,
            clock=clock,
            region=where,
            bounce_without_mx=bounce_without_mx,
            tenants=Tenants(calls, account) if tenants else None,
        )


def _without_region() -> Fault:
    return Fault(
        Kind.CONFIG_INVALID,
        "LETTERHEAD_PROVIDER is ses, and no AWS region is set.",
        "Write for example LETTERHEAD_SES_REGION=eu-west-1; AWS_REGION or the profile's region would do too.",
    )


__all__ = ["SesProvider", "open_ses"]
