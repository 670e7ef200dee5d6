"""Stand in for the APIs of Resend, Mailgun (US, EU) and Postmark, at their own URLs behind a proxy with TLS.

It is written from their public references; no real service was asked. It refuses a wrong key, limits the rate, and
gives lists in pages.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.rigs.tls_tunnel import TunnelHandler, contexts_for

TOKEN = "key-of-the-stand-in-0123456789abcdef"
BASIC = "Basic " + base64.b64encode(f"api:{TOKEN}".encode()).decode()
Said = tuple[int, Any]


@dataclass
class Services:
    """Each host's domains; `fates` are answers that the next requests get, `variables` lead requests here."""

    domains: dict[str, list[str]]
    variables: dict[str, str] = field(default_factory=dict)
    fates: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)


def resend(domains: list[str], path: list[str], query: dict[str, str]) -> Said:
    """Answer as Resend: pages of `limit` after an id, names of records relative to the registered domain."""
    if path == ["domains"]:
        begin = int(query.get("after", "-1")) + 1
        limit = min(int(query["limit"]), 2)
        page = [{"id": str(at), "name": name} for at, name in enumerate(domains)][begin : begin + limit]
        return 200, {"object": "list", "has_more": begin + limit < len(domains), "data": page}
    name = domains[int(path[1])]
    records = [
        {"record": "SPF", "name": "send", "type": "MX", "value": "feedback-smtp.us-east-1.amazonses.com"},
        {"record": "SPF", "name": "send", "type": "TXT", "value": "v=spf1 include:amazonses.com ~all"},
        {"record": "DKIM", "name": "resend._domainkey", "type": "TXT", "value": "p=MIGf"},
    ]
    return 200, {"object": "domain", "id": path[1], "name": name, "status": "verified", "records": records}


def mailgun(domains: list[str], path: list[str], query: dict[str, str]) -> Said:
    """Answer as Mailgun: pages by `skip`, a sandbox among the domains."""
    if path == ["v4", "domains"]:
        begin = int(query.get("skip", "0"))
        listed = [*domains, "sandbox123.mailgun.org"]
        items = [{"name": name, "type": "sandbox" if "mailgun.org" in name else "custom"} for name in listed]
        return 200, {"total_count": len(listed), "items": items[begin : begin + 2]}
    (name,) = path[2:]
    records = [
        {"record_type": "TXT", "name": name, "value": "v=spf1 include:mailgun.org ~all"},
        {"record_type": "TXT", "name": f"pic._domainkey.{name}", "value": "k=rsa; p=MIGf"},
        {"record_type": "CNAME", "name": f"email.{name}", "value": "mailgun.org"},
    ]
    return 200, {"domain": {"name": name, "state": "unverified"}, "sending_dns_records": records}


def postmark(domains: list[str], path: list[str], query: dict[str, str]) -> Said:
    """Answer as Postmark: pages by `offset`, the details of each domain apart."""
    if path == ["domains"]:
        begin = int(query["offset"])
        listed = [{"ID": at, "Name": name} for at, name in enumerate(domains)]
        return 200, {"TotalCount": len(domains), "Domains": listed[begin : begin + min(int(query["count"]), 2)]}
    name = domains[int(path[1])]
    return 200, {
        "ID": int(path[1]), "Name": name, "DKIMVerified": True, "DKIMHost": f"2026pm._domainkey.{name}",
        "DKIMPendingHost": "", "ReturnPathDomain": f"pm-bounces.{name}",
    }  # fmt: skip


HOSTS = {
    "api.resend.com": (resend, "authorization", f"Bearer {TOKEN}"),
    "api.mailgun.net": (mailgun, "authorization", BASIC),
    "api.eu.mailgun.net": (mailgun, "authorization", BASIC),
    "api.postmarkapp.com": (postmark, "x-postmark-account-token", TOKEN),
}


@contextmanager
def running(folder: Path, **domains: list[str]) -> Iterator[Services]:
    """Run all of them; `domains` are by the name of the host, with underscores."""
    services = Services({host: domains.get(host.replace(".", "_"), []) for host in HOSTS})
    chain = folder / "services.pem"
    contexts = contexts_for(folder, HOSTS, chain)

    class Tunnel(TunnelHandler):
        """Answers for the services."""

        served = contexts

        def answer(self) -> None:
            """Answer one request."""
            speak, header, wanted = HOSTS[self.host]
            parts = urlsplit(self.path)
            services.calls.append(f"{self.host} {self.path}")
            extra = dict[str, str]()
            if services.fates:
                status, extra, octets = services.fates.pop(0)
            elif self.headers.get(header) != wanted:
                status, octets = 401, b'{"message": "Invalid key"}'
            else:
                path = unquote(parts.path).strip("/").split("/")
                status, said = speak(services.domains[self.host], path, dict(parse_qsl(parts.query)))
                octets = json.dumps(said).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(octets)),
                **extra,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(octets)

        do_GET = answer  # noqa: N815 of the library

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tunnel)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        # The command's own server is on this machine, which no proxy is asked for.
        services.variables = {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(chain), "NO_PROXY": ""}
        yield services
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
