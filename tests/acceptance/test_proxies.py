"""The samples of deploy/ for nginx, Caddy, HAProxy and Apache, run: TLS, HTTP/2, events, a path, clients, restarts."""

import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from tests.rigs import smtp
from tests.rigs.letterhead import OPERATOR_TOKEN, Installation, Serving
from tests.rigs.processes import DEBIAN, Server, free_port, program
from tests.rigs.waiting import until

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "letterhead.example.com"
CLIENT = "127.0.0.2"
SNI = {"sni_hostname": NAME}
FORGED = {"X-Forwarded-For": "203.0.113.99"}
MODULES = (
    "mpm_event", "authz_core", "alias", "headers", "http2", "ssl", "proxy", "proxy_http", "proxy_balancer",
    "lbmethod_byrequests", "slotmem_shm",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a proxy runs on this machine: its folder, its port, the servers behind it, the path that it serves."""

    folder: Path
    port: int
    backends: tuple[str, ...]  # host:port, or the path of a Unix socket
    path: str = ""


def nginx_text(place: Place) -> str:
    """Write the sample as it would be on this machine: other ports, another certificate, a path in place of `/`."""
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    text = re.sub(r"^server \{\n    listen 80;.*?^\}\n", "", text, flags=re.DOTALL | re.MULTILINE)
    text = text.replace("    listen [::]:443 ssl http2;\n", "").replace("listen 443", f"listen 127.0.0.1:{place.port}")
    text = re.sub(r"(ssl_certificate(?:_key)?) \S*/(\S+);", rf"\1 {place.folder}/\2;", text)
    text = with_backends(text, place, "unix:{}")
    if place.path:
        text = text.replace("location / {", f"location {place.path}/ {{")
        text = text.replace("proxy_pass http://letterhead;", "proxy_pass http://letterhead/;")
    kept = "".join(
        f"{name}_temp_path {place.folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"pid {place.folder}/pid; daemon off; error_log stderr; events {{}}\n"
    return f"user root;\n{head}http {{ access_log off; {kept}\n{text}}}\n"


def caddy_text(place: Place) -> str:
    """Write the sample as it would be on this machine."""
    text = with_backends((DEPLOY / "Caddyfile").read_text("utf-8"), place, "unix/{}")
    tls = f"\tbind 127.0.0.1\n\ttls {place.folder}/fullchain.pem {place.folder}/privkey.pem\n"
    text = text.replace(f"{NAME} {{\n", f"{NAME}:{place.port} {{\n{tls}")
    if place.path:
        text = text.replace("\treverse_proxy {", f"\thandle_path {place.path}/* {{\n\treverse_proxy {{")
        text = text.removesuffix("}\n") + "}\n}\n"
    return f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {place.folder}/caddy\n}}\n{text}"


def haproxy_text(place: Place) -> str:
    """Write the sample as it would be on this machine."""
    text = with_backends((DEPLOY / "haproxy.cfg").read_text("utf-8"), place, "unix@{}")
    text = text.replace("    bind :80\n", "").replace("bind :443", f"bind 127.0.0.1:{place.port}")
    text = re.sub(r"crt \S+", f"crt {place.folder}/both.pem", text)
    if place.path:
        text = text.replace("default_backend", "use_backend").replace(
            "use_backend letterhead\n", f"use_backend letterhead if {{ path_beg {place.path}/ }}\n"
        )
        replaced = f"    http-request replace-path {place.path}(/.*) \\1\n"
        text = text.replace("    option httpchk\n", f"    option httpchk\n{replaced}")
    return text


def apache_text(place: Place) -> str:
    """Write the sample as it would be on this machine, with the modules that its first lines name."""
    text = (DEPLOY / "apache.conf").read_text("utf-8")
    text = re.sub(r"^<VirtualHost \*:80>.*?^</VirtualHost>\n", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"(SSLCertificate(?:Key)?File) \S*/(\S+)", rf"\1 {place.folder}/\2", text)
    text = text.replace("*:443", f"127.0.0.1:{place.port}")
    if place.backends[0].startswith("/"):
        text = text.replace('"http://127.0.0.1:8025"', f'"unix:{place.backends[0]}|http://localhost"')
    else:
        text = with_backends(text, place, "")
    if place.path:
        text = text.replace('ProxyPass "/"', f'ProxyPass "{place.path}/"')
    unpacked = DEBIAN.parent / "usr" / "lib" / "apache2" / "modules"
    modules = unpacked if unpacked.exists() else Path("/usr/lib/apache2/modules")
    loaded = "".join(f"LoadModule {name}_module {modules}/mod_{name}.so\n" for name in MODULES)
    (place.folder / "mime.types").touch()
    return (
        f"ServerRoot {place.folder}\nDefaultRuntimeDir {place.folder}\nPidFile {place.folder}/httpd.pid\n"
        f"ErrorLog /dev/stderr\nServerName {NAME}\nListen 127.0.0.1:{place.port}\n{loaded}"
        f"User nobody\nGroup nogroup\n{text}"
    )


def with_backends(text: str, place: Place, socket_form: str) -> str:
    """Put the servers in: the sample's own line is the first, its commented one the second."""
    first, *others = (socket_form.format(each) if each.startswith("/") else each for each in place.backends)
    for other in others:
        text = re.sub(r"# (.*)127\.0\.0\.1:8026", rf"\g<1>{other}", text)
    return text.replace("127.0.0.1:8025", first)


PROXIES: dict[str, tuple[Callable[[Place], str], tuple[str, ...]]] = {
    "nginx": (nginx_text, ("-e", "stderr", "-c")),
    "caddy": (caddy_text, ("run", "--adapter", "caddyfile", "--config")),
    "haproxy": (haproxy_text, ("-db", "-f")),
    "apache2": (apache_text, ("-X", "-D", "FOREGROUND", "-f")),
}
OWN_HOST = ("nginx", "haproxy", "apache2")  # whose sample is for the name alone, at any port


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Return a path that Apache's own user reaches: the folders of pytest are root's alone."""
    with tempfile.TemporaryDirectory(prefix="letterhead-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "l.sock"


@contextmanager
def proxied(name: str, place: Place) -> Iterator[httpx2.Client]:
    """Run a proxy before servers, and yield a client that asks it over TLS."""
    folder = place.folder
    shown = smtp.certificate(folder, NAME)
    (folder / "fullchain.pem").write_bytes(shown.chain.read_bytes())
    (folder / "privkey.pem").write_bytes(shown.key.read_bytes())
    (folder / "both.pem").write_bytes(shown.chain.read_bytes() + shown.key.read_bytes())
    write, words = PROXIES[name]
    configuration = folder / "proxy.conf"
    configuration.write_text(write(place), "utf-8")
    server = Server([program(name), *words, configuration], folder / "proxy.txt")
    try:
        server.wait_until(lambda: is_open(place.port))
        trusted = ssl.create_default_context(cafile=str(shown.chain))
        # From another address than the proxy's, so that the two can be told apart.
        transport = httpx2.HTTPTransport(verify=trusted, local_address=CLIENT)
        host = NAME if name in OWN_HOST else f"{NAME}:{place.port}"
        url = f"https://127.0.0.1:{place.port}{place.path}"
        with httpx2.Client(base_url=url, headers={"Host": host}, transport=transport, timeout=30) as client:
            until(lambda: client.get("/healthz", extensions=SNI).status_code == 200)
            yield client
    finally:
        server.stop()


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        probe.settimeout(2)  # the system would try for two minutes where a first packet is dropped
        return probe.connect_ex(("127.0.0.1", port)) == 0


def address_of(serving: Serving) -> str:
    """Return host and port of a server."""
    return serving.url.removeprefix("http://")


@pytest.mark.parametrize("path", ["", "/letterhead"], ids=["root", "path"])
@pytest.mark.parametrize("name", PROXIES)
def test_a_sample_works(name: str, path: str, tmp_path: Path) -> None:
    """Through the proxy: the API, a set-up page with all that it loads, its events at once, the client in the audit."""
    settings = {"PUBLIC_URL": f"https://{NAME}{path}", "TRUSTED_PROXIES": "127.0.0.1", "DNS_RESOLVERS": "127.0.0.1:9"}
    installation = Installation(tmp_path, KEY_POOL="1", **settings)
    assert installation.run("migrate").returncode == 0
    with installation.serving("--no-worker") as serving:
        headers = {"Authorization": f"Bearer {serving.open_account()}", **FORGED}
        place = Place(folder=tmp_path, port=free_port("127.0.0.1"), backends=(address_of(serving),), path=path)
        with proxied(name, place) as client:
            added = client.post("/domains", json={"sender": "acme.test"}, headers=headers, extensions=SNI)
            assert added.status_code == 200, added.text
            link = client.post("/domains/acme.test/setup-links", headers=headers, extensions=SNI).json()["url"]
            assert link.startswith(f"https://{NAME}{path}/setup/")
            below = link.removeprefix(f"https://{NAME}{path}")
            page = client.get(below, extensions=SNI)
            assert page.headers["Strict-Transport-Security"]
            loaded = re.findall(r'(?:href|src)="([^"]*/assets/[^"]+)"', page.text)
            assert loaded
            for each in loaded:
                assert each.startswith(f"{path}/assets/")
                assert client.get(each.removeprefix(path), extensions=SNI).status_code == 200
            with client.stream("GET", f"{below}/news", extensions=SNI) as news:
                said = next(line for line in news.iter_lines() if line.startswith("data: "))  # while it stays open
                assert f'data-version="{said.removeprefix("data: ")}"' in page.text
            root = path or "/"
            assert client.get("/openapi.json", extensions=SNI).json()["servers"] == [{"url": root}]
            asked = client.get("/", headers={"Accept": "*/*"}, extensions=SNI)  # as balancers and curl ask
            assert (asked.status_code, asked.headers["Location"]) == (303, f"{path}/dashboard")
            json = {"Content-Type": "application/json"}
            large = client.post("/domains", content=b" " * 70_000, headers=headers | json, extensions=SNI)
            assert (large.status_code, large.json()["error"]["code"]) == (
                413,
                "body-too-large",
            )  # ours, not the proxy's
            assert client.delete("/domains/acme.test", headers=headers, extensions=SNI).is_success
            audit = client.get("/audit", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}, extensions=SNI).json()
            assert protocol(tmp_path, place) == "2"
        assert {row["address"] for row in audit if row["action"] == "domain.delete"} == {CLIENT}
        assert "proxy" not in httpx2.get(f"{serving.url}/readyz", trust_env=False).json()


def protocol(folder: Path, place: Place) -> str:
    """Return the version of HTTP that curl and the proxy agree on."""
    url = f"https://{NAME}:{place.port}{place.path}/status"
    return subprocess.run(
        ["curl", "--silent", "--http2", "--cacert", folder / "fullchain.pem", "--connect-to", "::127.0.0.1:",
         "--output", "/dev/null", "--write-out", "%{http_version}", url], capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


class Echo(BaseHTTPRequestHandler):
    """Answer each request with its own header fields."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        body = "\n".join(f"{name.lower()}: {value}" for name, value in self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.mark.parametrize("name", PROXIES)
def test_a_client_names_no_trace(name: str, tmp_path: Path) -> None:
    """What a trusted proxy hands on is believed, so a client's own `traceparent` ends at the proxy."""
    forged = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Kept": "yes"}
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            place = Place(folder=tmp_path, port=free_port("127.0.0.1"), backends=(f"127.0.0.1:{server.server_port}",))
            with proxied(name, place) as client:
                seen = client.get("/", headers=forged, extensions=SNI).text
        finally:
            server.shutdown()
            thread.join()
    assert "x-kept: yes" in seen
    assert "traceparent" not in seen


def test_the_proxy_of_compose_hands_on_no_trace() -> None:
    """The configuration within compose.yaml has the line of the sample."""
    assert "\theader_up -traceparent\n" in (DEPLOY / "compose.Caddyfile").read_text("utf-8")


@pytest.mark.parametrize("name", PROXIES)
def test_events_outlive_every_limit(name: str, tmp_path: Path, socket_path: Path) -> None:
    """An open page hears three signs of life, one every ten seconds; over a Unix socket, with no proxy trusted."""
    settings = {
        "BIND": f"unix:{socket_path}",
        "SOCKET_MODE": "666",
        "PUBLIC_URL": f"https://{NAME}",
        "LOG_FORMAT": "json",
    }
    installation = Installation(tmp_path, KEY_POOL="1", DNS_RESOLVERS="127.0.0.1:9", **settings)
    assert installation.run("migrate").returncode == 0
    with ExitStack() as stack:
        process = installation.start("serve", "--no-worker")
        stack.callback(process.stop)
        until(socket_path.is_socket)
        client = stack.enter_context(
            proxied(name, Place(folder=tmp_path, port=free_port("127.0.0.1"), backends=(str(socket_path),)))
        )
        operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}", **FORGED}
        opened = client.post("/accounts", json={"name": "A", "email": "a@acme.test"}, headers=operator, extensions=SNI)
        key = {"Authorization": f"Bearer {opened.json()['key']}"}
        client.post("/domains", json={"sender": "acme.test"}, headers=key, extensions=SNI)
        link = client.post("/domains/acme.test/setup-links", headers=key, extensions=SNI).json()["url"]
        audit = client.get("/audit", headers=operator, extensions=SNI).json()
        assert {row["address"] for row in audit if row["action"] == "account.open"} == {CLIENT}
        with client.stream("GET", link.removeprefix(f"https://{NAME}") + "/news", extensions=SNI) as news:
            heard = 0
            for line in news.iter_lines():
                heard += line.startswith(":")
                if heard == 3:
                    break
        assert heard == 3


@pytest.mark.parametrize("name", PROXIES)
def test_nobody_notices_a_restart(name: str, tmp_path: Path, postgres_url: str) -> None:
    """While one of two servers after the other is stopped by SIGTERM and started again, no request of anybody fails."""
    settings = {"PUBLIC_URL": f"https://{NAME}", "TRUSTED_PROXIES": "127.0.0.1", "DATABASE_URL": postgres_url}
    installation = Installation(tmp_path, KEY_POOL="1", RATE_LIMIT="10000/s", **settings)
    assert installation.run("migrate").returncode == 0
    servers = [installation.serve("--no-worker"), installation.serve("--no-worker")]
    try:
        backends = tuple(map(address_of, servers))
        key = servers[0].open_account()
        with proxied(name, Place(folder=tmp_path, port=free_port("127.0.0.1"), backends=backends)) as client:
            with asking(client, key) as asked:
                for number, backend in enumerate(backends):
                    assert servers[number].stop() == 0
                    enough(asked)
                    servers[number] = installation.serve("--no-worker", port=int(backend.rpartition(":")[2]))
                    enough(asked)
                    time.sleep(3)  # HAProxy's check, and the others' time-out of a server that was away
            assert [each for each in asked if each != "200"] == []
    finally:
        for server in servers:
            server.stop()


def enough(asked: list[str]) -> None:
    """Wait until thirty more requests were answered."""
    wanted = len(asked) + 30
    until(lambda: len(asked) >= wanted)


@contextmanager
def asking(client: httpx2.Client, key: str) -> Iterator[list[str]]:
    """Ask again and again until the end of the block; the list gets the status of each response, or the error."""
    stop, asked = threading.Event(), list[str]()

    def ask() -> None:
        while not stop.is_set():
            try:
                found = client.get("/domains", headers={"Authorization": f"Bearer {key}"}, extensions=SNI)
                asked.append(str(found.status_code))
            except httpx2.HTTPError as error:
                asked.append(repr(error))
            stop.wait(0.02)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        stop.set()
        for thread in threads:
            thread.join()
