"""Speaks OpenID Connect to one provider: discovery, authorization code with PKCE, ID token (implements `ports.SignIn`).

Nothing is remembered between two sign-ins, the provider's keys included: they are rare, and keys change. Knows nothing
of accounts or sessions.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from letterhead.core.accounts.accounts import Scope
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.sign_in import Person, SignInAttempt

SECONDS: Final = 10.0
OCTETS: Final = 256 * 1024  # of an answer that are read
_ADDRESS: Final = re.compile(r"https?://[!-~]{1,2000}")
LEEWAY: Final = 60  # seconds that two clocks may differ
# Signed by a key that the provider alone has: never `none`, nor HMAC, whose key would be the client's secret.
ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]


SCOPES: Final = tuple(scope.value for scope in Scope)

TokenShape = TypeVar("TokenShape")


class Discovered(msgspec.Struct, frozen=True):
    """Holds what the provider says of itself (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True):
    """Holds the part of the token endpoint's answer that is used."""

    id_token: str


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """Names the claims of an ID token that tell the account and what may be done in it, `unless` it does not say."""

    account: str
    scope: str
    unless: Scope


class OpenIdProvider:
    """Signs people in at one provider."""

    def __init__(
        self, issuer: str, client_id: str, secret: Secret, claims: Claims, *, now: Callable[[], datetime]
    ) -> None:
        self._issuer, self._client_id, self._secret, self._named = issuer, client_id, secret, claims
        self._now = now

    async def address(self, attempt: SignInAttempt) -> str:
        """Gives the provider's address to lead a browser to; Fault `provider-failed`."""
        async with self._client() as client:
            found = await self._discovered(client)
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": attempt.back,
            "scope": "openid",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{found.authorization_endpoint}{'&' if '?' in found.authorization_endpoint else '?'}{urlencode(asked)}"

    async def person(self, attempt: SignInAttempt, code: str) -> Person:
        """Exchanges a code for who signed in; Faults `unauthorized`, `provider-failed`."""
        async with self._client() as client:
            found = await self._discovered(client)
            tokens = await self._tokens(client, found, attempt, code)
            keys = await _read(client, "GET", found.jwks_uri, dict[str, Any])
        claims = self._claims(tokens.id_token, keys, attempt.nonce)
        account_id = claims.get(self._named.account)
        return Person(
            subject=str(claims["sub"]),
            account_id=account_id if isinstance(account_id, str) else None,
            scope=self._scope(claims.get(self._named.scope)),
        )

    def _scope(self, told: object) -> Scope:
        if told is None:
            return self._named.unless
        if isinstance(told, str) and told in SCOPES:
            return Scope(told)
        raise _refused(f"its claim {self._named.scope!r} is none of {', '.join(SCOPES)}")  # more than it gave, or less

    def _client(self) -> httpx2.AsyncClient:
        # No redirects: code and secret go to the addresses that discovery named, and to no other.
        return httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False)

    async def _discovered(self, client: httpx2.AsyncClient) -> Discovered:
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await _read(client, "GET", place, Discovered)
        ends = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        if not all(_ADDRESS.fullmatch(end) for end in ends):  # a browser is led there: no line break, no script
            raise _failed(f"{place} names what is no address")
        if found.issuer != self._issuer:  # Discovery 4.3: identical, or somebody poses as the provider
            raise _failed(f"{place} speaks for {found.issuer[:200]!r} instead of {self._issuer!r}")
        if urlsplit(self._issuer).scheme == "https" and any(not end.startswith("https://") for end in ends):
            raise _failed(f"{place} names an address that is not https")
        return found

    async def _tokens(self, client: httpx2.AsyncClient, found: Discovered, attempt: SignInAttempt, code: str) -> Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.back,
            "code_verifier": attempt.verifier,
        }
        secret = reveal(self._secret).decode()
        if "client_secret_basic" in found.token_endpoint_auth_methods_supported:
            # RFC 6749 2.3.1: both are form-encoded before they are joined.
            auth = httpx2.BasicAuth(quote(self._client_id, safe=""), quote(secret, safe=""))
            return await _read(client, "POST", found.token_endpoint, Tokens, data=form, auth=auth)
        form |= {"client_id": self._client_id, "client_secret": secret}
        return await _read(client, "POST", found.token_endpoint, Tokens, data=form)

    def _claims(self, token: str, keys: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """Checks an ID token (OpenID Connect Core 1.0, 3.1.3.7) and gives its claims."""
        rules = jwt.JWTClaimsRegistry(
            now=int(self._now().timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims  # type: ignore[arg-type]
            rules.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as bad:
            raise _refused(f"its ID token does not hold: {type(bad).__name__}") from bad
        audience, party = claims["aud"], claims.get("azp", self._client_id)
        if party != self._client_id or (isinstance(audience, list) and len(audience) > 1 and "azp" not in claims):
            raise _refused("its ID token was made for somebody else too")
        return claims


async def _read(
    client: httpx2.AsyncClient, method: str, address: str, shape: type[TokenShape], **how: Any
) -> TokenShape:
    """Asks one address and reads its JSON; Fault `unauthorized` where it is refused, `provider-failed` otherwise."""
    try:
        async with asyncio.timeout(SECONDS):  # for all of it: an answer may come octet by octet
            answer, body = await _asked(client, method, address, **how)
        if method == "POST" and answer.status_code == 400:  # RFC 6749 5.2: the code is none, or was used before
            raise _refused("it does not take the code")
        if answer.status_code != 200:
            raise _failed(f"{address} answers with status {answer.status_code}")
        return msgspec.json.decode(body, type=shape)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as trouble:
        raise _failed(f"{address} can't be asked: {type(trouble).__name__}") from trouble
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
        raise _failed(f"{address} answers with what can't be read") from bad


async def _asked(client: httpx2.AsyncClient, method: str, address: str, **how: Any) -> tuple[httpx2.Response, bytes]:
    body, head = b"", {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with client.stream(method, address, headers=head, **how) as answer:
        async for piece in answer.aiter_raw():  # as it came: a few octets may unpack to very many
            body += piece
            if len(body) > OCTETS:
                raise _failed(f"{address} answers with more than {OCTETS} octets")
    return answer, body


def _failed(why: str) -> Fault:
    return Fault(
        Kind.PROVIDER_FAILED,
        f"The OpenID Connect provider could not be used: {why}.",
        "Try again in a moment, or sign in with an API key. If it stays so, tell the operator.",
        provider="openid",
    )


def _refused(why: str) -> Fault:
    return Fault(
        Kind.UNAUTHORIZED,
        f"The OpenID Connect provider's word was not taken: {why}.",
        "Begin again at the page to sign in.",
    )
