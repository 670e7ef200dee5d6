"""Knows how a person signs in at the pages with an API key or the operator's token, and out again, here or everywhere.

A session is not an API key: it has a token of its own, lives for a day, and ends with the key it was opened with.
"""

import base64
import hmac
from datetime import timedelta
from hashlib import sha256

import msgspec

from letterhead.core.accounts.accounts import Caller, Scope, Session, allows, is_active
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import caller_of
from letterhead.operations.audit import Actor, audit_row
from letterhead.ports.deps import Deps
from letterhead.ports.sign_in import Person, SignInAttempt

TOKEN_OCTETS = 24
LASTS = timedelta(hours=24)


async def sign_in(deps: Deps, key: str, actor: Actor) -> str:
    """Opens a session for the owner of an API key and gives its token; Fault `unauthorized`."""
    caller = await caller_of(deps, key.strip())
    session = Session(caller=caller, created_at=deps.now(), ends_at=deps.now() + LASTS)
    known = msgspec.structs.replace(actor, name=caller.key_id, account_id=caller.account_id)
    return await _open(deps, session, known)


async def sign_in_operator(deps: Deps, token: str, actor: Actor) -> str:
    """Opens a session for the operator, whose token was checked already."""
    session = Session(mark=mark_of(deps, token), created_at=deps.now(), ends_at=deps.now() + LASTS)
    return await _open(deps, session, msgspec.structs.replace(actor, name="operator"))


def attempt(deps: Deps, seed: str, back: str) -> SignInAttempt:
    """Derives what goes to the provider of identities from a cookie of this one attempt (RFC 7636, RFC 9700 2.1.1)."""
    state, nonce, verifier = (_code(deps.digest(f"openid|{what}|{seed}")) for what in ("state", "nonce", "verifier"))
    challenge = _code(sha256(verifier.encode()).digest())
    return SignInAttempt(back=back, state=state, nonce=nonce, verifier=verifier, challenge=challenge)


def _code(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


async def sign_in_person(deps: Deps, person: Person, actor: Actor) -> str:
    """Opens a session for who was signed in elsewhere, with what they may do; Fault `unauthorized`."""
    account = await deps.store.account(person.account_id) if person.account_id else None
    if account is None:
        raise Fault(
            Kind.UNAUTHORIZED,
            "You are signed in there, but belong to no account here.",
            "Ask the operator to write your account's id into the claim that OIDC_ACCOUNT_CLAIM names.",
        )
    name = f"openid:{person.subject[:200]}"
    caller = Caller(account_id=account.id, key_id=name, scope=person.scope, limits=account.limits)
    session = Session(caller=caller, mark=name.encode(), created_at=deps.now(), ends_at=deps.now() + LASTS)
    return await _open(deps, session, msgspec.structs.replace(actor, name=name, account_id=account.id))


def mark_of(deps: Deps, token: str) -> bytes:
    """Gives what an operator's session remembers of the token, so that a new token ends the old one's sessions."""
    return deps.digest(f"operator|{token}")


async def _open(deps: Deps, session: Session, actor: Actor) -> str:
    token = base64.urlsafe_b64encode(deps.random_octets(TOKEN_OCTETS)).decode()
    await deps.store.add_session(session, _digest(deps, token), audit_row(deps, actor, "session.open", actor.name))
    return token


def _digest(deps: Deps, token: str) -> bytes:
    return deps.digest(f"session|{token}")


async def find_session(deps: Deps, token: str) -> Session | None:
    """Finds the session of a token, if it holds."""
    session = await deps.store.session(_digest(deps, token)) if token else None
    return session if session is not None and is_active(session, deps.now()) else None


async def sign_out(deps: Deps, token: str) -> None:
    """Ends the session of a token."""
    await deps.store.end_session(_digest(deps, token))


async def sign_out_everywhere(deps: Deps, session: Session) -> None:
    """Ends every session of this session's account, or of the operator; who may not do all ends their own alone."""
    caller = session.caller
    if caller is None or allows(caller.scope, Scope.FULL):
        await deps.store.end_sessions(caller.account_id if caller else None)
    else:
        await deps.store.end_own_sessions(caller.account_id, None if session.mark else caller.key_id, session.mark)


def form_token(deps: Deps, seed: str) -> str:
    """Writes what a form must send back, so that no other site can post it; `seed` is a cookie that only we read."""
    return base64.urlsafe_b64encode(deps.digest(f"form|{seed}")[:18]).decode()


def is_form_token(deps: Deps, seed: str, given: str) -> bool:
    """Tells whether a form came from a page of ours."""
    return bool(seed) and hmac.compare_digest(given.encode("utf-8", "replace"), form_token(deps, seed).encode())
