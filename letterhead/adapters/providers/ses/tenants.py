"""Knows SES's tenants: one for each account that has identities, where the operator wants that.

A tenant has sending status and reputation of its own, so that one account's bounces do not stop the others.
"""

from typing import Final

from letterhead.adapters.providers.ses.account import NOBODY, PATIENCE, Probes, SesAccount
from letterhead.adapters.providers.ses.calls import AwsCalls
from letterhead.adapters.providers.ses.faults import ALREADY_EXISTS, NOT_FOUND, SesError
from letterhead.adapters.providers.ses.shapes import OWNER_TAGS, EmptyResult

NO_ARN: Final = f"arn:aws:ses:us-east-1:000000000000:identity/{NOBODY}"
# As account.PROBES: a tenant's name has no dots, so that none is made.
TENANT_PROBES: Final[Probes] = (
    ("create_tenant", {"TenantName": NOBODY}),
    ("create_tenant_resource_association", {"TenantName": NOBODY, "ResourceArn": NO_ARN}),
    ("delete_tenant_resource_association", {"TenantName": NOBODY, "ResourceArn": NO_ARN}),
    ("list_tenant_resources", {"TenantName": NOBODY}),
    ("delete_tenant", {"TenantName": NOBODY}),
)


class Resources(EmptyResult, frozen=True, kw_only=True):
    """Is the answer to ListTenantResources."""

    tenant_resources: tuple[dict[str, str], ...] = ()


class Tenants:
    """Keeps identities with their accounts' tenants; every step can be taken again."""

    def __init__(self, ses: AwsCalls, account: SesAccount) -> None:
        self._ses, self._account = ses, account

    async def join(self, sender: str, owner: str) -> None:
        """Puts an identity into its account's tenant, which is made where there is none."""
        parameters = {"TenantName": tenant_of(owner), "ResourceArn": await self._account.arn(sender)}
        if await self._done("create_tenant_resource_association", **parameters):
            return
        await self._done("create_tenant", TenantName=tenant_of(owner), Tags=_tags(owner))
        await self._ses("create_tenant_resource_association", EmptyResult, PATIENCE, **parameters)

    async def leave(self, sender: str, owner: str) -> None:
        """Takes an identity out of its tenant, before it is deleted."""
        arn = await self._account.arn(sender)
        await self._done("delete_tenant_resource_association", TenantName=tenant_of(owner), ResourceArn=arn)

    async def close_if_empty(self, owner: str) -> None:
        """Deletes an account's tenant that nothing belongs to any more, an operator's configuration sets either."""
        name = tenant_of(owner)
        try:
            held = await self._ses("list_tenant_resources", Resources, PATIENCE, TenantName=name, PageSize=1)
        except SesError as trouble:
            if trouble.code == NOT_FOUND:
                return
            raise
        if not held.tenant_resources:
            await self._done("delete_tenant", TenantName=name)

    async def _done(self, method: str, **parameters: object) -> bool:
        """Does one thing, which may be done already; false where something that it needs, or ends, is not there."""
        try:
            await self._ses(method, EmptyResult, PATIENCE, **parameters)
        except SesError as trouble:
            if trouble.code not in (ALREADY_EXISTS, NOT_FOUND):
                raise
            return trouble.code == ALREADY_EXISTS
        return True


def tenant_of(owner: str) -> str:
    """Names the tenant of an owner's account: at most 64 letters, digits, hyphens and underscores."""
    installation, account, _ = owner.split("/", 2)
    return f"letterhead-{installation}-{account}"


def _tags(owner: str) -> list[dict[str, str]]:
    """Writes whose a tenant is: installation and account."""
    return [{"Key": key, "Value": part} for key, part in zip(OWNER_TAGS[:2], owner.split("/")[:2], strict=True)]
