"""Run a small real OpenID Connect provider over HTTP: discovery, authorization with PKCE, one-time codes, own keys."""

import base64
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT_ID, SECRET = "letterhead", "a secret/with+odd:characters"
ACCESS_TOKEN = "an.access~token/of+one_person=="


@dataclass(slots=True)
class OpenId:
    """The provider: `claims` overrule those of its tokens (None leaves one away), `header` and `key` likewise.

    `userinfo` is what it says there besides the subject; None is no such endpoint.
    """

    url: str
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    header: dict[str, Any] = field(default_factory=dict)
    key: RSAKey | OctKey | None = None
    discovery: dict[str, Any] = field(default_factory=dict)
    raw: bytes | None = None  # the whole of every answer to GET, octet for octet
    drip: float = 0.0  # seconds between the octets of that
    own_key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)  # times that each of its documents was asked for

    def metadata(self) -> dict[str, Any]:
        """Say of itself what Discovery wants."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **({} if self.userinfo is None else {"userinfo_endpoint": f"{self.url}/userinfo"}),
            **self.discovery,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Sign the person in at once, and return the address that leads back."""
        assert (asked["response_type"], asked["client_id"], asked["tenant"]) == ("code", CLIENT_ID, "1")
        assert asked["code_challenge_method"] == "S256"
        assert asked["scope"].split()[0] == "openid"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Exchange a code once, for the client that it was made for and who holds the verifier."""
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

    def person(self, authorization: str) -> tuple[int, dict[str, Any]]:
        """Tell of the person whose access token came."""
        if self.userinfo is None or authorization != f"Bearer {ACCESS_TOKEN}":
            return 401, {}
        return 200, {"sub": self.claims.get("sub", "ada")} | self.userinfo

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if "client_secret" in form:
            return (form["client_id"], form["client_secret"]) == (CLIENT_ID, SECRET)
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return (unquote(user), unquote(password)) == (CLIENT_ID, SECRET)

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "sub": "ada", "iat": now, "exp": now + 300, "nonce": nonce}
        told = {name: value for name, value in (claims | self.claims).items() if value is not None}
        header = {"alg": "RS256", "kid": "k1"} | self.header
        if header["alg"] == "none":
            parts = (json.dumps(each).encode() for each in (header, told))
            return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts) + "."
        return jwt.encode(header, told, self.key or self.own_key, algorithms=[header["alg"]])


class _Handler(BaseHTTPRequestHandler):
    provider: OpenId

    def do_GET(self) -> None:
        if self.provider.raw is not None:
            self._drip(self.provider.raw)
            return
        url = urlsplit(self.path)
        if url.path != "/authorize":
            self.provider.asked[url.path] += 1
        match url.path:
            case "/.well-known/openid-configuration":
                self._answer(200, self.provider.metadata())
            case "/keys":
                self._answer(200, {"keys": [self.provider.own_key.as_dict(private=False), {"kty": "new"}]})
            case "/userinfo":
                self._answer(*self.provider.person(self.headers.get("authorization", "")))
            case "/authorize":
                self.send_response(302)
                self.send_header("Location", self.provider.authorize(dict(parse_qsl(url.query))))
                self.send_header("Content-Length", "0")
                self.end_headers()
            case _:
                self._answer(404, {})

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        self._answer(*self.provider.token(form, self.headers.get("authorization", "")))

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, octets: bytes) -> None:
        step = 1 if self.provider.drip else len(octets)
        with suppress(OSError):  # whoever asked has given up
            for at in range(0, len(octets), step):
                self.wfile.write(octets[at : at + step])
                time.sleep(self.provider.drip)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def providing() -> Iterator[OpenId]:
    """Run a provider on this machine until the block ends."""

    class Handler(_Handler):
        provider = OpenId(url="")

    provider = Handler.provider
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
