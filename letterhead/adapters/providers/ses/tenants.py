"""SES's tenants: one for each account that has identities, where the operator enables them.

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
    """The response to ListTenantResources."""

    tenant_resources: tuple[dict[str, str], ...] = ()


class Tenants:
    """The association of identities with tenants; every step can be repeated."""

    def __init__(self, ses: AwsCalls, account: SesAccount) -> None:
        self._ses, self._account = ses, account

    async def join(self, sender: str, owner: str) -> None:
        """Associate an identity with its account's tenant, and create the tenant where there is none."""
        parameters = {"TenantName": tenant_of(owner), "ResourceArn": await self._account.arn(sender)}
        if await self._ensure("create_tenant_resource_association", **parameters):
            return
        owner_parts = zip(OWNER_TAGS[:2], owner.split("/")[:2], strict=True)  # installation and account
        tags = [{"Key": key, "Value": part} for key, part in owner_parts]
        await self._ensure("create_tenant", TenantName=tenant_of(owner), Tags=tags)
        await self._ses("create_tenant_resource_association", EmptyResult, PATIENCE, **parameters)

    async def leave(self, sender: str, owner: str) -> None:
        """Remove an identity from its tenant, before it is deleted."""
        arn = await self._account.arn(sender)
        await self._ensure("delete_tenant_resource_association", TenantName=tenant_of(owner), ResourceArn=arn)

    async def close_if_empty(self, owner: str) -> None:
        """Delete an account's tenant that nothing belongs to any more, an operator's configuration sets included."""
        name = tenant_of(owner)
        try:
            held = await self._ses("list_tenant_resources", Resources, PATIENCE, TenantName=name, PageSize=1)
        except SesError as error:
            if error.code == NOT_FOUND:
                return
            raise
        if not held.tenant_resources:
            await self._ensure("delete_tenant", TenantName=name)

    async def _ensure(self, method: str, **parameters: object) -> bool:
        """Call a method whose work may be done already.

        Return false where something that it needs, or ends, does not exist.
        """
        try:
            await self._ses(method, EmptyResult, PATIENCE, **parameters)
        except SesError as error:
            if error.code not in (ALREADY_EXISTS, NOT_FOUND):
                raise
            return error.code == ALREADY_EXISTS
        return True


def tenant_of(owner: str) -> str:
    """Return the name of the tenant of an owner's account: at most 64 letters, digits, hyphens and underscores."""
    installation, account, _ = owner.split("/", 2)
    return f"letterhead-{installation}-{account}"
