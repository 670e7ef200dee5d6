"""The samples of deploy/ for nginx and Caddy, run: TLS, events at once, a path, the client in the audit."""

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.rigs import smtp
from tests.rigs.letterhead import OPERATOR_TOKEN, Installation
from tests.rigs.processes import Server, free_port, program

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "letterhead.example.com"
CLIENT = "127.0.0.2"
SNI = {"sni_hostname": NAME}
FORGED = {"X-Forwarded-For": "203.0.113.99"}


def nginx_text(folder: Path, backend: int, port: int, path: str) -> str:
    """Writes the sample as it would be on this machine: other ports, another certificate, a path in place of `/`."""
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    text = re.sub(r"^server \{\n    listen 80;.*?^\}\n", "", text, flags=re.DOTALL | re.MULTILINE)
    text = text.replace("    listen [::]:443 ssl http2;\n", "").replace("listen 443", f"listen 127.0.0.1:{port}")
    text = re.sub(r"(ssl_certificate(?:_key)?) \S*/(\S+);", rf"\1 {folder}/\2;", text)
    text = text.replace("127.0.0.1:8025", f"127.0.0.1:{backend}")
    if path:
        text = text.replace("location / {", f"location {path}/ {{")
        text = text.replace(f"proxy_pass http://127.0.0.1:{backend};", f"proxy_pass http://127.0.0.1:{backend}/;")
    kept = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"pid {folder}/pid; daemon off; error_log stderr; events {{}}\nhttp {{ access_log off; {kept}\n{text}}}\n"


def caddy_text(folder: Path, backend: int, port: int, path: str) -> str:
    """Writes the sample as it would be on this machine."""
    text = (DEPLOY / "Caddyfile").read_text("utf-8").replace("127.0.0.1:8025", f"127.0.0.1:{backend}")
    tls = f"\tbind 127.0.0.1\n\ttls {folder}/fullchain.pem {folder}/privkey.pem\n"
    text = text.replace(f"{NAME} {{\n", f"{NAME}:{port} {{\n{tls}")
    if path:
        proxied = f"\treverse_proxy 127.0.0.1:{backend}\n"
        text = text.replace(proxied, f"\thandle_path {path}/* {{\n{proxied}\t}}\n")
    return f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {folder}/caddy\n}}\n{text}"


PROXIES: dict[str, tuple[Callable[[Path, int, int, str], str], tuple[str, ...]]] = {
    "nginx": (nginx_text, ("-e", "stderr", "-c")),
    "caddy": (caddy_text, ("run", "--adapter", "caddyfile", "--config")),
}


@contextmanager
def proxied(name: str, folder: Path, backend: int, path: str) -> Iterator[httpx2.Client]:
    """Runs a proxy before a server, and gives a client that asks it over TLS."""
    shown = smtp.certificate(folder, NAME)
    (folder / "fullchain.pem").write_bytes(shown.chain.read_bytes())
    (folder / "privkey.pem").write_bytes(shown.key.read_bytes())
    port, (write, words) = free_port("127.0.0.1"), PROXIES[name]
    configuration = folder / "proxy.conf"
    configuration.write_text(write(folder, backend, port, path), "utf-8")
    server = Server([program(name), *words, configuration], folder / "proxy.txt")
    try:
        server.wait_until(lambda: is_open(port))
        trusted = ssl.create_default_context(cafile=str(shown.chain))
        # From another address than the proxy's, so that the two can be told apart.
        transport = httpx2.HTTPTransport(verify=trusted, local_address=CLIENT)
        host = NAME if name == "nginx" else f"{NAME}:{port}"
        with httpx2.Client(
            base_url=f"https://127.0.0.1:{port}{path}", headers={"Host": host}, transport=transport, timeout=30
        ) as client:
            yield client
    finally:
        server.stop()


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("path", ["", "/letterhead"], ids=["root", "path"])
@pytest.mark.parametrize("name", PROXIES)
def test_a_sample_works(name: str, path: str, tmp_path: Path) -> None:
    """Through the proxy: the API, a set-up page with all that it loads, its events at once, the client in the audit."""
    settings = {"PUBLIC_URL": f"https://{NAME}{path}", "TRUSTED_PROXIES": "127.0.0.1", "DNS_RESOLVERS": "127.0.0.1:9"}
    installation = Installation(tmp_path, KEY_POOL="1", **settings)
    assert installation.run("migrate").returncode == 0
    with installation.serving("--no-worker") as serving:
        backend = int(serving.url.rsplit(":", 1)[1])
        headers = {"Authorization": f"Bearer {serving.open_account()}", **FORGED}
        with proxied(name, tmp_path, backend, path) as client:
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
            assert client.delete("/domains/acme.test", headers=headers, extensions=SNI).is_success
            audit = client.get("/audit", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}, extensions=SNI).json()
        assert {row["address"] for row in audit if row["action"] == "domain.delete"} == {CLIENT}
        assert "proxy" not in httpx2.get(f"{serving.url}/readyz", trust_env=False).json()
