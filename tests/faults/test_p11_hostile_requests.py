"""P11: hostile requests are refused with a 4xx and the whole envelope, fast, and learn nothing. Over raw sockets,
against the service as a process of its own; its processor time and memory are read from /proc."""

import http.client
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.faults import generated_requests
from tests.faults.conftest import Figures
from tests.faults.hostile_requests import MB, Hostile, requests
from tests.rigs.letterhead import OPERATOR_TOKEN, Installation, Serving
from tests.rigs.waiting import is_within

CPU, RSS = 0.050, 20 * MB  # seconds for one request; octets for all of them
LEAKS = re.compile(
    r"Traceback|File \"|/site-packages|\.py\b|letterhead\.|sqlite|uvicorn|litestar|0x[0-9a-f]{12}", re.IGNORECASE
)
OPERATORS = ("/accounts", "/audit", "/identities", "/secrets", "/metrics")  # asked with the operator's token
NAMES = json.loads((Path(__file__).parents[1] / "data" / "hostile-names.json").read_text("utf-8"))
SLOW = {  # how many octets at once, how often, of what; the service ends each after 10 s
    "a head, octet by octet": (b"GET /domains HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"a" * 1000, 0.2),
    "a body, octet by octet": (b"", 0.2),
    "half a head, then nothing": (b"GET /domains HTTP/1.1\r\nHost: a\r\n", 60.0),
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the service."""
    installation = Installation(
        tmp_path_factory.mktemp("hostile"),
        KEY_POOL="4",
        RATE_LIMIT="10000/s burst 20000",
        DNS_RESOLVERS="127.0.0.1:9",
        ALLOW_SPECIAL_USE="false",
    )
    assert installation.run("migrate").returncode == 0
    with installation.serving("--no-worker") as process:
        yield process


@pytest.fixture(scope="module")
def key(serving: Serving) -> str:
    """Return a key of the operator's first account."""
    return serving.open_account()


def sent(serving: Serving, octets: bytes, seconds: float = 15) -> bytes:
    """Send octets and read until the end; a server that has refused need not read on."""
    host, port = serving.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        sending = threading.Thread(target=send_all, args=(connection, octets))
        sending.start()
        answer = read_all(connection)
        sending.join(seconds)
    return answer


def send_all(connection: socket.socket, octets: bytes) -> None:
    """Send as much as the other side takes."""
    with suppress(OSError):
        connection.sendall(octets)


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side ends."""
    answer = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            answer += piece
    return answer


def cpu(serving: Serving) -> float:
    """Say how many seconds all threads of the service have run."""
    tasks = Path(f"/proc/{serving.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def rss(serving: Serving) -> int:
    """Say how much memory the service holds, in octets."""
    status = Path(f"/proc/{serving.process.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


def complaint(answer: bytes) -> str:
    """Say what is wrong with an answer that should be a refusal, or nothing."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
    if not status or not status.group(1).startswith(b"4"):
        return f"answered {head[:60]!r}"
    if head.lower().startswith(b"http/1.1 4") and b"HTTP/1.1 5" in answer:
        return "a 5xx follows"
    try:
        error = json.loads(body)["error"] | {"tracking": json.loads(body)["trackingId"]}
    except (ValueError, KeyError, TypeError):
        return f"no envelope: {body[:60]!r}"
    if not all(error.get(part) for part in ("code", "message", "fix", "tracking")):
        return f"half an envelope: {error}"
    leak = LEAKS.search(json.dumps({"message": error["message"], "fix": error["fix"]}))
    return f"tells {leak.group()!r}" if leak else ""


@pytest.mark.timeout(600)
def test_hostile_requests_are_refused(serving: Serving, key: str, size: int, figures: Figures) -> None:
    """Every one is a 4xx with the whole envelope, within 50 ms of processor time; memory grows by less than 20 MB."""
    hostile, rounds = [*requests(key), *names(key)], max(1, size // 20_000)
    for each in hostile[:20]:  # the first of each kind loads what it needs
        sent(serving, each.octets)
    before, complaints, times = rss(serving), [], dict[str, float]()
    for each in hostile * rounds:
        wrong, times[each.name] = judged(serving, each)
        complaints += [f"{each.name}: {wrong}"] if wrong else []
    grown = rss(serving) - before
    figures(
        requests=len(hostile) * rounds, refused=len(hostile) * rounds - len(complaints), grown_mb=f"{grown / MB:.1f}",
        slowest_ms=f"{max(times.values()) * 1000:.0f} ({max(times, key=times.__getitem__)})",
    )  # fmt: skip
    assert len(hostile) >= 60 + len(NAMES) // 2
    assert not complaints, "\n".join(complaints)
    assert grown < RSS
    assert still_well(serving, key)


@pytest.mark.timeout(600)
def test_generated_requests_break_nothing(serving: Serving, key: str, size: int, figures: Figures) -> None:
    """However odd the values, no answer is a 5xx, each refusal has the whole envelope, and memory does not grow."""
    chance, told = random.Random(11), Counter[int]()
    with serving.client(key) as client:
        document, known = client.get("/openapi.json").json(), some_ids(client)
    host, port = serving.url.removeprefix("http://").split(":")
    before = 0
    with closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
        for number, made in enumerate(generated_requests.requests(document, chance, size, known)):
            who = OPERATOR_TOKEN if made.target.startswith(OPERATORS) else key
            status, text = asked(connection, made, {**made.headers, "Authorization": f"Bearer {who}"})
            told[status] += 1
            assert status < 500, (made, text)
            assert status < 400 or not half_envelope(text), (made, text)
            if number == size // 10:  # by then all that a request may load is loaded
                before = rss(serving)
    grown = rss(serving) - before
    figures(generated=told.total(), grown_mb=f"{grown / MB:.1f}", answers=dict(sorted(told.items())))
    assert grown < RSS
    assert {200, 400, 404} <= told.keys()


def some_ids(client: httpx2.Client) -> dict[str, str]:
    """Add one of each thing, and return their ids by the names of parameters."""
    assert client.post("/domains", json={"sender": "acme.dev"}).status_code == 200
    webhook = client.post("/webhooks", json={"webhook": "https://acme.dev/", "events": ["*"]}).json()["id"]
    return {
        "sender": "acme.dev",
        "webhookId": webhook,
        "deliveryId": client.post(f"/webhooks/{webhook}/test").json()["id"],
        "eventId": client.get("/events").json()[0]["id"],
        "linkId": client.post("/domains/acme.dev/setup-links").json()["id"],
    }


def asked(
    connection: http.client.HTTPConnection, made: generated_requests.Made, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Ask over the connection, or a new one where the service ended that."""
    for last in (False, True):
        try:
            connection.request(made.method, made.target, made.body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, OSError):
            connection.close()
            if last:
                raise
    raise AssertionError


def half_envelope(text: bytes) -> str:
    """Say what an envelope lacks; a page of HTML is one for people."""
    if text.startswith(b"<"):
        return ""
    told = json.loads(text)
    lacks = [part for part in ("code", "message", "fix") if not told.get("error", {}).get(part)]
    return ", ".join(lacks) + ("" if told.get("trackingId") else " trackingId")


def judged(serving: Serving, each: Hostile) -> tuple[str, float]:
    """Send one request: what is wrong with the answer, and the processor time, the least of three where it is much."""
    least = CPU * 20
    for _ in range(3):
        began = cpu(serving)
        wrong = complaint(sent(serving, each.octets))
        least = min(least, cpu(serving) - began)
        if wrong or least <= CPU:  # a neighbour on the same core makes us slow, but not three times
            return wrong, least
    return f"{least * 1000:.0f} ms", least


def names(key: str) -> Iterator[Hostile]:
    """Return the hostile names, each as a wish for a domain."""
    for number, case in enumerate(each for each in NAMES if each["expect"].startswith("domain-")):
        body = json.dumps({"sender": written(case)}).encode()
        head = (
            f"POST /domains HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield Hostile(f"name {number} ({case['category']}, {case['expect']})", head.encode() + body)


def written(case: dict[str, Any]) -> object:
    """Write the input of a case."""
    for form in ("repeat", "repeat_then"):
        if form in case:
            return case[form][0] * case[form][1]
    return case["input"]


def still_well(serving: Serving, key: str) -> bool:
    """Say whether the service still serves, and nothing came of all that."""
    with serving.client(key) as client:
        return not client.get("/domains").raise_for_status().json()


@pytest.mark.timeout(600)
def test_slow_clients_are_ended(serving: Serving, key: str, figures: Figures) -> None:
    """Those who send octet by octet, or stop in the middle, get 408 after ten seconds, and nobody waits for them."""
    answers: dict[str, bytes] = {}
    clients = [threading.Thread(target=drip, args=(serving, key, name, answers)) for name in SLOW for _ in range(20)]
    for client in clients:
        client.start()
    time.sleep(1)
    began = time.monotonic()
    with serving.client(key) as other:
        assert other.get("/domains").status_code == 200
    waited = time.monotonic() - began
    for client in clients:
        client.join(60)
    figures(slow_clients=len(clients), others_waited_s=f"{waited:.2f}")
    assert is_within(waited, 2)
    assert {name: complaint(answer) for name, answer in answers.items()} == dict.fromkeys(SLOW, "")
    assert all(b" 408 " in answer[:20] for answer in answers.values())


def drip(serving: Serving, key: str, name: str, answers: dict[str, bytes]) -> None:
    """Send one slow request, and keep what is answered."""
    octets, pause = SLOW[name]
    host, port = serving.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=45) as connection:
        if not octets:
            octets = (
                f"POST /domains HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
                "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
            ).encode()
            connection.sendall(octets)
            octets = b'{"sender":"' + b"a" * 1000
        connection.settimeout(pause)
        until = time.monotonic() + 45
        while time.monotonic() < until:
            try:
                connection.sendall(octets[:1] if pause < 1 else octets)
                octets = octets[1:] if pause < 1 else b""
                connection.settimeout(min(pause, 45))
                answers[name] = connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            return
