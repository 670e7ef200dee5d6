"""Requests to the API of a mail service: only GET, only to its own address, without redirects, within bounds."""

import getpass
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from letterhead.cli.dns_fields import read_file
from letterhead.cli.tables import visible, waiting
from letterhead.core.imports.services import objects
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

SECONDS: Final = 30.0
LARGEST: Final = 8 * 1024 * 1024  # octets of an answer
TRIES: Final = 8  # of one request, where the service asks for patience
LONGEST_WAIT: Final = 60.0
FIRST_WAIT: Final = 1.0

T = TypeVar("T")


def read_token(variable: str, file: Path | None) -> Secret:
    """Return a service's API key from a file, a variable or the terminal; Fault `config-invalid`."""
    token = read_file(file).strip() if file is not None else os.environ.get(variable, "").strip()
    if not token and file is None and sys.stdin.isatty() and sys.stderr.isatty():
        token = getpass.getpass(f"{variable}: ", stream=sys.stderr).strip()
    if not token or not token.isascii() or not token.isprintable():
        fix = f"Set {variable}, or name a file with --token-file."
        raise Fault(Kind.CONFIG_INVALID, "No API key of the service was given, or it is not one line of ASCII.", fix)
    return Secret(token.encode())


class ServiceClient:
    """A client of one service's API; `form` is "bearer", "basic", or the name of the header that carries the token."""

    def __init__(self, name: str, url: str, token: Secret, form: str = "bearer") -> None:
        text = reveal(token).decode()
        headers = {"bearer": {"Authorization": f"Bearer {text}"}, "basic": {}}.get(form, {form: text})
        self._name, self._url = name, url
        self._client = httpx2.Client(
            headers={"Accept": "application/json", **headers},
            auth=("api", text) if form == "basic" else None,
            timeout=SECONDS,
            follow_redirects=False,
        )

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Return the object that a request is answered with; wait where the service asks for it.

        Raise Fault `config-invalid` where the key is refused, `unreachable` for every other failure.
        """
        for attempt in range(TRIES):
            status, body, wait = self._ask(path, query or {})
            if status != 429 or attempt == TRIES - 1:
                break
            time.sleep(min(wait, LONGEST_WAIT))
        if status in (401, 403):
            detail = f"{self._name} refuses the API key (HTTP {status})."
            fix = "Use one that may list domains, of the account and the region that they are in."
            raise Fault(Kind.CONFIG_INVALID, detail, fix)
        if status != 200:
            detail = f"{self._name} answered with HTTP {status}, so nothing was imported."
            raise Fault(Kind.UNREACHABLE, detail, "Nothing was changed. Run the command again later.")
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise self.new_surprise() from None

    def _ask(self, path: str, query: Mapping[str, str | int]) -> tuple[int, bytes, float]:
        """Send one request; return its status, its body and how many seconds the service asks to wait."""
        try:
            with (
                waiting(f"Asking {self._name}"),
                self._client.stream("GET", self._url + path, params=dict(query)) as answer,
            ):
                body = b""
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        raise self.new_surprise()
                after = answer.headers.get("retry-after", "")
                return answer.status_code, body, float(after) if after.isdecimal() else FIRST_WAIT
        except httpx2.HTTPError as error:
            detail = f"{self._name} can't be reached at {self._url}: {type(error).__name__}."
            fix = "Check the network and HTTPS_PROXY of this machine. Nothing was changed."
            raise Fault(Kind.UNREACHABLE, detail, fix) from None

    def list_by_offset(
        self, path: str, query: Mapping[str, str | int], *, skip: str, objects: str, total: str
    ) -> Iterator[Mapping[str, Any]]:
        """Yield all objects of a list that is read in pages.

        `skip` is the parameter for how many are left out; `objects` and `total` are the fields of a page that have its
        objects, and how many there are in all.
        """
        offset, number = 0, 1
        while offset < number:
            page = self.get(path, {**query, skip: offset})
            listed = self.objects_of(page, objects)
            yield from listed
            offset, number = offset + len(listed), self.number_of(page, total) if listed else 0

    def objects_of(self, page: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        """Return the list of a page; Fault `unreachable` where it has none."""
        if not isinstance(page.get(name), list):
            raise self.new_surprise()
        return objects(page[name])

    def name_of(self, listed: Mapping[str, Any], field: str) -> str:
        """Return a field of a domain in a list, as a part of a path."""
        if not isinstance(listed.get(field), str | int):
            raise self.new_surprise()
        return quote(str(listed[field]), safe="")

    def number_of(self, page: Mapping[str, Any], name: str) -> int:
        """Return a number of a page; Fault `unreachable` where it has none."""
        if not isinstance(page.get(name), int):
            raise self.new_surprise()
        return int(page[name])

    def read(self, parse: Callable[[Mapping[str, Any]], T], detail: Mapping[str, Any]) -> T:
        """Parse what describes a domain; Fault `unreachable` where it is otherwise than the service documents."""
        try:
            return parse(detail)
        except (KeyError, TypeError, AttributeError):
            raise self.new_surprise() from None

    def new_surprise(self) -> Fault:
        """Make the Fault for an answer that is otherwise than the service documents."""
        detail = f"{visible(self._name)} answered otherwise than its API reference says, so nothing was imported."
        return Fault(
            Kind.UNREACHABLE, detail, "Nothing was changed. Run it again; a newer Letterhead may know the API."
        )

    def __enter__(self) -> "ServiceClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
