"""Knows Amazon SES as a provider: one identity per domain and region, with our key, our MAIL FROM and our owner tag."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from letterhead.adapters.providers.ses.account import SesAccount
from letterhead.adapters.providers.ses.calls import AwsCalls
from letterhead.adapters.providers.ses.faults import ALREADY_EXISTS, NAME, NOT_FOUND, SesError, fault_of, unknown_of
from letterhead.adapters.providers.ses.shapes import (
    EXTERNAL,
    EmptyResult,
    SesIdentity,
    holding_of,
    identity_of,
    owner_tags,
    without,
)
from letterhead.adapters.providers.ses.tenants import Tenants
from letterhead.core.domain.provider_identity import (
    Identity,
    IdentityReport,
    IdentityWish,
    Presence,
    ProviderHolding,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret, reveal
from letterhead.ports.provider import HealthItem

MX_PRIORITY: Final = 10
LOOK_PATIENCE, WRITE_PATIENCE = 10.0, 30.0  # seconds to wait for a turn: who looks can come back later
WITHIN: Final = 60.0  # seconds for all calls of one method; less than the worker's lease
LIST_WITHIN: Final = 600.0  # no lease waits for a list
T = TypeVar("T")


class SesProvider:
    """Keeps identities in one AWS account and region (implements `ports.Provider`)."""

    name = NAME

    def __init__(
        self,
        ses: AwsCalls,
        account: SesAccount,
        *,
        clock: Callable[[], datetime],
        region: str,
        bounce_without_mx: bool,
        tenants: Tenants | None = None,
    ) -> None:
        self._ses, self._account, self._tenants = ses, account, tenants
        self._clock = clock
        self._region = region
        self._on_mx_failure = "REJECT_MESSAGE" if bounce_without_mx else "USE_DEFAULT_VALUE"

    @property
    def return_path(self) -> ReturnPath:
        """Says what a MAIL FROM domain must point at in this region; SES need not be asked."""
        host = f"feedback-smtp.{self._region}.amazonses.com"
        return ReturnPath(mx_host=host, mx_priority=MX_PRIORITY, spf="include:amazonses.com")

    async def identity_report(self, sender: str, owner: str) -> IdentityReport:
        """Tells what SES holds of the domain; trouble is `IdentityUnknown`."""
        try:
            return await _bounded(self._look(sender, owner))
        except SesError as trouble:
            return unknown_of(trouble)

    async def register(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Makes SES hold what is wished; what is held so already is not written again."""
        return await _translated(wish.sender, self._register(wish, private_key, again=False))

    async def restart(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Puts key and MAIL FROM again where SES had given up on them, which starts its 72 hours anew."""
        return await _translated(wish.sender, self._register(wish, private_key, again=True))

    async def withdraw(self, sender: str, owner: str) -> None:
        """Deletes the identity if it carries our tag."""
        await _translated(sender, self._withdraw(sender, owner))

    async def list_identities(self) -> Mapping[str, ProviderStatus]:
        """Lists all domains of the account and region."""
        return await _translated("the list of identities", self._account.listed(), within=LIST_WITHIN)

    async def find_holding(self, sender: str) -> ProviderHolding | None:
        """Tells what SES holds under a name, whoever put it there."""
        held = await _translated(sender, self._held(sender))
        return None if held is None else holding_of(held)

    async def adopt(self, sender: str, owner: str) -> None:
        """Puts our owner tag on what is there, and it into its tenant; key and MAIL FROM stay until the next look."""
        await _translated(sender, self._adopt(sender, owner))

    async def account_health(self) -> Sequence[HealthItem]:
        """Tells who we are at AWS, how the account stands, what it allows and what of it is used."""
        return await self._account.standing()

    async def full_health(self) -> Sequence[HealthItem]:
        """Tells who we are at AWS, how the account stands, and which actions are missing."""
        return await self._account.conditions()

    async def _adopt(self, sender: str, owner: str) -> None:
        await self._account.tag(sender, owner)
        if self._tenants:
            await self._tenants.join(sender, owner)

    async def _look(self, sender: str, owner: str, patience: float = LOOK_PATIENCE) -> Identity:
        held = await self._held(sender, patience)
        return without(Presence.ABSENT, self._clock()) if held is None else identity_of(held, owner, self._clock())

    async def _held(self, sender: str, patience: float = WRITE_PATIENCE) -> SesIdentity | None:
        try:
            return await self._ses("get_email_identity", SesIdentity, patience, EmailIdentity=sender)
        except SesError as trouble:
            if trouble.code == NOT_FOUND:
                return None
            raise

    async def _register(self, wish: IdentityWish, private_key: Secret, *, again: bool) -> Identity:
        held = await self._held(wish.sender)
        if held is None:
            held = await self._created(wish, private_key)
        if held is None or held.owner != wish.owner:
            return without(Presence.FOREIGN, self._clock()) if held else await self._look(wish.sender, wish.owner)
        wrote = await self._put_key(held, wish, private_key, again=again)
        wrote = await self._put_mail_from(held, wish, again=again) or wrote
        if self._tenants:
            await self._tenants.join(wish.sender, wish.owner)
        if not wrote:
            return identity_of(held, wish.owner, self._clock())
        return await self._look(wish.sender, wish.owner, WRITE_PATIENCE)

    async def _created(self, wish: IdentityWish, private_key: Secret) -> SesIdentity | None:
        """Makes the identity with key and tag in one call; one that came meanwhile is judged by its tag."""
        try:
            await self._write(
                "create_email_identity",
                wish.sender,
                DkimSigningAttributes=_signing(wish, private_key),
                Tags=owner_tags(wish.owner),
            )
        except SesError as trouble:
            if trouble.code != ALREADY_EXISTS:
                raise
        return await self._held(wish.sender)

    async def _put_key(self, held: SesIdentity, wish: IdentityWish, private_key: Secret, *, again: bool) -> bool:
        dkim = held.dkim_attributes
        ours = dkim.signing_attributes_origin == EXTERNAL and held.selector == wish.selector
        idle = dkim.status == "NOT_STARTED" or (again and dkim.status == "FAILED")
        if not ours or idle:
            await self._write(
                "put_email_identity_dkim_signing_attributes",
                wish.sender,
                SigningAttributesOrigin=EXTERNAL,
                SigningAttributes=_signing(wish, private_key),
            )
        if not dkim.signing_enabled:
            await self._write("put_email_identity_dkim_attributes", wish.sender, SigningEnabled=True)
        return not ours or idle or not dkim.signing_enabled

    async def _put_mail_from(self, held: SesIdentity, wish: IdentityWish, *, again: bool) -> bool:
        now = held.mail_from_attributes
        behaviour = self._on_mx_failure if wish.mail_from else now.behavior_on_mx_failure
        there = (now.mail_from_domain, now.behavior_on_mx_failure) == (wish.mail_from or "", behaviour)
        gave_up = again and wish.mail_from is not None and now.mail_from_domain_status == "FAILED"
        if there and not gave_up:
            return False
        name = {"MailFromDomain": wish.mail_from} if wish.mail_from else {}  # without one SES takes its own
        await self._write("put_email_identity_mail_from_attributes", wish.sender, BehaviorOnMxFailure=behaviour, **name)
        return True

    async def _withdraw(self, sender: str, owner: str) -> None:
        held = await self._held(sender)
        if held is not None and held.owner != owner:
            return
        if self._tenants:
            await self._tenants.leave(sender, owner)
        if held is not None:
            await self._delete(sender)
        if self._tenants:  # also where the identity is gone: the process may have died in between
            await self._tenants.close_if_empty(owner)

    async def _delete(self, sender: str) -> None:
        try:
            await self._write("delete_email_identity", sender)
        except SesError as trouble:
            if trouble.code != NOT_FOUND:
                raise

    async def _write(self, method: str, sender: str, **parameters: object) -> None:
        await self._ses(method, EmptyResult, WRITE_PATIENCE, EmailIdentity=sender, **parameters)


def _signing(wish: IdentityWish, private_key: Secret) -> dict[str, str]:
    """Writes the key as SES takes it: base64 of the PKCS#8 DER on one line, without armour."""
    return {
        "DomainSigningSelector": wish.selector,
        "DomainSigningPrivateKey": base64.b64encode(reveal(private_key)).decode(),
    }


async def _bounded(doing: Awaitable[T], within: float | None = None) -> T:
    seconds = within or WITHIN
    try:
        async with asyncio.timeout(seconds):
            return await doing
    except TimeoutError:
        raise SesError("Timeout", f"it took longer than {seconds:.0f} seconds") from None


async def _translated(sender: str, doing: Awaitable[T], within: float | None = None) -> T:
    try:
        return await _bounded(doing, within)
    except SesError as trouble:
        raise fault_of(trouble, sender) from None
