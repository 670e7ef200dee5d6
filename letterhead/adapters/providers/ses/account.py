"""The AWS account that owns the identities: its identities, its state, and our permissions there."""

from collections.abc import AsyncIterator
from typing import Final

from letterhead.adapters.providers.ses.calls import AwsCalls
from letterhead.adapters.providers.ses.faults import DENIED, SesError
from letterhead.adapters.providers.ses.shapes import (
    AccountState,
    CallerIdentity,
    EmptyResult,
    ListedIdentity,
    ListedPage,
    owner_tags,
    status_of,
)
from letterhead.core.domain.provider_identity import ProviderStatus
from letterhead.ports.provider import HealthItem, IdentityPage, Quota, QuotaUse

PATIENCE: Final = 60.0  # seconds to wait for a slot: a person or a daily job is waiting, not a domain
IDENTITIES: Final = 10_000  # in a region, as Amazon has it where nothing else was agreed; it can't be asked for
PAGE: Final = 1000  # the most that SES gives at once
NOBODY: Final = "permissions.letterhead.invalid"  # RFC 2606 2: no identity can ever be verified there

Probes = tuple[tuple[str, dict[str, object]], ...]
# Each action that we need, called so that nothing can come of it: about a name that is not there, or with a key that
# is none. AWS refuses whoever is not allowed before it inspects any of that.
PROBES: Final[Probes] = (
    ("get_email_identity", {"EmailIdentity": NOBODY}),
    (
        "create_email_identity",
        {
            "EmailIdentity": NOBODY,
            "DkimSigningAttributes": {"DomainSigningSelector": "none", "DomainSigningPrivateKey": "bm9uZQ=="},
            "Tags": owner_tags("permissions/probe/none"),
        },
    ),
    ("put_email_identity_dkim_signing_attributes", {"EmailIdentity": NOBODY, "SigningAttributesOrigin": "AWS_SES"}),
    ("put_email_identity_dkim_attributes", {"EmailIdentity": NOBODY, "SigningEnabled": True}),
    ("put_email_identity_mail_from_attributes", {"EmailIdentity": NOBODY}),
    ("delete_email_identity", {"EmailIdentity": NOBODY}),
)
SANDBOX = (
    "Ask for production access in the SES console (account dashboard): until then mail reaches only addresses and "
    "domains that are verified in this account"
)


class SesAccount:
    """The AWS account as a whole, in one region."""

    def __init__(self, ses: AwsCalls, sts: AwsCalls, region: str, probes: Probes = PROBES) -> None:
        self._ses, self._sts, self._region, self._probes = ses, sts, region, probes
        self._prefix: str | None = None  # of ARNs: a process has one AWS account

    async def page(self, after: str, limit: int) -> IdentityPage:
        """Return the domains among the next `limit` identities, and SES's NextToken."""
        token = {"NextToken": after} if after else {}
        listed = await self._ses("list_email_identities", ListedPage, PATIENCE, PageSize=limit, **token)
        names = tuple(
            each.identity_name.lower() for each in listed.email_identities if each.identity_type != "EMAIL_ADDRESS"
        )
        return IdentityPage(names=names, following=listed.next_token or None)

    async def list_domains(self) -> dict[str, ProviderStatus]:
        """Return all domains of the account with their status; the list comes in pages of a thousand."""
        return {
            each.identity_name.lower(): status_of(each.verification_status)
            async for each in self._identities()
            if each.identity_type != "EMAIL_ADDRESS"
        }

    async def _identities(self) -> AsyncIterator[ListedIdentity]:
        after: dict[str, str] = {}
        while True:
            page = await self._ses("list_email_identities", ListedPage, PATIENCE, PageSize=PAGE, **after)
            for each in page.email_identities:
                yield each
            if not page.next_token or after.get("NextToken") == page.next_token:
                return
            after = {"NextToken": page.next_token}

    async def tag(self, sender: str, owner: str) -> None:
        """Put our owner tag on an identity, over any owner tag that is there."""
        arn = await self.arn(sender)
        await self._ses("tag_resource", EmptyResult, PATIENCE, ResourceArn=arn, Tags=owner_tags(owner))

    async def arn(self, sender: str) -> str:
        """Return an identity's ARN, by which tags and tenants name it."""
        if self._prefix is None:
            caller = await self._caller()
            self._prefix = f"arn:{caller.arn.split(':')[1]}:ses:{self._region}:{caller.account}:identity"
        return f"{self._prefix}/{sender}"

    async def _caller(self) -> CallerIdentity:
        return await self._sts("get_caller_identity", CallerIdentity, PATIENCE)

    async def health(self) -> list[HealthItem]:
        """Return who we are, the state of the account, and how many identities it has."""
        items = await self._caller_and_state()
        return [*items, await self._identity_count()] if len(items) > 1 else items

    async def full_health(self) -> list[HealthItem]:
        """Return who we are, the state of the account, and which permissions are missing."""
        items = await self._caller_and_state()
        return [*items, await self._permissions()] if len(items) > 1 else items

    async def _caller_and_state(self) -> list[HealthItem]:
        try:
            caller = await self._caller()
            state = await self._ses("get_account", AccountState, PATIENCE)
        except SesError as error:
            return [HealthItem(said=f"SES in {self._region}: {error.said}", ok=False, fix=error.fix)]
        who = HealthItem(said=f"SES in {self._region}, AWS account {caller.account}, as {caller.arn}")
        return [who, _state_item(state)]

    async def _identity_count(self) -> HealthItem:
        try:
            number = len([each async for each in self._identities()])
        except SesError as error:
            return HealthItem(said=f"the identities could not be counted: {error.said}", ok=False, fix=error.fix)
        use = QuotaUse(quota=Quota.IDENTITIES, used=number, allowed=IDENTITIES)
        return HealthItem(said=f"{number} identities of {IDENTITIES}, unless Amazon has agreed to more", uses=(use,))

    async def _permissions(self) -> HealthItem:
        missing, untried = [], []
        for method, parameters in self._probes:
            try:
                await self._ses(method, EmptyResult, PATIENCE, **parameters)
            except SesError as error:
                missing += [_action(method)] if error.code.startswith(DENIED) else []
                untried += [_action(method)] if error.is_transient else []
        if missing:
            said = f"not allowed: {', '.join(missing)}"
            return HealthItem(
                said=said, ok=False, fix="Allow these to the AWS user or role: docs/ses.md has the policy"
            )
        if untried:
            return HealthItem(
                said=f"could not be tried: {', '.join(untried)}", ok=False, fix="Run it again in a minute"
            )
        return HealthItem(said="every action that Letterhead needs is allowed")


def _action(method: str) -> str:
    return "ses:" + "".join(part.capitalize() for part in method.split("_"))


def _state_item(state: AccountState) -> HealthItem:
    quota = state.send_quota
    limited = quota.max24_hour_send >= 0  # -1 means that nothing does
    most = f"{quota.max24_hour_send:.0f}" if limited else "any number of"
    uses = (
        QuotaUse(quota=Quota.MAILS, used=quota.sent_last24_hours, allowed=quota.max24_hour_send if limited else None),
        QuotaUse(quota=Quota.RATE, allowed=quota.max_send_rate),
    )
    said = f"{most} mails a day, {quota.max_send_rate:g} a second; {quota.sent_last24_hours:.0f} sent in the last 24 h"
    if not state.sending_enabled or state.enforcement_status == "SHUTDOWN":
        fix = "See the SES console, account dashboard: AWS says there why, and how to appeal"
        return HealthItem(said=f"sending is off ({state.enforcement_status}); {said}", ok=False, fix=fix, uses=uses)
    if not state.production_access_enabled:
        return HealthItem(said=f"sandbox: {said}", ok=False, fix=SANDBOX, uses=uses)
    return HealthItem(said=f"production, {state.enforcement_status.lower()}: {said}", uses=uses)
