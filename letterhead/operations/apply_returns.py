"""The way of a customer from the set-up page to the DNS host and back (Domain Connect, synchronous flow).

Whoever comes back brings the `state` that went out with the link. It is bound to the set-up link, counts for an hour
and once, and is kept nowhere: a keyed digest says that we made it.
"""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from msgspec.structs import replace

from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.domain_connect.apply_link import ApplyLink
from letterhead.core.languages.language import LanguageReader
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.operations import setup_links
from letterhead.operations.apply_links import ApplyLinkNeeds, StoreForApplyLinks, find_apply_link
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.recent_results import OnDemand
from letterhead.operations.setup_links import StoreForSetupLinks
from letterhead.ports.deps import Digest, OperationSettings
from letterhead.ports.mail import Mailer

LASTS: Final = timedelta(hours=1)  # long enough to find the password of the DNS host, and a second factor
ONE_MS: Final = timedelta(milliseconds=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NONCE_OCTETS, MAC_OCTETS = 9, 18
CANCELLED_BY: Final = "user_cancel"  # how the description of `access_denied` begins where the person did not agree


class ApplyReturn(StrEnum):
    """What came of the way to the DNS host: done, an error of the draft (RFC 6749 4.1.2.1), or a state not accepted."""

    ADDED = "added"
    CANCELLED = "cancelled"
    ACCESS_DENIED = "access_denied"
    INVALID_REQUEST = "invalid_request"
    INVALID_SCOPE = "invalid_scope"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    OTHER_ERROR = "other_error"
    FOREIGN = "foreign"  # a state that this set-up link was never given
    LATE = "late"
    REPEATED = "repeated"


class StoreForApplyReturns(StoreForApplyLinks, StoreForSetupLinks, Protocol):
    """Set-up links with their domains, and what the links to DNS hosts need."""


class ApplyReturnNeeds(ApplyLinkNeeds, Protocol):
    """What the way to the DNS host and back needs: all that links to it and set-up links need."""

    @property
    def store(self) -> StoreForApplyReturns: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def hosts(self) -> tuple[DnsHost, ...]: ...
    @property
    def languages(self) -> LanguageReader: ...
    @property
    def mailer(self) -> Mailer | None: ...
    @property
    def policy(self) -> OperationSettings: ...


async def begin_apply(deps: ApplyReturnNeeds, on_demand: OnDemand, token: str) -> ApplyLink:
    """Make the link to the DNS host that leads back to the set-up page; Faults `not-found`, `too-many-requests`."""
    link = await setup_links.find_setup_link(deps, token)
    shown = await setup_links.show_linked_domain(deps, link)
    back = f"{deps.policy.public_url}{setup_links.PATH}{token}/applied"
    return await find_apply_link(deps, on_demand, shown.domain, redirect=back, state=_new_state(deps, link))


async def finish_apply(
    deps: ApplyReturnNeeds, token: str, state: str, error: str, description: str, actor: Actor
) -> ApplyReturn:
    """Accept a return from the DNS host, once, and audit it; Fault `not-found`."""
    link = await setup_links.find_setup_link(deps, token)
    shown = await setup_links.show_linked_domain(deps, link)
    refused = await _refuse_state(deps, link, state)
    if refused is not None:
        return refused
    told = _outcome(error, description)
    actor = replace(actor, name=link.id, account_id=link.account_id)
    await deps.store.audit(audit_row(deps, actor, "setup-link.applied", f"{shown.domain.sender} {link.id}: {told}"))
    return told


def _new_state(deps: ApplyReturnNeeds, link: SetupLink) -> str:
    issued, nonce = (deps.now() - EPOCH) // ONE_MS, _text(deps.random_octets(NONCE_OCTETS))
    return f"{issued}.{nonce}.{_mac(deps, link, f'{issued}.{nonce}')}"


def _mac(deps: ApplyReturnNeeds, link: SetupLink, made: str) -> str:
    # No API key's text begins so: the uses of the pepper can't meet.
    return _text(deps.digest(f"applied|{link.id}|{made}")[:MAC_OCTETS])


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


async def _refuse_state(deps: ApplyReturnNeeds, link: SetupLink, state: str) -> ApplyReturn | None:
    """Return why a state is not accepted; None where it is, and then it never is again."""
    made, _, mac = state.rpartition(".")
    if not hmac.compare_digest(mac.encode("utf-8", "replace"), _mac(deps, link, made).encode()):
        return ApplyReturn.FOREIGN
    issued = EPOCH + int(made.partition(".")[0]) * ONE_MS
    if deps.now() - issued > LASTS:
        return ApplyReturn.LATE
    # One row for each link: it holds until when the states are void that were made up to the last one accepted.
    ends = issued + LASTS
    slot = await deps.store.take_rate_slot(f"applied {link.id}", ends, ONE_MS, ends)
    return ApplyReturn.REPEATED if slot is None else None


def _outcome(error: str, description: str) -> ApplyReturn:
    """Return what the DNS host says: an error is one of the draft's, or another that has no sentence of its own."""
    if not error:
        return ApplyReturn.ADDED
    if error == ApplyReturn.ACCESS_DENIED:
        cancelled = description.lower().startswith(CANCELLED_BY)
        return ApplyReturn.CANCELLED if cancelled else ApplyReturn.ACCESS_DENIED
    return ERRORS.get(error, ApplyReturn.OTHER_ERROR)


ERRORS: Final = {
    each.value: each
    for each in (
        ApplyReturn.INVALID_REQUEST, ApplyReturn.INVALID_SCOPE, ApplyReturn.SERVER_ERROR,
        ApplyReturn.TEMPORARILY_UNAVAILABLE, ApplyReturn.UNAUTHORIZED_CLIENT, ApplyReturn.UNSUPPORTED_RESPONSE_TYPE,
    )
}  # fmt: skip
