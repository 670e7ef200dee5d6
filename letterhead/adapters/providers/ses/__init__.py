"""Amazon SES: its region, endpoint and credentials, with one client for the process's life.

`provider` implements the port with `account` (the AWS account as a whole) and `tenants`; `calls` makes each call,
`shapes` are the responses, `faults` the errors.

Imported only where the settings name this provider: it needs the extra letterhead[ses].
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from letterhead.adapters import aws
from letterhead.adapters.provider_setup import ProviderSetup
from letterhead.adapters.providers.ses.account import PROBES, SesAccount
from letterhead.adapters.providers.ses.calls import AwsCalls
from letterhead.adapters.providers.ses.provider import SesProvider
from letterhead.adapters.providers.ses.tenants import TENANT_PROBES, Tenants
from letterhead.errors import Fault, Kind

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0


@asynccontextmanager
async def open_ses(
    setup: ProviderSetup, pause: Callable[[float], Awaitable[None]] | None = None
) -> AsyncIterator[SesProvider]:
    """Open SES with credentials as every AWS program finds them; `pause` replaces waiting in tests.

    Without `setup.region` use that of the environment or the profile, without `setup.endpoint` AWS_ENDPOINT_URL_SESV2
    or Amazon's own. Raise Fault `config-invalid` where there is no region.
    """
    # One attempt: each of ours takes a slot of the shared rate.
    session, config = aws.session(connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS, tries=1)
    region = setup.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise Fault(
            Kind.CONFIG_INVALID,
            "LETTERHEAD_PROVIDER is ses, and no AWS region is set.",
            "Write for example LETTERHEAD_SES_REGION=eu-west-1; AWS_REGION or the profile's region would do too.",
        )
    async with AsyncExitStack() as opened:

        async def client(service: str, url: str | None) -> Any:
            made = session.create_client(service, region_name=region, endpoint_url=url, config=config)
            return await opened.enter_async_context(made)

        calls = AwsCalls(
            await client("sesv2", setup.endpoint),
            wait_for_slot=setup.wait_for_slot,
            account=f"ses:{region}",
            pause=pause,
        )
        identities = AwsCalls(
            await client("sts", None), wait_for_slot=setup.wait_for_slot, account=f"sts:{region}", pause=pause
        )
        account = SesAccount(calls, identities, region, PROBES + TENANT_PROBES if setup.tenants else PROBES)
        yield SesProvider(
            calls,
            account,
            clock=setup.clock,
            region=region,
            bounce_without_mx=setup.bounce_without_mx,
            tenants=Tenants(calls, account) if setup.tenants else None,
        )


__all__ = ["SesProvider", "open_ses"]
