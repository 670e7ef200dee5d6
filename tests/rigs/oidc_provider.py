"""Run npm's oidc-provider, a certified OpenID Connect provider, whose claims are sent as well-known providers do."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import httpx2

from tests.rigs.npm import LOCKED, npm_packages
from tests.rigs.openid import CLIENT_ID, SECRET
from tests.rigs.processes import Server, free_port, program

_FORM = re.compile(r'<form[^>]* action="([^"]+)" method="post">(.*?)</form>', re.DOTALL)
_CANCEL = re.compile(r'href="([^"]+/abort)"')
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="(\w+)"')


@dataclass(frozen=True)
class Sending:
    """How a provider sends claims: which claims each scope brings, and where.

    With `userinfo` they are in UserInfo alone, as the standard has it for this flow (OpenID Connect Core 1.0, 5.4).
    """

    claims: Mapping[str, list[str]]
    userinfo: bool = False
    client: Mapping[str, Any] = field(default_factory=dict)  # what the client is registered with besides
    more: Mapping[str, Any] = field(default_factory=dict)  # further settings of oidc-provider


@dataclass(frozen=True)
class OidcProvider:
    """The address of a provider, which is started when the client's is known."""

    host: str = "127.0.0.1"
    port: int = field(default_factory=lambda: free_port("127.0.0.1"))

    @property
    def url(self) -> str:
        """Its address, as it is written everywhere: a browser takes another host for another site."""
        return f"http://{self.host}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of an installation that trusts it."""
        return {
            "OIDC_ISSUER": self.url,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": SECRET,
        }

    @contextmanager
    def running(self, folder: Path, client: str, sending: Sending, people: Mapping[str, Any]) -> Iterator[Server]:
        """Run it for a client at an address; `people` are the claims of each `sub`."""
        registered = {
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "redirect_uris": [f"{client}/sign-in/openid/back"],
            **sending.client,
        }
        more = {"claims": sending.claims, "conformIdTokenClaims": sending.userinfo, **sending.more}
        given = {
            "packages": str(npm_packages("oidc-provider")),
            "url": self.url,
            "client": registered,
            "people": people,
            "more": more,
        }
        script = LOCKED / "oidc-provider" / "provider.mjs"
        server = Server([program("node"), script, json.dumps(given)], folder / f"oidc-provider-{self.port}.log")
        try:
            server.wait_until(self._listens)
            yield server
        finally:
            server.stop()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


async def signed_in_at(address: str, sub: str | None, client: str) -> str:
    """Sign a person in on the provider's pages and agree to all that the client asks; return the address back.

    Nobody (None) cancels instead.
    """
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=20) as browser:
        answer = await browser.get(address)
        for _ in range(20):
            if answer.has_redirect_location:
                address = str(answer.url.join(answer.headers["location"]))
                if address.startswith(f"{client}/"):
                    return address
                answer = await browser.get(address)
                continue
            form, cancel = _FORM.search(answer.text), _CANCEL.search(answer.text)
            assert form is not None, answer.text
            assert cancel is not None, answer.text
            if sub is None:
                answer = await browser.get(unescape(cancel[1]))
                continue
            fields = dict(_HIDDEN.findall(form[2])) | {"login": sub, "password": "any"}
            answer = await browser.post(unescape(form[1]), data=fields)
    raise AssertionError(f"{answer.url} leads nowhere")
