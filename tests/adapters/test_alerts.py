"""Alerts by a real Apprise: what each service is sent, that every connection is ours, and that nothing leads inside."""

import ast
import inspect
import logging
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from letterhead.adapters.alerts import MOST_REQUESTS, OCTETS, PLUGINS, AppriseSender, PinnedRequests
from letterhead.core.accounts.alert_channels import SERVICES
from letterhead.core.public.webhooks import EgressPolicy
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.ports.alerts import AlertResult
from letterhead.ports.mail import DeliveryResult
from tests.rigs.alert_services import PUBLIC, AlertServices, Dial, serving
from tests.rigs.waiting import is_within

TEXT = "acme.dev is about to lose its verification: put its records back. https://lh.example.com/d/acme.dev"
TEAMS = "prod-1.westus.logic.azure.com"
NATIVE_TEAMS = (
    f"https://{TEAMS}:443/workflows/643e69f83c8944/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu"
)
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
DISCORD = "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
# Of each service: an address, the host and path that are asked, and where the text is.
SENT: dict[str, tuple[str, str, str]] = {
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ": (
        "hooks.slack.com", "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "attachments.0.text"),
    SLACK: ("hooks.slack.com", "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "attachments.0.text"),
    f"workflows://{TEAMS}:443/643e69f83c8944/s1gn4tur3": (
        TEAMS, "/workflows/643e69f83c8944/triggers/manual/paths/invoke?", "attachments.0.content.body.0.text"),
    NATIVE_TEAMS: (TEAMS, "/workflows/643e69f83c8944/triggers/manual/paths/invoke?",
                   "attachments.0.content.body.0.text"),
    "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js": (
        "discord.com", "/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "content"),
    DISCORD: ("discord.com", "/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "content"),
    "tgram://123456789:AABBccddEEffGG-hhiiJJkkllmm/-100123": (
        "api.telegram.org", "/bot123456789:AABBccddEEffGG-hhiiJJkkllmm/sendMessage", "text"),
    "pagerduty://integrationkey012345@apikey0123456789": (
        "events.pagerduty.com", "/v2/enqueue", "payload.summary"),
    "ntfy://mytopic": ("ntfy.sh", "/", "message"),
    "ntfys://tk_abc@ntfy.acme.dev/mail": ("ntfy.acme.dev", "/", "message"),
}  # fmt: skip
REFUSED = (
    "", "slack://", "slack://T1JJ3T3L2", "json://acme.dev/x", "file:///etc/passwd", "exec://ls", "dbus://",
    "mailto://me:pw@gmail.com", "syslog://", "https://acme.dev/hook", "http://hooks.slack.com/services/T/B/C",
    "apprise://acme.dev/token", "windows://", "gnome://", "ntfy://ntfy.acme.dev/mail", "ntfys://",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template=/etc/passwd",
    f"{NATIVE_TEAMS}&template=file%3A%2F%2F%2Fetc%2Fpasswd", f"{SLACK}?template=/etc/passwd",
    "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js\r\nX: y", "SLACK://a/b/c", "ntfys://x/" + "y" * 600,
)  # fmt: skip


@pytest.fixture
def services() -> Iterator[AlertServices]:
    """Run what stands in for the services."""
    with serving() as running:
        yield running


async def send(services: AlertServices, url: str, *, seconds: float = 5, **allowed: bool) -> AlertResult:
    """Send the text by a sender like the service's."""
    sender = AppriseSender(EgressPolicy(**allowed), services.resolve, dial=Dial(services), seconds=seconds)
    return await sender.send(Secret(url.encode()), TEXT)


def at(body: Any, path: str) -> Any:
    """Return what stands at a place of a JSON value."""
    for step in path.split("."):
        body = body[int(step) if step.isdecimal() else step]
    return body


@pytest.mark.parametrize("url", SENT)
async def test_each_service_is_sent_its_own_request(services: AlertServices, url: str) -> None:
    """The right host and path, the text where the service shows it, over one connection to the checked address."""
    host, path, place = SENT[url]
    result = await send(services, url)
    assert result == AlertResult(result=DeliveryResult.ACCEPTED, said="it answered 200")
    (posted,) = services.posted
    assert posted.host.partition(":")[0] == host
    assert posted.path.startswith(path)
    assert at(posted.body, place) == TEXT
    assert posted.headers["user-agent"].startswith("Letterhead/")
    assert "cookie" not in posted.headers
    assert (services.resolved, services.dialled) == ([host], [PUBLIC])


async def test_tokens_are_sent_as_the_service_wants_them(services: AlertServices) -> None:
    """PagerDuty's keys and ntfy's token."""
    await send(services, "pagerduty://integrationkey012345@apikey0123456789")
    await send(services, "ntfys://tk_abc@ntfy.acme.dev/mail")
    pager, ntfy = services.posted
    assert pager.body["routing_key"] == "integrationkey012345"
    assert (ntfy.headers["authorization"], ntfy.body["topic"]) == ("Bearer tk_abc", "mail")


@pytest.mark.parametrize("url", REFUSED)
async def test_other_addresses_are_refused_without_being_shown(services: AlertServices, url: str) -> None:
    """Neither another service of Apprise, nor a file, a template, a parameter or a plain connection."""
    sender = AppriseSender(EgressPolicy(), services.resolve, dial=Dial(services))
    with pytest.raises(Fault) as caught:
        sender.check(Secret(url.encode()))
    assert caught.value.kind is Kind.ALERT_URL_INVALID
    assert len(url) < 10 or url not in f"{caught.value.detail} {caught.value.fix}"
    if url != "ntfy://ntfy.acme.dev/mail":
        assert (await sender.send(Secret(url.encode()), TEXT)).result is DeliveryResult.REFUSED
    assert services.posted == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
async def test_a_private_address_is_refused(services: AlertServices, address: str) -> None:
    """By name, whatever it resolves to, and as a literal: no connection is made at all."""
    services.addresses["ntfy.acme.dev"] = [address]
    result = await send(services, "ntfys://ntfy.acme.dev/mail")
    assert result.result is DeliveryResult.REFUSED
    assert "not public" in result.said
    assert address not in result.said
    literal = await send(services, f"ntfys://{address}/mail") if ":" not in address else result
    assert literal.result is DeliveryResult.REFUSED
    assert (services.posted, services.dialled) == ([], [])


async def test_a_name_is_resolved_once_for_a_connection(services: AlertServices) -> None:
    """A second answer, which leads inside, is never asked for: the connection goes to the address that was checked."""
    services.addresses["ntfy.acme.dev"] = [PUBLIC, "127.0.0.1"]
    assert (await send(services, "ntfys://ntfy.acme.dev/mail")).result is DeliveryResult.ACCEPTED
    assert (services.resolved, services.dialled) == (["ntfy.acme.dev"], [PUBLIC])


@pytest.mark.parametrize("url", SENT)
async def test_a_redirect_is_not_followed(services: AlertServices, url: str) -> None:
    """Not to a private address, nor anywhere else."""
    services.status, services.location = 307, "http://127.0.0.1/inside"
    result = await send(services, url)
    assert result.result is DeliveryResult.REFUSED
    assert "redirect" in result.said
    assert {each.path for each in services.posted} == {services.posted[0].path}
    assert set(services.dialled) == {PUBLIC}


async def test_a_slow_service_is_left(services: AlertServices) -> None:
    """At the end of the time, as unknown: it may have taken the alert, so nobody sends it again."""
    services.pause = 3
    began = time.monotonic()
    result = await send(services, "ntfys://ntfy.acme.dev/mail", seconds=0.5)
    assert result.result is DeliveryResult.UNKNOWN
    assert is_within(time.monotonic() - began, 2)


async def test_a_long_answer_is_left(services: AlertServices) -> None:
    """No more is read than a service's answer has."""
    services.octets = OCTETS * 40
    assert (await send(services, "ntfys://ntfy.acme.dev/mail")).said == "it answered more than 64 KB"


@pytest.mark.parametrize(("status", "result"), [(500, "later"), (503, "later"), (429, "later"), (404, "refused")])
async def test_what_is_tried_again(services: AlertServices, status: int, result: str) -> None:
    """Trouble of the service for now is; an address that it does not know is not; requests are few either way."""
    services.status = status
    for url in ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "ntfys://ntfy.acme.dev/mail"):
        services.posted.clear()
        assert (await send(services, url)).result == result
        assert len(services.posted) <= MOST_REQUESTS


async def test_no_proxy_and_no_netrc_of_the_environment(
    services: AlertServices, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What `requests` would take from there is not read."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine ntfy.acme.dev login me password hidden\n", "utf-8")
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(netrc))
    assert (await send(services, "ntfys://ntfy.acme.dev/mail")).result is DeliveryResult.ACCEPTED
    assert "authorization" not in services.posted[0].headers


async def test_no_log_has_an_address(services: AlertServices, caplog: pytest.LogCaptureFixture) -> None:
    """Apprise itself would write it there."""
    caplog.set_level(logging.DEBUG)
    services.status = 404
    for url in SENT:
        await send(services, url)
    assert "A1BRTD4JD" not in caplog.text
    assert "AABBccdd" not in caplog.text
    assert "JHMHI8q" not in caplog.text


@pytest.mark.parametrize("module", sorted({module for module, _ in PLUGINS.values()}))
def test_apprise_asks_the_network_by_requests_alone(module: str) -> None:
    """Of a later Apprise too: its module uses nothing else that connects, and nothing of `requests` that we lack."""
    source = inspect.getsource(import_module(f"apprise.plugins.{module}"))
    tree, used = ast.parse(source), set[str]()
    imported = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "requests":
            used.add(node.attr)
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add((node.module or "").partition(".")[0])
            assert node.module != "requests"
            assert node.module != "urllib.request"
    assert "requests" in imported
    assert not imported & {"socket", "http", "smtplib", "subprocess", "asyncio", "urllib3", "aiohttp", "httpx", "ssl"}
    assert used <= set(dir(PinnedRequests())), used


def test_the_services_are_those_of_the_core() -> None:
    """Each has its module."""
    assert set(SERVICES) == set(PLUGINS)
