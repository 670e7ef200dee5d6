"""Sign-in with OpenID Connect at one provider: discovery, authorization code with PKCE, ID token, UserInfo.

Anybody can begin to sign in, so how often the provider is asked is up to us: its metadata is kept for five minutes and
its keys for one, a failure for some seconds. A token with an unknown key has the keys read again, once a minute.
"""

import asyncio
import base64
import json
import re
import warnings
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.openid_claims import (
    claim_names,
    claim_scope,
    claim_texts,
    find_claim,
    is_left_out,
    verified_domain,
    verified_email,
)
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.sign_in import Person, SignInAttempt

log = structlog.get_logger()

SECONDS: Final = 10.0
OCTETS: Final = 256 * 1024  # the longest response
METADATA_KEPT, KEYS_KEPT, FAILURE_KEPT = timedelta(minutes=5), timedelta(minutes=1), timedelta(seconds=5)
CONNECTIONS: Final = 10  # to the provider, at the same time
_ADDRESS: Final = re.compile(r"https?://[!-~]{1,2000}")
_ACCESS_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,20000}=*")  # RFC 6750 2.1
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
INVALID_CLIENT: Final = "invalid_client"  # an error of the token endpoint
GOOGLE: Final = "https://accounts.google.com"
SCOPES: Final = tuple(scope.value for scope in Scope)

TokenShape = TypeVar("TokenShape")


class Discovered(msgspec.Struct, frozen=True):
    """The provider's metadata (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    userinfo_endpoint: str | None = None


class Tokens(msgspec.Struct, frozen=True):
    """The part of the token endpoint's response that is used."""

    id_token: str
    access_token: str = ""


class TokenError(msgspec.Struct, frozen=True):
    """The part of the token endpoint's error response that is used."""

    error: str = ""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the provider: the scopes (RFC 6749 3.3), and the names of the claims that are read.

    `unless` is the scope in the account where that claim is absent. `email_domain` is the claim that says the mail
    domain; where it is None, the domain of a verified address is taken, or Google's `hd`.
    """

    scopes: tuple[str, ...] = ("openid",)
    account: str
    scope: str
    unless: Scope
    groups: str | None = None
    email_domain: str | None = None


class KeptDocument(Generic[TokenShape]):
    """A document of the provider's, read once for all who wait for it, and kept for a while; so is a failure."""

    def __init__(self, read: Callable[[], Awaitable[TokenShape]], kept: timedelta, now: Callable[[], datetime]) -> None:
        self._read, self._kept_for, self._now = read, kept, now
        self._reading = asyncio.Lock()
        self._document: TokenShape | None = None
        self._fault: Fault | None = None
        self._read_at: datetime | None = None

    async def get(self, *, not_older: timedelta | None = None) -> TokenShape:
        """Return the document, which is at most `not_older` or as old as documents are kept; raise Fault."""
        async with self._reading:
            kept = self._kept_for if not_older is None else not_older
            if self._fault is not None:
                kept = FAILURE_KEPT
            # A clock that was put back makes a document too young.
            if self._read_at is None or abs(self._now() - self._read_at) >= kept:
                self._document, self._fault = None, None
                try:
                    self._document = await self._read()
                except Fault as fault:
                    self._fault = fault
                self._read_at = self._now()
            if self._fault is not None or self._document is None:
                raise self._fault or _failed("it said nothing")
            return self._document


class OpenIdProvider:
    """The implementation of `SignIn` at one provider; `aclose` it at the end."""

    def __init__(
        self, issuer: str, client_id: str, secret: Secret, claims: Claims, *, now: Callable[[], datetime]
    ) -> None:
        self._issuer, self._client_id, self._secret, self._claims = issuer, client_id, secret, claims
        self._now = now
        self._open_client: httpx2.AsyncClient | None = None
        self._metadata = KeptDocument(self._discover, METADATA_KEPT, now)
        self._keys = KeptDocument(self.read_keys, KEYS_KEPT, now)
        self._keys_asked_again: datetime | None = None

    async def address(self, attempt: SignInAttempt) -> str:
        """Return the authorization endpoint's URL to redirect a browser to; raise Fault `provider-failed`."""
        found = await self._metadata.get()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": attempt.back,
            "scope": " ".join(self._claims.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{found.authorization_endpoint}{'&' if '?' in found.authorization_endpoint else '?'}{urlencode(query)}"

    async def person(self, attempt: SignInAttempt, code: str) -> Person:
        """Exchange a code for the person who signed in; raise Fault `unauthorized` or `provider-failed`."""
        found = await self._metadata.get()
        tokens = await self._exchange_code(found, attempt, code)
        keys = await self._keys.get()
        if not has_key(keys, tokens.id_token) and self.may_ask_again():
            keys = await self._keys.get(not_older=timedelta())
        claims = self._verify_token(tokens.id_token, keys, attempt.nonce)
        if any(find_claim(claims, name) is None for name in self._wanted):
            claims = await self._add_userinfo(found, tokens, claims)
        try:
            scope = claim_scope(find_claim(claims, self._claims.scope)) or self._claims.unless
        except ValueError as bad:
            why = f"its claim {self._claims.scope!r} is none of {', '.join(SCOPES)}"
            raise _refused("scope-invalid", why, claims) from bad
        groups, domain = self._claims.groups, self._claims.email_domain
        if domain is None and self._issuer == GOOGLE:
            domain = "hd"
        return Person(
            issuer=self._issuer,
            subject=str(claims["sub"]),
            account_ids=claim_texts(find_claim(claims, self._claims.account)),
            scope=scope,
            email=verified_email(claims),
            email_domain=verified_domain(claims, domain),
            groups=() if groups is None else claim_texts(find_claim(claims, groups)),
            groups_left_out=groups is not None and is_left_out(claims, groups),
            claim_names=claim_names(claims),
        )

    @property
    def _wanted(self) -> list[str]:
        """The claims for which UserInfo is asked where the ID token lacks them."""
        asked = self._claims
        more = ["email", "email_verified"] if "email" in asked.scopes else []
        return [asked.account, asked.scope, *(name for name in (asked.groups, asked.email_domain) if name), *more]

    async def _add_userinfo(self, found: Discovered, tokens: Tokens, claims: dict[str, Any]) -> dict[str, Any]:
        """Add what the UserInfo endpoint says of the same person, where there is one; the ID token's word counts first.

        Raise Fault `unauthorized` where it speaks of somebody else (OpenID Connect Core 1.0, 5.3.2), `provider-failed`.
        """
        if found.userinfo_endpoint is None:
            return claims
        if not _ACCESS_TOKEN.fullmatch(tokens.access_token):
            raise _failed("it gave no access token to ask for the person's claims with")
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        more = await _read(self._client, "GET", found.userinfo_endpoint, dict[str, Any], headers=bearer)
        if more.get("sub") != claims["sub"]:
            raise _refused("userinfo-of-another", "its UserInfo is about somebody else than its ID token", claims)
        return more | claims

    def may_ask_again(self) -> bool:
        """Tell whether the keys may be read before their time, and note that they are."""
        now = self._now()
        if self._keys_asked_again is not None and abs(now - self._keys_asked_again) < KEYS_KEPT:
            return False
        self._keys_asked_again = now
        return True

    @property
    def _client(self) -> httpx2.AsyncClient:
        if self._open_client is None:  # made on first use: its TLS context takes 20 ms of CPU
            limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=2, keepalive_expiry=30)
            # No redirects: code and secret go to the addresses that discovery named, and to no other.
            self._open_client = httpx2.AsyncClient(
                timeout=SECONDS, follow_redirects=False, trust_env=False, limits=limits
            )
        return self._open_client

    async def aclose(self) -> None:
        """Close the connections to the provider."""
        if self._open_client is not None:
            await self._open_client.aclose()

    async def read_keys(self) -> dict[str, Any]:
        return await _read(self._client, "GET", (await self._metadata.get()).jwks_uri, dict[str, Any])

    async def _discover(self) -> Discovered:
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await _read(self._client, "GET", place, Discovered)
        ends = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri]
        if found.userinfo_endpoint is not None:
            ends.append(found.userinfo_endpoint)
        if not all(_ADDRESS.fullmatch(end) for end in ends):  # a browser is redirected there: no line break, no script
            raise _failed(f"{place} names what is no address")
        if found.issuer != self._issuer:  # Discovery 4.3: identical, or somebody poses as the provider
            raise _failed(f"{place} speaks for {found.issuer[:200]!r} instead of {self._issuer!r}")
        if urlsplit(self._issuer).scheme == "https" and any(not end.startswith("https://") for end in ends):
            raise _failed(f"{place} names an address that is not https")
        return found

    async def _exchange_code(self, found: Discovered, attempt: SignInAttempt, code: str) -> Tokens:
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
            return await _read(self._client, "POST", found.token_endpoint, Tokens, data=form, auth=auth)
        form |= {"client_id": self._client_id, "client_secret": secret}
        return await _read(self._client, "POST", found.token_endpoint, Tokens, data=form)

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
            with warnings.catch_warnings():
                # `EdDSA` got a new name (RFC 9864); as providers write it, it is what it was.
                warnings.simplefilter("ignore", SecurityWarning)
                claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims  # type: ignore[arg-type]
            rules.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as bad:
            raise _refused("token-invalid", f"its ID token does not hold: {type(bad).__name__}") from bad
        audience, party = claims["aud"], claims.get("azp", self._client_id)
        if party != self._client_id or (isinstance(audience, list) and len(audience) > 1 and "azp" not in claims):
            raise _refused("token-audience", "its ID token was made for somebody else too", claims)
        return claims


def has_key(keys: Mapping[str, Any], token: str) -> bool:
    """Tell whether the key that a token's header names is there; true where it names none, or can't be read."""
    try:
        wanted = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "==")).get("kid")
        return wanted is None or any(each.get("kid") == wanted for each in keys["keys"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return True  # which is refused when the token is verified


async def _read(
    client: httpx2.AsyncClient,
    method: str,
    address: str,
    shape: type[TokenShape],
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> TokenShape:
    """Send a request and decode its JSON response.

    Raise Fault `unauthorized` where the code is refused, `provider-failed` otherwise.
    """
    try:
        async with asyncio.timeout(SECONDS):  # for all of it: an answer may come octet by octet
            body, sent = b"", {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
            async with client.stream(method, address, headers=sent, **options) as response:
                async for piece in response.aiter_raw():  # as it came: a few octets may unpack to very many
                    body += piece
                    if len(body) > OCTETS:
                        raise _failed(f"{address} answers with more than {OCTETS} octets")
        if method == "POST" and response.status_code in (400, 401):  # RFC 6749 5.2
            error = msgspec.json.decode(body, type=TokenError).error if response.status_code == 400 else INVALID_CLIENT
            if error in (INVALID_CLIENT, "unauthorized_client"):
                log.warning("openid.refused", code="client-refused", error=error)
                raise _failed(f"{address} does not take this installation's client id and secret")
            raise _refused("code-refused", "it does not take the code")  # which is none, or was used before
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


def _refused(code: str, why: str, claims: Mapping[str, object] | None = None) -> Fault:
    """Log a refusal, with the person and the names of the claims once a token was verified, and return its fault."""
    known = {"subject": str(claims["sub"])[:200], "claims": claim_names(claims)} if claims else {}
    log.warning("openid.refused", code=code, **known)
    return Fault(
        Kind.UNAUTHORIZED,
        f"The OpenID Connect provider's word was not taken: {why}.",
        "Begin again at the page to sign in. If it stays so, tell the operator the code and the number below.",
        provider="openid",
        provider_code=code,
    )
