"""Sessions at the pages: sign in with an API key, the operator's token or OpenID Connect; sign out here or everywhere.

A session is not an API key: it has a token of its own, lasts a day, and ends with the key that opened it.
"""

import base64
import hmac
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

from msgspec.structs import replace

from letterhead.core.accounts.accounts import Caller, Session, is_active
from letterhead.operations.accounts import AccountNeeds
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.daily_limits import SESSIONS_A_DAY, count_daily
from letterhead.ports.deps import Digest
from letterhead.ports.sign_in import SignInAttempt
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore
from letterhead.ports.store.sessions import SessionStore

TOKEN_OCTETS = 24
LASTS = timedelta(hours=24)


class DigestNeeds(Protocol):
    """What deriving a token needs."""

    @property
    def digest(self) -> Digest: ...


class StoreForSessions(SessionStore, AccountStore, DomainStore, LeaseStore, Protocol):
    """Sessions, the accounts of those who sign in, and how often a day they do."""


class SessionNeeds(AccountNeeds, Protocol):
    """What the operations on sessions need."""

    @property
    def store(self) -> StoreForSessions: ...


async def sign_in(deps: SessionNeeds, caller: Caller, actor: Actor) -> str:
    """Open a session for the owner of an API key, who was found before, and return its token.

    Fault `too-many-requests` where the account opens too many.
    """
    session = Session(caller=caller, created_at=deps.now(), ends_at=deps.now() + LASTS)
    return await open_session(deps, session, replace(actor, name=caller.key_id, account_id=caller.account_id))


async def sign_in_operator(deps: SessionNeeds, token: str, actor: Actor) -> str:
    """Open a session for the operator and return its token; the operator's token was checked before."""
    session = Session(mark=mark_of(deps, token), created_at=deps.now(), ends_at=deps.now() + LASTS)
    return await open_session(deps, session, replace(actor, name="operator"))


def attempt(deps: DigestNeeds, seed: str, back: str) -> SignInAttempt:
    """Derive what goes to the OpenID provider from the cookie of this one attempt (RFC 7636, RFC 9700 2.1.1)."""
    state, nonce, verifier = (_code(deps.digest(f"openid|{what}|{seed}")) for what in ("state", "nonce", "verifier"))
    challenge = _code(sha256(verifier.encode()).digest())
    return SignInAttempt(back=back, state=state, nonce=nonce, verifier=verifier, challenge=challenge)


def _code(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def mark_of(deps: DigestNeeds, token: str) -> bytes:
    """Return the digest of the operator's token that a session keeps: a new token ends the old one's sessions."""
    return deps.digest(f"operator|{token}")


async def open_session(deps: SessionNeeds, session: Session, actor: Actor) -> str:
    """Store a session and return its token; Fault `too-many-requests` where an account opens too many."""
    if session.caller is not None:
        await count_daily(deps, session.caller.account_id, "sessions", SESSIONS_A_DAY)
    token = base64.urlsafe_b64encode(deps.random_octets(TOKEN_OCTETS)).decode()
    await deps.store.add_session(session, _digest(deps, token), audit_row(deps, actor, "session.open", actor.name))
    return token


def _digest(deps: DigestNeeds, token: str) -> bytes:
    return deps.digest(f"session|{token}")


async def find_session(deps: SessionNeeds, token: str) -> Session | None:
    """Find the session of a token; None where there is none or it has ended."""
    session = await deps.store.session(_digest(deps, token)) if token else None
    return session if session is not None and is_active(session, deps.now()) else None


async def sign_out(deps: SessionNeeds, token: str) -> None:
    """End the session of a token."""
    await deps.store.end_session(_digest(deps, token))


async def sign_out_everywhere(deps: SessionNeeds, session: Session) -> None:
    """End every session of this session's account or of the operator; without full scope, only the caller's own."""
    caller = session.caller
    if caller is None or caller.may_manage:
        await deps.store.end_sessions(caller.account_id if caller else None)
    else:
        await deps.store.end_own_sessions(caller.account_id, None if session.mark else caller.key_id, session.mark)


def form_token(deps: DigestNeeds, seed: str) -> str:
    """Return the token that a form must send back (against CSRF); `seed` is a cookie that only we read."""
    return base64.urlsafe_b64encode(deps.digest(f"form|{seed}")[:18]).decode()


def is_form_token(deps: DigestNeeds, seed: str, given: str) -> bool:
    """Whether the token that came with a form is that of a page of ours."""
    return bool(seed) and hmac.compare_digest(given.encode("utf-8", "replace"), form_token(deps, seed).encode())
