"""The provider Amazon SES: one identity per domain and region, with our key, our MAIL FROM and our owner tag."""

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
    KeyLimits,
    Presence,
    ProviderHolding,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret, reveal
from letterhead.ports.provider import HealthItem, IdentityPage

MX_PRIORITY: Final = 10
READ_PATIENCE, WRITE_PATIENCE = 10.0, 30.0  # seconds to wait for a slot: a check can come back later
SECONDS: Final = 60.0  # for all calls of one method; less than the worker's lease
LIST_SECONDS: Final = 600.0  # no lease waits for a list
T = TypeVar("T")


class SesProvider:
    """The implementation of `Provider` in one AWS account and region."""

    name = NAME
    # DomainSigningPrivateKey: 1024 or 2048 bits; DomainSigningSelector: [a-zA-Z0-9-], without dots.
    key_limits = KeyLimits(largest_bits=2048, dotted_selectors=False)

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
        """What a MAIL FROM domain must point at in this region; SES need not be asked."""
        host = f"feedback-smtp.{self._region}.amazonses.com"
        return ReturnPath(mx_host=host, mx_priority=MX_PRIORITY, spf="include:amazonses.com")

    async def identity_report(self, sender: str, owner: str) -> IdentityReport:
        """Return SES's status of the domain; a failure is `IdentityUnknown`."""
        try:
            await self._ses.wait_for_read(READ_PATIENCE)
            return await _bounded(self._read_identity(sender, owner))
        except SesError as error:
            return unknown_of(error)

    async def register(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Create or update the identity as wished; what is the same already is not written again."""
        return await _run(wish.sender, self._register(wish, private_key, again=False))

    async def restart(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Write key and MAIL FROM again where SES has given up on them, which starts its 72 hours again."""
        return await _run(wish.sender, self._register(wish, private_key, again=True))

    async def withdraw(self, sender: str, owner: str) -> None:
        """Delete the identity if it has our tag."""
        await _run(sender, self._withdraw(sender, owner))

    async def list_identities(self) -> Mapping[str, ProviderStatus]:
        """Return all domains of the account and region with their status."""
        return await _run("the list of identities", self._account.list_domains(), seconds=LIST_SECONDS)

    async def identity_page(self, after: str, limit: int) -> IdentityPage:
        """Return the domains among the next `limit` identities; `after` is SES's own NextToken."""
        return await _run("the list of identities", self._account.page(after, limit))

    async def find_holding(self, sender: str) -> ProviderHolding | None:
        """Return what SES holds under a name, whoever put it there."""
        held = await _run(sender, self._held(sender))
        return None if held is None else holding_of(held)

    async def adopt(self, sender: str, owner: str) -> None:
        """Put our owner tag on an existing identity, and add it to its tenant.

        Key and MAIL FROM stay until the next check. Raise Fault `provider-refused` where there is no identity.
        """

        async def adopt() -> None:
            await self._account.tag(sender, owner)
            if self._tenants:
                await self._tenants.join(sender, owner)

        await _run(sender, adopt())

    async def account_health(self) -> Sequence[HealthItem]:
        """Return who we are at AWS, the state of the account, its quotas and their use."""
        return await self._account.health()

    async def full_health(self) -> Sequence[HealthItem]:
        """Return who we are at AWS, the state of the account, and which permissions are missing."""
        return await self._account.full_health()

    async def _read_identity(self, sender: str, owner: str, patience: float = READ_PATIENCE) -> Identity:
        held = await self._held(sender, patience)
        return without(Presence.ABSENT, self._clock()) if held is None else identity_of(held, owner, self._clock())

    async def _held(self, sender: str, patience: float = WRITE_PATIENCE) -> SesIdentity | None:
        try:
            return await self._ses("get_email_identity", SesIdentity, patience, EmailIdentity=sender)
        except SesError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    async def _register(self, wish: IdentityWish, private_key: Secret, *, again: bool) -> Identity:
        held = await self._held(wish.sender)
        if held is None:
            try:
                await self._write(
                    "create_email_identity",
                    wish.sender,
                    DkimSigningAttributes=_signing_attributes(wish, private_key),
                    Tags=owner_tags(wish.owner),
                )
            except SesError as error:  # one that came meanwhile is judged by its tag
                if error.code != ALREADY_EXISTS:
                    raise
            held = await self._held(wish.sender)
        if held is None:
            return await self._read_identity(wish.sender, wish.owner)
        if held.owner != wish.owner:
            return without(Presence.FOREIGN, self._clock())
        wrote = await self._put_key(held, wish, private_key, again=again)
        wrote = await self._put_mail_from(held, wish, again=again) or wrote
        if self._tenants:
            await self._tenants.join(wish.sender, wish.owner)
        if not wrote:
            return identity_of(held, wish.owner, self._clock())
        return await self._read_identity(wish.sender, wish.owner, WRITE_PATIENCE)

    async def _put_key(self, held: SesIdentity, wish: IdentityWish, private_key: Secret, *, again: bool) -> bool:
        dkim = held.dkim_attributes
        ours = dkim.signing_attributes_origin == EXTERNAL and held.selector == wish.selector
        idle = dkim.status == "NOT_STARTED" or (again and dkim.status == "FAILED")
        if not ours or idle:
            await self._write(
                "put_email_identity_dkim_signing_attributes",
                wish.sender,
                SigningAttributesOrigin=EXTERNAL,
                SigningAttributes=_signing_attributes(wish, private_key),
            )
        if not dkim.signing_enabled:
            await self._write("put_email_identity_dkim_attributes", wish.sender, SigningEnabled=True)
        return not ours or idle or not dkim.signing_enabled

    async def _put_mail_from(self, held: SesIdentity, wish: IdentityWish, *, again: bool) -> bool:
        now = held.mail_from_attributes
        behaviour = self._on_mx_failure if wish.mail_from else now.behavior_on_mx_failure
        same = (now.mail_from_domain, now.behavior_on_mx_failure) == (wish.mail_from or "", behaviour)
        gave_up = again and wish.mail_from is not None and now.mail_from_domain_status == "FAILED"
        if same and not gave_up:
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
            try:
                await self._write("delete_email_identity", sender)
            except SesError as error:
                if error.code != NOT_FOUND:
                    raise
        if self._tenants:  # also where the identity is gone: the process may have died in between
            await self._tenants.close_if_empty(owner)

    async def _write(self, method: str, sender: str, **parameters: object) -> None:
        await self._ses(method, EmptyResult, WRITE_PATIENCE, EmailIdentity=sender, **parameters)


def _signing_attributes(wish: IdentityWish, private_key: Secret) -> dict[str, str]:
    """Return the key as SES takes it: base64 of the PKCS#8 DER on one line, without armour."""
    return {
        "DomainSigningSelector": wish.selector,
        "DomainSigningPrivateKey": base64.b64encode(reveal(private_key)).decode(),
    }


async def _bounded(call: Awaitable[T], seconds: float | None = None) -> T:
    seconds = seconds or SECONDS
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError:
        raise SesError("Timeout", f"it took longer than {seconds:.0f} seconds") from None


async def _run(sender: str, call: Awaitable[T], seconds: float | None = None) -> T:
    """Run the calls of one method within a bound of time; raise a Fault where SES fails."""
    try:
        return await _bounded(call, seconds)
    except SesError as error:
        raise fault_of(error, sender) from None
