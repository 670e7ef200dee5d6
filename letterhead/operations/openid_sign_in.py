"""Sign-in of a person whom an OpenID Connect provider has signed in: which accounts they may enter, and the session.

A person with several accounts chooses one. What the provider said stands meanwhile in a signed text in the page's form.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account, Caller, Session
from letterhead.core.accounts.members import AccountAccess, list_accesses
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor
from letterhead.operations.sessions import LASTS, SessionNeeds, StoreForSessions, open_session
from letterhead.ports.deps import OperationSettings
from letterhead.ports.sign_in import Person
from letterhead.ports.store.members import MemberStore

log = structlog.get_logger()

OPERATOR: Final = "operator"  # as a person chooses it, in place of an account
MOST_CHOICES: Final = 100
_CHOSEN_WITHIN: Final = timedelta(minutes=10)
_SIGNATURE_OCTETS: Final = 18


class StoreForSignIn(StoreForSessions, MemberStore, Protocol):
    """Sessions, accounts, their members, and the rules by which others sign in."""


class OpenIdSignInNeeds(SessionNeeds, Protocol):
    """What signing a person in needs."""

    @property
    def store(self) -> StoreForSignIn: ...
    @property
    def policy(self) -> OperationSettings: ...


class SignedInPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person whom the provider has signed in, and what they may enter, until a time in seconds since 1970.

    `email` is an address that the provider has verified.
    """

    issuer: str
    subject: str
    email: str | None
    is_operator: bool
    accesses: tuple[AccountAccess, ...]
    until: int


async def find_person(deps: OpenIdSignInNeeds, person: Person) -> SignedInPerson:
    """Find what a person may enter."""
    claimed = {}
    for account_id in person.account_ids[:MOST_CHOICES]:
        if await deps.store.account(account_id) is not None:
            claimed[account_id] = person.scope
    members = await deps.store.memberships(person.issuer, person.subject)
    matched = await deps.store.matching_rules(person.email_domain, person.groups)
    group = deps.policy.operator_group
    return SignedInPerson(
        issuer=person.issuer,
        subject=person.subject,
        email=person.email,
        is_operator=group is not None and group in person.groups,
        accesses=tuple(list_accesses(members, claimed, matched))[:MOST_CHOICES],
        until=int((deps.now() + _CHOSEN_WITHIN).timestamp()),
    )


def refuse_person(person: Person) -> Fault:
    """Log who may enter nothing, with the names of the claims that the provider sent and no value; return the fault."""
    code, why = "account-missing", "nothing that your provider says of you leads to an account here"
    if person.account_ids:
        code, why = "account-unknown", "the account that your provider names is not one of this service"
    elif person.groups_left_out:
        code, why = "groups-left-out", "you are in too many groups for your provider to name them all"
    log.warning("openid.refused", code=code, subject=person.subject[:200], claims=person.claim_names)
    return Fault(
        Kind.UNAUTHORIZED,
        f"You are signed in there, but {why}.",
        "Ask an owner of your account to invite you, or tell the operator the code and the number below.",
        provider="openid",
        provider_code=code,
    )


async def choices(deps: OpenIdSignInNeeds, person: SignedInPerson) -> Sequence[Account]:
    """Return the accounts that a person may enter."""
    found = [await deps.store.account(each.account_id) for each in person.accesses]
    return [account for account in found if account is not None]


def seal_person(deps: OpenIdSignInNeeds, person: SignedInPerson) -> str:
    """Return a signed text with what a person may enter, for a form of a page that they see."""
    written = msgspec.json.encode(person)
    return base64.urlsafe_b64encode(_signature(deps, written) + written).decode()


def _signature(deps: OpenIdSignInNeeds, written: bytes) -> bytes:
    return deps.digest(f"openid-person|{written.decode()}")[:_SIGNATURE_OCTETS]


def unseal_person(deps: OpenIdSignInNeeds, text: str) -> SignedInPerson:
    """Return the person of a signed text; Fault `unauthorized` for one that is not ours, or too old."""
    try:
        octets = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
        written = octets[_SIGNATURE_OCTETS:]
        if hmac.compare_digest(octets[:_SIGNATURE_OCTETS], _signature(deps, written)):
            person = msgspec.json.decode(written, type=SignedInPerson)
            if deps.now() < datetime.fromtimestamp(person.until, UTC):
                return person
    except (ValueError, msgspec.MsgspecError):
        pass
    raise Fault(
        Kind.UNAUTHORIZED,
        "This page was open for more than ten minutes since you signed in.",
        "Sign in once more.",
        provider="openid",
        provider_code="choice-over",
    )


async def enter(deps: OpenIdSignInNeeds, person: SignedInPerson, chosen: str, actor: Actor) -> str:
    """Open a session for a person in an account, or as the operator, and return its token.

    Faults: `unauthorized` for what they may not enter, `too-many-requests`.
    """
    name = f"openid:{person.subject[:200]}"
    now = deps.now()
    if chosen == OPERATOR and person.is_operator:
        session = Session(mark=operator_mark(deps), person=name, created_at=now, ends_at=now + LASTS)
        return await open_session(deps, session, replace(actor, name=f"operator:{name}"))
    access = next((each for each in person.accesses if each.account_id == chosen), None)
    account = await deps.store.account(chosen) if access is not None else None
    if access is None or account is None:
        raise Fault(Kind.UNAUTHORIZED, "You can't enter this account.", "Sign in once more, and choose another one.")
    caller = Caller(account_id=account.id, key_id=name, scope=access.scope, limits=account.limits)
    session = Session(
        caller=caller, mark=name.encode(), member_id=access.member_id, created_at=now, ends_at=now + LASTS
    )
    return await open_session(deps, session, replace(actor, name=name, account_id=account.id))


def operator_mark(deps: OpenIdSignInNeeds) -> bytes:
    """Return the digest of the operators' group that a session keeps: another group ends the old one's sessions."""
    return deps.digest(f"operator-group|{deps.policy.operator_group}")
