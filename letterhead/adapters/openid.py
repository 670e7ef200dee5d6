"""Sign-in with OpenID Connect at one provider: discovery, authorization code with PKCE, ID token.

Nothing is cached between two sign-ins, the provider's keys included: they are rare, and keys change.
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
OCTETS: Final = 256 * 1024  # the longest response
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
    """The provider's metadata (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True):
    """The part of the token endpoint's response that is used."""

    id_token: str


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the ID token's claims for account and scope; `unless` is the scope where the claim is absent."""

    account: str
    scope: str
    unless: Scope


class OpenIdProvider:
    """The implementation of `SignIn` at one provider."""

    def __init__(
        self, issuer: str, client_id: str, secret: Secret, claims: Claims, *, now: Callable[[], datetime]
    ) -> None:
        self._issuer, self._client_id, self._secret, self._claims = issuer, client_id, secret, claims
        self._now = now

    async def address(self, attempt: SignInAttempt) -> str:
        """Return the authorization endpoint's URL to redirect a browser to; raise Fault `provider-failed`."""
        async with self._client() as client:
            found = await self._discover(client)
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": attempt.back,
            "scope": "openid",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{found.authorization_endpoint}{'&' if '?' in found.authorization_endpoint else '?'}{urlencode(query)}"

    async def person(self, attempt: SignInAttempt, code: str) -> Person:
        """Exchange a code for the person who signed in; raise Fault `unauthorized` or `provider-failed`."""
        async with self._client() as client:
            found = await self._discover(client)
            tokens = await self._exchange_code(client, found, attempt, code)
            keys = await _read(client, "GET", found.jwks_uri, dict[str, Any])
        claims = self._verify_token(tokens.id_token, keys, attempt.nonce)
        account_id, scope = claims.get(self._claims.account), claims.get(self._claims.scope)
        if scope is None:
            scope = self._claims.unless.value
        if scope not in SCOPES:  # never a guessed scope, which would be more than the provider gave, or less
            raise _refused(f"its claim {self._claims.scope!r} is none of {', '.join(SCOPES)}")
        return Person(
            subject=str(claims["sub"]),
            account_id=account_id if isinstance(account_id, str) else None,
            scope=Scope(scope),
        )

    def _client(self) -> httpx2.AsyncClient:
        # No redirects: code and secret go to the addresses that discovery named, and to no other.
        return httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False)

    async def _discover(self, client: httpx2.AsyncClient) -> Discovered:
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await _read(client, "GET", place, Discovered)
        ends = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        if not all(_ADDRESS.fullmatch(end) for end in ends):  # a browser is redirected there: no line break, no script
            raise _failed(f"{place} names what is no address")
        if found.issuer != self._issuer:  # Discovery 4.3: identical, or somebody poses as the provider
            raise _failed(f"{place} speaks for {found.issuer[:200]!r} instead of {self._issuer!r}")
        if urlsplit(self._issuer).scheme == "https" and any(not end.startswith("https://") for end in ends):
            raise _failed(f"{place} names an address that is not https")
        return found

    async def _exchange_code(
        self, client: httpx2.AsyncClient, found: Discovered, attempt: SignInAttempt, code: str
    ) -> Tokens:
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

    def _verify_token(self, token: str, keys: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """Verify an ID token (OpenID Connect Core 1.0, 3.1.3.7) and return its claims; raise Fault `unauthorized`."""
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
    client: httpx2.AsyncClient, method: str, address: str, shape: type[TokenShape], **options: Any
) -> TokenShape:
    """Send a request and decode its JSON response.

    Raise Fault `unauthorized` where the code is refused, `provider-failed` otherwise.
    """
    try:
        async with asyncio.timeout(SECONDS):  # for all of it: an answer may come octet by octet
            body, accept = b"", {"Accept": "application/json", "Accept-Encoding": "identity"}
            async with client.stream(method, address, headers=accept, **options) as response:
                async for piece in response.aiter_raw():  # as it came: a few octets may unpack to very many
                    body += piece
                    if len(body) > OCTETS:
                        raise _failed(f"{address} answers with more than {OCTETS} octets")
        if method == "POST" and response.status_code == 400:  # RFC 6749 5.2: the code is none, or was used before
            raise _refused("it does not take the code")
        if response.status_code != 200:
            raise _failed(f"{address} answers with status {response.status_code}")
        return msgspec.json.decode(body, type=shape)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        raise _failed(f"{address} can't be asked: {type(error).__name__}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
        raise _failed(f"{address} answers with what can't be read") from bad


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
