"""Credentials of programs: API keys (Bearer, Basic) and the operator's token.

A missing, malformed, unknown, revoked or expired key gets one and the same response.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Callable
from hashlib import sha256

from starlette.requests import Request

from letterhead.core.accounts.accounts import Caller, Session
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, openid_sign_in, sessions
from letterhead.operations.sign_in_throttle import SignInThrottle
from letterhead.ports.deps import Deps
from letterhead.web import WebSettings

KEYS_REMEMBERED = 10_000


class Credentials:
    """Checks of credentials; valid keys are cached briefly, so that a busy client costs one look-up a second."""

    def __init__(self, deps: Deps, settings: WebSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._deps, self._settings, self.clock = deps, settings, clock
        self._failures = SignInThrottle(deps, settings, clock)
        self._known: dict[str, tuple[Caller, float]] = {}

    async def find_caller(self, request: Request) -> Caller:
        """Return the caller whose API key the request has; Fault `unauthorized`, `too-many-requests`."""
        account, key = read_credentials(request)
        known = self._known.get(key)
        if known is not None and known[1] > self.clock():
            caller = known[0]
            if caller.ends_at is not None or caller.networks:
                await self._check_again(request, caller)
        else:
            caller = await self._look_up(request, key)
        if account is not None:
            claimed, actual = account.encode("utf-8", "replace"), caller.account_id.encode()
            if not hmac.compare_digest(claimed, actual):
                raise accounts.new_unauthorized()
        return caller

    async def _check_again(self, request: Request, caller: Caller) -> None:
        """Check a cached caller's end and networks; a failure counts as that of any key."""
        try:
            accounts.check_caller(self._deps, caller, client_address(request))
        except Fault:
            await self.count_failure(request)
            raise

    async def _look_up(self, request: Request, key: str) -> Caller:
        """Look the key up in the store, and cache a valid one briefly, for whatever address it comes from next."""
        asked_at = self.clock()  # counted from before the look-up: what is revoked meanwhile is not cached longer
        try:
            caller = await accounts.caller_of(self._deps, key, client_address(request))
        except Fault as fault:
            self._known.pop(key, None)
            if fault.kind is Kind.UNAUTHORIZED and key:
                await self.count_failure(request)
            raise
        if len(self._known) >= KEYS_REMEMBERED:
            self._known.clear()
        self._known[key] = (caller, asked_at + self._settings.remember_callers)
        return caller

    async def count_failure(self, request: Request) -> None:
        """Count a failed sign-in of the client's address; Fault `too-many-requests`."""
        await self._failures.count(client_address(request))

    async def check_operator(self, request: Request) -> None:
        """Check that the request has the operator's token; Fault `unauthorized`, `too-many-requests`."""
        _, token = read_credentials(request)
        secret = self._settings.operator_token
        if secret is not None and is_token(token, secret):
            return
        if token:
            await self.count_failure(request)
        raise Fault(
            Kind.UNAUTHORIZED,
            "The operator's token is missing or not valid.",
            "Send the header `Authorization: Bearer <token>` with the token that the installation was set up with.",
        )

    def is_operator_session(self, session: Session) -> bool:
        """Whether a session was opened with the operator's token, or for the operators' group, as it is set now."""
        secret, deps = self._settings.operator_token, self._deps
        if session.caller is not None:
            return False
        if session.person is not None:
            in_force = deps.sign_in is not None and deps.policy.operator_group is not None
            return in_force and hmac.compare_digest(session.mark, openid_sign_in.operator_mark(deps))
        if secret is None:
            return False
        return hmac.compare_digest(session.mark, sessions.mark_of(self._deps, reveal(secret).decode()))

    def is_operator_token(self, text: str) -> bool:
        """Whether a text is the operator's token."""
        secret = self._settings.operator_token
        return secret is not None and is_token(text, secret)

    def forget(self) -> None:
        """Drop all cached callers, because an account or a key was changed in this process."""
        self._known.clear()


def is_token(text: str, secret: Secret) -> bool:
    """Compare a text with a secret in a time that depends on neither the secret nor its length."""
    return hmac.compare_digest(sha256(text.encode("utf-8", "replace")).digest(), sha256(reveal(secret)).digest())


def read_credentials(request: Request) -> tuple[str | None, str]:
    """Read the account (Basic alone names one) and the key; two `Authorization` headers count as none."""
    headers = request.headers.getlist("authorization")
    if len(headers) != 1:
        return None, ""
    scheme, _, value = headers[0].partition(" ")
    match scheme.lower():
        case "bearer":
            return None, value.strip()
        case "basic":
            try:
                user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
            except (binascii.Error, ValueError):
                return None, ""
            return (user, password) if colon else (None, "")
        case _:
            return None, ""


def client_address(request: Request) -> str:
    """Return the address that the request came from, as the server sees it."""
    return request.client.host if request.client else "unknown"
