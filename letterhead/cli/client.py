"""Requests to the HTTP API: its address, the credentials, the error envelope."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
import msgspec

from letterhead.cli.exit_codes import ApiRefused
from letterhead.cli.tables import waiting
from letterhead.cli.wording import command_words
from letterhead.errors import Fault, Kind

DEFAULT_URL = "http://127.0.0.1:8025"
SECONDS = 40.0  # a check that was asked for answers within 25 s
LOCAL = {"127.0.0.1", "::1", "localhost"}


class _ApiError(msgspec.Struct):
    code: str
    message: str
    fix: str | None = None


class _ErrorResponse(msgspec.Struct, rename="camel"):
    tracking_id: str
    error: _ApiError


def base_url() -> str:
    """Return the URL of the server."""
    return os.environ.get("LETTERHEAD_URL", "").rstrip("/") or DEFAULT_URL


def data_dir() -> Path:
    """Return the data folder of a server that was started in the working directory."""
    return Path(os.environ.get("LETTERHEAD_DATA_DIR") or "data")


def account_key() -> str:
    """Return LETTERHEAD_API_KEY, or the first key of a server that was started here; Fault `config-invalid`."""
    if key := os.environ.get("LETTERHEAD_API_KEY", "").strip():
        return key
    try:
        return (data_dir() / "first-key").read_text("ascii").strip()
    except OSError as missing:
        raise Fault(
            Kind.CONFIG_INVALID,
            "There is no API key: LETTERHEAD_API_KEY is not set, "
            f"and {data_dir() / 'first-key'} cannot be read ({missing.strerror}).",
            "export LETTERHEAD_API_KEY=lh_live_…, or run the command where the data folder of `letterhead run` lies. "
            "A lost key is replaced by the operator: letterhead accounts key ACCOUNT.",
        ) from missing


def operator_token() -> str:
    """Return LETTERHEAD_OPERATOR_TOKEN; Fault `config-invalid` where it is not set."""
    if token := os.environ.get("LETTERHEAD_OPERATOR_TOKEN", "").strip():
        return token
    raise Fault(
        Kind.CONFIG_INVALID,
        "LETTERHEAD_OPERATOR_TOKEN is not set: other accounts are the operator's business.",
        "export LETTERHEAD_OPERATOR_TOKEN=… with the token that the server was started with.",
    )


def path_of(*parts: str) -> str:
    """Return a URL path with each part percent-encoded."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


class Api:
    """A client of the API with one bearer token."""

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
        """Return the body of the response to one request.

        Raise `ApiRefused` for an error response, Fault `unreachable` or `config-invalid` where there is none.
        """
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        return self._request(method, path, body, parameters).content

    def call_all(self, path: str, query: Mapping[str, str | None]) -> bytes:
        """Return all pages of a list as one JSON array; faults as of `call`."""
        parameters = {name: value for name, value in query.items() if value is not None}
        rows: list[Any] = []
        while True:
            answer = self._request("GET", path, None, parameters)
            rows += decode_json(answer.content)
            following = answer.links.get("next")
            if following is None:
                return msgspec.json.encode(rows)
            parameters = dict(parse_qsl(urlsplit(following["url"]).query))

    def _request(
        self, method: str, path: str, body: Mapping[str, object] | None, parameters: Mapping[str, str]
    ) -> httpx2.Response:
        try:
            with waiting(f"Waiting for {self._url}"):
                answer = self._client.request(
                    method,
                    self._url + path,
                    params=dict(parameters) or None,
                    content=None if body is None else msgspec.json.encode(body),
                    headers={} if body is None else {"Content-Type": "application/json"},
                )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _new_unreachable(self._url, error) from error
        if answer.is_success:
            return answer
        try:
            envelope = msgspec.json.decode(answer.content, type=_ErrorResponse)
        except msgspec.DecodeError as error:
            raise ApiRefused(
                f"http-{answer.status_code}",
                f"The server answered {answer.status_code}, and not in the words of Letterhead.",
                "Check that LETTERHEAD_URL is the address of a Letterhead server, "
                "and what a proxy in front of it says.",
            ) from error
        refused = envelope.error
        fix = command_words(refused.fix) if refused.fix else None
        raise ApiRefused(refused.code, command_words(refused.message), fix, envelope.tracking_id)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _new_unreachable(url: str, error: Exception) -> Fault:
    fix = "Start it with `letterhead run` (in a clone: `./dev run`), or set LETTERHEAD_URL to where it runs."
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        return Fault(
            Kind.CONFIG_INVALID,
            f"LETTERHEAD_URL={url!r} is no address of a server: {error}.",
            f"Write it like {DEFAULT_URL}.",
        )
    if isinstance(error, httpx2.TimeoutException):
        return Fault(
            Kind.UNREACHABLE,
            f"The server at {url} did not answer within {SECONDS:g} s.",
            "Look at its log; ask again.",
        )
    return Fault(Kind.UNREACHABLE, f"No server answers at {url}: {error}.", fix)


def decode_json(content: bytes) -> Any:
    """Parse the JSON of a response."""
    return msgspec.json.decode(content)
