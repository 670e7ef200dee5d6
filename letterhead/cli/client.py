"""Requests to the HTTP API: its address, the credentials, the error envelope."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import msgspec

from letterhead.cli.exit_codes import ApiRefused
from letterhead.cli.tables import waiting
from letterhead.cli.wording import command_words
from letterhead.core.secret import reveal
from letterhead.errors import Fault, Kind

DEFAULT_URL = "http://127.0.0.1:8025"
PRIVATE = ("privateDKIMKey", "privateEd25519Key")
SECONDS = 40.0  # a check that was asked for answers within 25 s
NOT_MODIFIED = 304
QueryValue = str | Sequence[str]  # of a parameter that is there once, or several times
LOCAL = {"127.0.0.1", "::1", "localhost"}


class _ApiError(msgspec.Struct):
    code: str
    message: str
    fix: str | None = None


class _ErrorResponse(msgspec.Struct, rename="camel"):
    tracking_id: str
    error: _ApiError


def base_url() -> str:
    """Return LETTERHEAD_URL, else where the server of this machine listens, as far as this user may know it."""
    if url := os.environ.get("LETTERHEAD_URL", "").rstrip("/"):
        return url
    try:
        return own_url()
    except Fault:  # the settings are not for everybody to read
        return DEFAULT_URL


def own_url() -> str:
    """Return where the server of this machine's settings listens; Fault `config-invalid`."""
    from letterhead import config
    from letterhead.cli.process import address

    return address(config.bind(os.environ, Path(), config.SYSTEM_FILE))


def refuse_clear_text(what: str, undone: str) -> None:
    """Refuse to send a secret to another machine without TLS; Fault `config-invalid`.

    `what` would go there, and `undone` is what was not done.
    """
    url = urlsplit(base_url())
    if url.scheme == "http" and url.hostname not in LOCAL:
        detail = f"{what} would go to {base_url()} in clear, so {undone}."
        fix = "Set LETTERHEAD_URL to an address with https://, or run the command on the server's own machine."
        raise Fault(Kind.CONFIG_INVALID, detail, fix)


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
    """Return LETTERHEAD_OPERATOR_TOKEN, or what its file holds; else that of the settings, for their server alone.

    Fault `config-invalid` where none is set, where this user may not read the settings, or for another server.
    """
    from letterhead import config

    if token := os.environ.get("LETTERHEAD_OPERATOR_TOKEN", "").strip():
        return token
    if file := os.environ.get("LETTERHEAD_OPERATOR_TOKEN_FILE", "").strip():
        return config.read_value("OPERATOR_TOKEN", Path(file))
    url = base_url()
    is_local = url.startswith("unix:") or urlsplit(url).hostname in LOCAL
    if is_local and (kept := config.operator_token(os.environ, Path(), config.SYSTEM_FILE)):
        if url == (own := own_url()):
            return reveal(kept).decode()
        raise Fault(  # anybody on this machine may listen on another port
            Kind.CONFIG_INVALID,
            f"LETTERHEAD_OPERATOR_TOKEN is not set, and the token of the settings is for their own server, {own}: "
            f"LETTERHEAD_URL is {url}.",
            "Unset LETTERHEAD_URL, or set LETTERHEAD_BIND in the settings to where the server listens, or "
            "export LETTERHEAD_OPERATOR_TOKEN=… to show it to that server.",
        )
    raise Fault(
        Kind.CONFIG_INVALID,
        "This command is the operator's alone, and LETTERHEAD_OPERATOR_TOKEN is not set.",
        "export LETTERHEAD_OPERATOR_TOKEN=… with the token that the server was started with. On the server's own "
        "machine the command finds it in the settings, where its user may read them.",
    )


def path_of(*parts: str) -> str:
    """Return a URL path with each part percent-encoded."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def http_client(url: str, **options: Any) -> httpx2.Client:
    """Return a client of the server at a URL, or at `unix:` and the path of its socket."""
    if url.startswith("unix:"):
        transport = httpx2.HTTPTransport(uds=url.removeprefix("unix:"))
        return httpx2.Client(base_url="http://localhost", transport=transport, **options)
    # A proxy from the environment cannot know this machine's own server.
    return httpx2.Client(base_url=url, trust_env=urlsplit(url).hostname not in LOCAL, **options)


class Api:
    """A client of the API with one bearer token, which waits at most so many seconds for an answer."""

    def __init__(self, token: str, seconds: float = SECONDS) -> None:
        self._url = base_url()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            self._client = http_client(self._url, headers=headers, timeout=seconds)
        except (httpx2.InvalidURL, ValueError) as error:
            raise _new_unreachable(self._url, error) from error

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, QueryValue | None] | None = None,
    ) -> bytes:
        """Return the body of the response to one request.

        Raise `ApiRefused` for an error response, Fault `unreachable` or `config-invalid` where there is none.
        """
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        return self._request(method, path, body, parameters).content

    def call_if_changed(self, path: str, query: Mapping[str, str], tag: str | None) -> tuple[bytes | None, str | None]:
        """Return the body of a response and its ETag; no body where the one with the ETag `tag` is still the same."""
        headers = {} if tag is None else {"If-None-Match": tag}
        answer = self._request("GET", path, None, query, headers)
        body = None if answer.status_code == NOT_MODIFIED else answer.content
        return body, answer.headers.get("etag", tag)

    def call_all(self, path: str, query: Mapping[str, QueryValue | None]) -> bytes:
        """Return all pages of a list as one JSON array; faults as of `call`."""
        rows: list[Any] = []
        for page in self.pages(path, query):
            rows += decode_json(page)
        return msgspec.json.encode(rows)

    def pages(self, path: str, query: Mapping[str, QueryValue | None]) -> Iterator[bytes]:
        """Yield the body of each page of a list; faults as of `call`."""
        parameters: Mapping[str, QueryValue] = {name: value for name, value in query.items() if value is not None}
        while True:
            answer = self._request("GET", path, None, parameters)
            yield answer.content
            following = answer.links.get("next")
            if following is None:
                return
            parameters = parse_qs(urlsplit(following["url"]).query)

    def stream(self, method: str, path: str, body: Mapping[str, object]) -> Iterator[bytes]:
        """Yield the body of a response as it comes; faults as of `call`, and `unreachable` where it breaks off."""
        headers, content = {"Content-Type": "application/json"}, msgspec.json.encode(body)
        try:
            with self._client.stream(method, path, content=content, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _new_refusal(answer)
                yield from answer.iter_bytes()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _new_unreachable(self._url, error) from error

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        parameters: Mapping[str, QueryValue],
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        try:
            with waiting(f"Waiting for {self._url}"):
                answer = self._client.request(
                    method,
                    path,
                    params=dict(parameters) or None,
                    content=None if body is None else msgspec.json.encode(body),
                    headers=dict(headers or {}) | ({} if body is None else {"Content-Type": "application/json"}),
                )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _new_unreachable(self._url, error) from error
        if answer.is_success or answer.status_code == NOT_MODIFIED:
            return answer
        raise _new_refusal(answer)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _new_refusal(answer: httpx2.Response) -> ApiRefused:
    """Make what is raised for an error response whose body was read."""
    try:
        envelope = msgspec.json.decode(answer.content, type=_ErrorResponse)
    except msgspec.DecodeError:
        return ApiRefused(
            f"http-{answer.status_code}",
            f"The server answered {answer.status_code}, and not in the words of Letterhead.",
            "Check that LETTERHEAD_URL is the address of a Letterhead server, and what a proxy in front of it says.",
        )
    refused = envelope.error
    fix = command_words(refused.fix) if refused.fix else None
    return ApiRefused(refused.code, command_words(refused.message), fix, envelope.tracking_id)


def _new_unreachable(url: str, error: Exception) -> Fault:
    fix = "Start it with `letterhead run` (in a clone: `./dev run`), or set LETTERHEAD_URL to where it runs."
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol | ValueError):
        return Fault(
            Kind.CONFIG_INVALID,
            f"LETTERHEAD_URL={url!r} is no address of a server: {error}.",
            f"Write it like {DEFAULT_URL}, or unix:/run/letterhead/letterhead.sock.",
        )
    if isinstance(error, httpx2.TimeoutException):
        return Fault(
            Kind.UNREACHABLE,
            f"The server at {url} did not answer in time.",
            "Look at its log; ask again.",
        )
    return Fault(Kind.UNREACHABLE, f"No server answers at {url}: {error}.", fix)


def decode_json(content: bytes) -> Any:
    """Parse the JSON of a response."""
    return msgspec.json.decode(content)


def domain_text(answer: bytes, private_keys: bool = False) -> str:
    """Return a response as text, without private keys unless they were asked for: terminals keep what is printed."""
    if private_keys:
        return answer.decode()
    found = decode_json(answer)
    for domain in found if isinstance(found, list) else [found]:
        for name in PRIVATE:
            domain.pop(name, None)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))
