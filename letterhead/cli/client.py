"""Knows how to speak to the HTTP API: address, key, envelope. Refuses to know what a domain is."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from letterhead.cli.exit_codes import ApiRefused
from letterhead.errors import Fault, Kind

DEFAULT_URL = "http://127.0.0.1:8025"
SECONDS = 40.0  # a check that was asked for answers within 25 s
LOCAL = {"127.0.0.1", "::1", "localhost"}


class _Error(msgspec.Struct):
    code: str
    message: str
    fix: str | None = None


class _Envelope(msgspec.Struct, rename="camel"):
    tracking_id: str
    error: _Error


def base_url() -> str:
    """Says which server the command speaks to."""
    return os.environ.get("LETTERHEAD_URL", "").rstrip("/") or DEFAULT_URL


def data_dir() -> Path:
    """Says where a server started here keeps its files."""
    return Path(os.environ.get("LETTERHEAD_DATA_DIR") or "data")


def account_key() -> str:
    """Finds the API key: LETTERHEAD_API_KEY, or the first key of a server that was started in this folder."""
    if key := os.environ.get("LETTERHEAD_API_KEY", "").strip():
        return key
    try:
        return (data_dir() / "first-key").read_text("ascii").strip()
    except OSError as missing:
        raise Fault(
            Kind.CONFIG_INVALID,
            "There is no API key: LETTERHEAD_API_KEY is not set, "
            f"and {data_dir() / 'first-key'} cannot be read ({missing.strerror}).",
            "export LETTERHEAD_API_KEY=lh_live_…, or run the command where the data folder of `letterhead run` lies.",
        ) from missing


def operator_token() -> str:
    """Finds the operator's token."""
    if token := os.environ.get("LETTERHEAD_OPERATOR_TOKEN", "").strip():
        return token
    raise Fault(
        Kind.CONFIG_INVALID,
        "LETTERHEAD_OPERATOR_TOKEN is not set: accounts are the operator's business.",
        "export LETTERHEAD_OPERATOR_TOKEN=… with the token that the server was started with.",
    )


def path_of(*parts: str) -> str:
    """Writes a path with each part encoded, whatever is in it."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


class Api:
    """Sends requests with one bearer token, and gives the body of what went well."""

    def __init__(self, token: str) -> None:
        self._url = base_url()
        local = urlsplit(self._url).hostname in LOCAL
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=SECONDS,
            trust_env=not local,  # a proxy from the environment cannot know this machine's own server
        )

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str | None] | None = None,
    ) -> bytes:
        """Sends one request; `Refused` where the API says no, Fault `unreachable` where nobody answers."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = self._client.request(
                method,
                self._url + path,
                params=asked or None,
                content=None if body is None else msgspec.json.encode(body),
                headers={} if body is None else {"Content-Type": "application/json"},
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as trouble:
            raise _unreachable(self._url, trouble) from trouble
        if answer.is_success:
            return answer.content
        raise _refused(answer.status_code, answer.content)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _unreachable(url: str, trouble: Exception) -> Fault:
    fix = "Start it with `letterhead run` (in a clone: `./dev run`), or set LETTERHEAD_URL to where it runs."
    if isinstance(trouble, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        return Fault(
            Kind.CONFIG_INVALID,
            f"LETTERHEAD_URL={url!r} is no address of a server: {trouble}.",
            f"Write it like {DEFAULT_URL}.",
        )
    if isinstance(trouble, httpx2.TimeoutException):
        return Fault(
            Kind.UNREACHABLE,
            f"The server at {url} did not answer within {SECONDS:g} s.",
            "Look at its log; ask again.",
        )
    return Fault(Kind.UNREACHABLE, f"No server answers at {url}: {trouble}.", fix)


def _refused(status: int, content: bytes) -> ApiRefused:
    try:
        envelope = msgspec.json.decode(content, type=_Envelope)
    except msgspec.DecodeError:
        return ApiRefused(
            f"http-{status}",
            f"The server answered {status}, and not in the words of Letterhead.",
            "Check that LETTERHEAD_URL is the address of a Letterhead server, and what a proxy in front of it says.",
        )
    error = envelope.error
    return ApiRefused(error.code, error.message, error.fix, envelope.tracking_id)


def decode_json(content: bytes) -> Any:
    """Reads JSON that the API answered."""
    return msgspec.json.decode(content)
