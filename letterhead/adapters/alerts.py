"""Alerts by Apprise: it writes the request for each service and reads the answer, and we make the connection.

Apprise's modules of the services call `requests`. In these modules alone that name is replaced by a stand-in, which
sends each request over `pinned_connections`: to a public address that was checked, without redirects, proxies, cookies
or files of the environment, and with limits of time and size. Nothing else of Apprise is used: neither its other
services, some of which run commands or read files, nor its configuration, templates or attachments.
"""

import asyncio
import importlib
import importlib.util
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import cache
from typing import Any, Final

import httpcore2

from letterhead.adapters.pinned_connections import PinnedHttp, PrivateAddress, Resolve
from letterhead.core.accounts.alert_channels import channel_scheme, refused_url
from letterhead.core.public.webhooks import EgressPolicy, parse_target
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.alerts import AlertResult
from letterhead.ports.mail import DeliveryResult

SECONDS: Final = 15.0  # for all of one alert: names, connections, TLS, requests, answers
OCTETS: Final = 64 * 1024  # of an answer
MOST_REQUESTS: Final = 3  # of one alert: some services are asked again after "too many requests"
THREADS: Final = 16  # each alert takes one, for SECONDS at most
PLUGINS: Final = {
    "slack": ("slack", "NotifySlack"),
    "workflows": ("workflows", "NotifyWorkflows"),
    "discord": ("discord", "NotifyDiscord"),
    "tgram": ("telegram", "NotifyTelegram"),
    "pagerduty": ("pagerduty", "NotifyPagerDuty"),
    "ntfy": ("ntfy", "NotifyNtfy"),
    "ntfys": ("ntfy", "NotifyNtfy"),
}
_OURS: Final = frozenset({"host", "connection", "accept-encoding", "user-agent", "content-length", "transfer-encoding"})


def is_installed() -> bool:
    """Whether Apprise is here, which the extra `alerts` brings."""
    return importlib.util.find_spec("apprise") is not None


class _Sending:
    """One alert on its way: the requests that Apprise makes for it, and how the last one ended."""

    def __init__(self, http: PinnedHttp, egress: EgressPolicy, seconds: float) -> None:
        self._http, self._egress = http, egress
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._left = MOST_REQUESTS
        self.result, self.said = DeliveryResult.REFUSED, "no request could be made of its address"

    def perform(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Send a request from Apprise's thread; raise OSError where it does not get through."""
        return asyncio.run_coroutine_threadsafe(self._perform(method, url, headers, body), self._loop).result()

    async def _perform(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self._left -= 1
        if self._left < 0:
            raise self._failed(DeliveryResult.LATER, "it wants more requests than one alert may make")
        try:
            target = parse_target(url, self._egress)
        except Fault as fault:
            why = {
                Kind.WEBHOOK_NOT_HTTPS: "its address is not of HTTPS",
                Kind.WEBHOOK_NOT_PUBLIC: "its host is not public",
            }
            raise self._failed(DeliveryResult.REFUSED, why.get(fault.kind, "its address is no URL")) from fault
        fields = {name: value for name, value in headers.items() if name.lower() not in _OURS}
        try:
            async with asyncio.timeout_at(self._until):
                fields["Content-Length"] = str(len(body))
                async with self._http.request(method, target, fields, body) as response:
                    octets = b""
                    async for chunk in response.aiter_stream():
                        octets += chunk
                        if len(octets) > OCTETS:
                            raise self._failed(DeliveryResult.UNKNOWN, f"it answered more than {OCTETS // 1024} KB")
        except TimeoutError as error:
            # It may have been taken: what is sent once more could arrive twice.
            raise self._failed(DeliveryResult.UNKNOWN, "no whole answer in time") from error
        except PrivateAddress as error:
            raise self._failed(DeliveryResult.REFUSED, "its host leads to an address that is not public") from error
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            raise self._failed(DeliveryResult.LATER, type(error).__name__) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            raise self._failed(DeliveryResult.UNKNOWN, type(error).__name__) from error
        self._note(response.status)
        return response.status, octets

    def _failed(self, result: DeliveryResult, said: str) -> OSError:
        self.result, self.said = result, said
        return ConnectionError(said)

    def _note(self, status: int) -> None:
        self.said = f"it answered {status}"
        if 300 <= status < 400:
            self.said += ", a redirect, which is not followed"
        is_for_now = status in (408, 425, 429) or status >= 500
        self.result = DeliveryResult.LATER if is_for_now else DeliveryResult.REFUSED


_sending: ContextVar[_Sending] = ContextVar("sending")


class PinnedRequests:
    """What stands in for the package `requests` in Apprise's modules: as much of it as these use."""

    def __init__(self) -> None:
        import requests  # of the extra

        self._requests: Any = requests
        self.codes = requests.codes
        self.exceptions = requests.exceptions
        self.RequestException = requests.RequestException

    def request(self, method: str, url: str, **given: Any) -> Any:
        """Send a request as `requests.request` does, but for what it takes from the environment, and redirects."""
        kept = {name: given.get(name) for name in ("params", "data", "json", "headers", "auth")}
        prepared = self._requests.Request(method, url, **kept).prepare()
        body = prepared.body or b""
        octets = body.encode() if isinstance(body, str) else bytes(body)
        try:
            status, content = _sending.get().perform(prepared.method, prepared.url, prepared.headers, octets)
        except (OSError, asyncio.CancelledError) as error:
            raise self._requests.ConnectionError(str(error)) from error
        response = self._requests.Response()
        response.status_code, response._content, response.url = status, content, prepared.url
        return response

    def get(self, url: str, **given: Any) -> Any:
        """Send a GET."""
        return self.request("GET", url, **given)

    def post(self, url: str, **given: Any) -> Any:
        """Send a POST."""
        return self.request("POST", url, **given)


@cache
def _plugin(scheme: str) -> Any:
    """Return Apprise's class of a service, with our stand-in for `requests` in its module."""
    module_name, name = PLUGINS[scheme]
    module = importlib.import_module(f"apprise.plugins.{module_name}")
    logging.getLogger("apprise").disabled = True  # it would log addresses and answers
    module.requests = PinnedRequests()  # type: ignore[attr-defined]
    return getattr(module, name)


def _new_notifier(url: str) -> Any:
    """Return Apprise's object for an address; raise Fault `alert-url-invalid`."""
    from apprise import AppriseAsset

    scheme = channel_scheme(url)
    plugin = _plugin(scheme)
    parsed = plugin.parse_native_url(url) if url.startswith("https://") else plugin.parse_url(url)
    if not parsed:
        raise refused_url("does not have the parts that this service needs")
    asset = AppriseAsset(
        app_id="Letterhead", app_desc="Letterhead", image_url_mask="", image_url_logo="", image_path_mask="",
        async_mode=False, secure_logging=True,
    )  # fmt: skip
    try:
        notifier = plugin(**{**parsed, "asset": asset})
    except TypeError as error:  # so Apprise says that a part is wrong
        raise refused_url("does not have the parts that this service needs") from error
    if getattr(notifier, "template", None):
        raise refused_url("names a template")
    notifier.throttle = lambda *_, **__: None  # it would sleep for as long as the service says
    return notifier


class AppriseSender:
    """The implementation of `AlertSender`."""

    def __init__(
        self,
        egress: EgressPolicy,
        resolve: Resolve,
        *,
        dial: httpcore2.AsyncNetworkBackend | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._egress, self._seconds = egress, seconds
        self._http = PinnedHttp(resolve, egress, dial)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="alerts")

    def check(self, url: Secret) -> None:
        """Raise Fault `alert-url-invalid` for an address that the service can't have, or that is not allowed."""
        text = reveal(url).decode()
        notifier = _new_notifier(text)
        if text.startswith("ntfy://") and getattr(notifier, "mode", "") != "cloud" and not self._egress.http:
            raise refused_url("is of a server of ntfy without TLS: write it with ntfys://")

    async def send(self, url: Secret, text: str) -> AlertResult:
        """Send a text; a failure is a value, never raised."""
        sending = _Sending(self._http, self._egress, self._seconds)
        try:
            notifier = _new_notifier(reveal(url).decode())
        except Fault as fault:
            return AlertResult(result=DeliveryResult.REFUSED, said=fault.detail)

        def notify() -> bool:
            _sending.set(sending)
            return bool(notifier.notify(body=text, title="", notify_type="warning"))

        work = asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, notify)
        try:
            async with asyncio.timeout(self._seconds + 1):
                taken = await work
        except TimeoutError:
            return AlertResult(result=DeliveryResult.UNKNOWN, said="no whole answer in time")
        except Exception as error:  # a library's bug must not stop other alerts
            return AlertResult(result=DeliveryResult.UNKNOWN, said=f"Apprise failed ({type(error).__name__})")
        if taken:
            return AlertResult(result=DeliveryResult.ACCEPTED, said=sending.said)
        return AlertResult(result=sending.result, said=sending.said)
