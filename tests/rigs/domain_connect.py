"""Run a DNS provider that speaks Domain Connect: settings, template query, and the synchronous flow in a browser.

It serves zones of the lab. Templates are applied, and signatures verified, by the reference implementation in a
process of an environment of its own; what that returns is written into the zone's server by RFC 2136.
"""

import html
import json
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import dns.name
import dns.query
import dns.rdatatype
import dns.update
import dns.zone
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from letterhead.core.dns.records import quote, split_text
from tests.rigs.dns_lab import KEY, RESOLVER, Authority, DnsLab
from tests.rigs.processes import Missing, program
from tests.rigs.smtp import Certificate

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-domain-connect" / "bin" / "python"
REFERENCE = Path(__file__).with_name("reference_provider.py")
# What a link may hold besides the template's variables (draft-ietf-dconn-domainconnect-03, "Apply Template").
RESERVED = {"domain", "host", "redirect_uri", "state", "providerName", "serviceName", "groupId", "sig", "key"}
KNOWN_TYPES = {"A", "AAAA", "CNAME", "MX", "NS", "TXT"}
SESSION = "customer=signed-in"
PAGE = """<!doctype html><html lang="en">
<head><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,"></head>
<body><main><h1>{title}</h1>{body}</main></body></html>"""
FORM = '<form method="post">{fields}</form>'
BUTTON = '<button name="action" value="{action}">{words}</button> '


class Refused(Exception):
    """A link that the provider does not follow; where `error` is set, the browser is sent back with it."""

    def __init__(self, sentence: str, error: str = "") -> None:
        super().__init__(sentence)
        self.error = error


@dataclass(frozen=True, slots=True)
class Link:
    """A link to the page that applies a template, as the browser brought it."""

    provider_id: str
    service_id: str
    query: str

    @property
    def parameters(self) -> dict[str, str]:
        """All parameters, decoded."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def back(self, **told: str) -> str:
        """Return the address that the browser is sent back to; empty where the link names none."""
        given = self.parameters
        address = given.get("redirect_uri", "")
        told |= {"state": given["state"]} if "state" in given else {}
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(told)}" if address else ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What applying a template adds to a zone and takes out of it, in the shape of the reference implementation."""

    new: list[dict[str, Any]]
    deleted: list[dict[str, Any]]


class ReferenceProcess:
    """The process with the reference implementation, asked by one thread at a time."""

    def __init__(self, lab: DnsLab) -> None:
        if not PYTHON.exists():
            raise Missing(f"The tests need {PYTHON.parents[1].name}, which is not there: ./dev test makes it.")
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [program("setpriv"), "--pdeathsig=KILL", PYTHON, REFERENCE, RESOLVER, str(lab.resolver_port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def apply(self, **asked: Any) -> dict[str, Any]:
        """Ask for the changes of a zone, or the name and text of what was raised."""
        given, told = self._process.stdin, self._process.stdout
        assert given is not None
        assert told is not None
        with self._lock:
            given.write(json.dumps(asked) + "\n")
            given.flush()
            line = told.readline()
        if not line:
            raise RuntimeError(f"the reference implementation ended with {self._process.wait(20)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@dataclass
class DnsProvider:
    """The provider: its zones and templates, what was asked of it, and how it refuses."""

    lab: DnsLab
    reference: ReferenceProcess
    host: str = "127.0.0.1"
    scheme: str = "http"
    port: int = 0
    name: str = "Virtucon Domains"
    zones: dict[str, Authority] = field(default_factory=dict)
    templates: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)  # overrule what it says of itself; None leaves one away
    error: str = ""  # what it redirects with in place of applying, and its description
    description: str = ""
    pause: float = 0.0  # seconds before its API answers
    is_down: bool = False  # its API answers 503
    asked: Counter[str] = field(default_factory=Counter)  # settings, template, apply, by how often
    refused: list[str] = field(default_factory=list)  # the sentences of its pages that refuse
    applied: list[Link] = field(default_factory=list)

    @property
    def authority(self) -> str:
        """The host and port, as the TXT record `_domainconnect` names them."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address that all of its endpoints begin with."""
        return f"{self.scheme}://{self.authority}"

    def onboard(self, template: dict[str, Any]) -> None:
        """Take a service provider's template in."""
        self.templates[template["providerId"], template["serviceId"]] = template

    def serve(self, zone: str, authority: Authority | None = None) -> None:
        """Serve a zone that begins at one of the lab's servers, and say so in its TXT record."""
        self.zones[zone] = authority or self.lab.ns1
        self.lab.publish(f"_domainconnect.{zone}", "TXT", f'"{self.authority}"')

    def settings_of(self, zone: str) -> dict[str, Any]:
        """Return the settings of a zone (draft, "DNS Provider Discovery")."""
        told = {
            "providerId": "virtucon.test", "providerName": "Virtucon", "providerDisplayName": self.name,
            "urlSyncUX": f"{self.url}/ux", "urlAPI": f"{self.url}/api", "width": 750, "height": 750,
            "urlControlPanel": f"{self.url}/panel?domain=%domain%", "nameServers": ["ns1.lab.test"],
        } | self.settings  # fmt: skip
        return {name: value for name, value in told.items() if value is not None and zone in self.zones}

    def changes(self, link: Link) -> Changes:
        """Return what a link would change, without changing it; Refused."""
        template, given = self.templates.get((link.provider_id, link.service_id)), link.parameters
        if template is None:
            raise Refused(f"We do not know the service {link.service_id} of {link.provider_id}.")
        zone = given.get("domain", "").lower()
        if zone not in self.zones:
            raise Refused(f"{zone or 'The domain'} is not in your account.", "access_denied")
        told = self.reference.apply(
            template=template, zone=list(records_of(zone, self.zones[zone])), domain=zone, host=given.get("host", ""),
            params={name: value for name, value in given.items() if name not in RESERVED},
            groups=given["groupId"].split(",") if given.get("groupId") else None,
            query=link.query, sig=given.get("sig", ""), key=given.get("key", ""),
        )  # fmt: skip
        match told.get("error"):
            case None:
                return Changes(told["new"], told["deleted"])
            case "InvalidSignature":
                raise Refused(f"This link was not signed by {template['providerName']}: {told['detail']}.")
            case "MissingParameter" | "InvalidData" | "HostRequired":
                raise Refused(f"The link is incomplete: {told['detail']}.", "invalid_request")
            case other:
                raise Refused(f"Something went wrong: {other}, {told['detail']}.", "server_error")

    def apply(self, link: Link) -> None:
        """Write what a link asks for into the zone, in one update."""
        changes, zone = self.changes(link), link.parameters["domain"].lower()

        def edit(update: dns.update.UpdateMessage) -> None:
            for record in changes.deleted:
                update.delete(*written(record, zone))
            for record in changes.new:
                owner, rdtype, value = written(record, zone)
                update.add(owner, record["ttl"], rdtype, value)

        self.zones[zone].change(zone, edit)
        self.applied.append(link)


def records_of(zone: str, authority: Authority) -> Iterator[dict[str, Any]]:
    """Transfer a zone and list its records as the reference implementation wants them: names relative, `@` the zone."""
    origin = dns.name.from_text(zone)
    transfer = dns.query.xfr(
        authority.address, zone, port=authority.port, keyring={KEY.name: KEY}, lifetime=10, relativize=False
    )  # fmt: skip
    for name, ttl, rdata in dns.zone.from_xfr(transfer, relativize=False).iterate_rdatas():
        rdtype = dns.rdatatype.to_text(rdata.rdtype)
        if rdtype not in KNOWN_TYPES:
            continue
        record = {
            "type": rdtype,
            "name": str(name.relativize(origin)),
            "ttl": ttl,
            "data": str(rdata).removesuffix("."),
        }
        if isinstance(rdata, TXT):
            record["data"] = b"".join(rdata.strings).decode("utf-8")
        elif isinstance(rdata, MX):
            record |= {"priority": rdata.preference, "data": str(rdata.exchange).removesuffix(".")}
        yield record


def written(record: dict[str, Any], zone: str) -> tuple[str, str, str]:
    """Return a record's owner, type and value in zone-file form."""
    owner = f"{zone}." if record["name"] in ("", "@") else f"{record['name']}.{zone}."
    match record["type"].upper():
        case "TXT":
            value = " ".join(quote(piece) for piece in split_text(record["data"]))
        case "MX":
            value = f"{record['priority']} {record['data'].removesuffix('.')}."
        case "CNAME" | "NS":
            value = f"{record['data'].removesuffix('.')}."
        case _:
            value = record["data"]
    return owner, record["type"].upper(), value


class _Handler(BaseHTTPRequestHandler):
    provider: DnsProvider

    def do_GET(self) -> None:
        """Answer programs and browsers."""
        url = urlsplit(self.path)
        match [unquote(part) for part in url.path.split("/")[1:]]:
            case ["v2", zone, "settings"]:
                self.provider.asked["settings"] += 1
                self._tell_program(self.provider.settings_of(zone))
            case ["api", "v2", "domainTemplates", "providers", provider_id, "services", service_id]:
                self.provider.asked["template"] += 1
                self._tell_program(self.provider.templates.get((provider_id, service_id), {}))
            case ["ux", "v2", "domainTemplates", "providers", provider_id, "services", service_id, "apply"]:
                self.provider.asked["apply"] += 1
                self._show(Link(provider_id, service_id, url.query))
            case _:
                self._page(404, "There is no such page", "")

    def do_POST(self) -> None:
        """Take a form of the page that applies a template."""
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.split("/")]
        link = Link(parts[5], parts[7], url.query)
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        if form["action"] == "sign-in":
            self._redirect(self.path, ("Set-Cookie", f"{SESSION}; HttpOnly; SameSite=Lax; Path=/"))
        elif SESSION not in self.headers.get("cookie", ""):
            self._page(403, "You are not signed in", "")
        elif form["action"] == "cancel":
            self._leave(link, "Nothing was changed", error="access_denied", error_description="user_cancel")
        elif self.provider.error:
            told = {"error": self.provider.error, "error_description": self.provider.description}
            self._leave(link, "That did not work", **{name: value for name, value in told.items() if value})
        else:
            try:
                self.provider.apply(link)
            except Refused as refused:
                self._refuse(link, refused)
            else:
                self._leave(link, "The records are added")

    def _show(self, link: Link) -> None:
        """Show the form to sign in, then what would change; a link that nobody signed is refused before both."""
        try:
            changes = self.provider.changes(link)
        except Refused as refused:
            self._refuse(link, refused)
            return
        provider, given = self.provider, link.parameters
        if SESSION not in self.headers.get("cookie", ""):
            self._page(200, f"Sign in to {provider.name}", BUTTON.format(action="sign-in", words="Sign in"))
            return
        template = provider.templates[link.provider_id, link.service_id]
        rows = [_row("Add", each, given["domain"]) for each in changes.new]
        rows += [_row("Remove", each, given["domain"]) for each in changes.deleted]
        fields = BUTTON.format(action="confirm", words="Connect") + BUTTON.format(action="cancel", words="Cancel")
        title = html.escape(f"{template['providerName']} wants to change {given['domain']}")
        self._page(200, title, f"<ul>{''.join(rows)}</ul>{fields}")

    def _refuse(self, link: Link, refused: Refused) -> None:
        self.provider.refused.append(str(refused))
        if refused.error:
            self._leave(link, str(refused), error=refused.error, error_description=str(refused))
        else:  # who made the link is not known, so neither is whether its redirect_uri may be followed
            self._page(403, html.escape(str(refused)), "")

    def _leave(self, link: Link, sentence: str, **told: str) -> None:
        address = link.back(**told)
        if address:
            self._redirect(address)
        else:
            self._page(200, html.escape(sentence), "<p>You can close this window.</p>")

    def _redirect(self, address: str, *headers: tuple[str, str]) -> None:
        self._answer(302, b"", ("Location", address), *headers)

    def _page(self, status: int, title: str, fields: str) -> None:
        body = PAGE.format(title=title, body=FORM.format(fields=fields) if fields else "")
        self._answer(status, body.encode(), ("Content-Type", "text/html; charset=utf-8"))

    def _tell_program(self, told: dict[str, Any]) -> None:
        """Answer with JSON, or with 404 where there is nothing to tell."""
        time.sleep(self.provider.pause)
        status = 503 if self.provider.is_down else 200 if told else 404
        self._answer(status, json.dumps(told).encode(), ("Content-Type", "application/json"))

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _row(verb: str, record: dict[str, Any], zone: str) -> str:
    owner, rdtype, value = written(record, zone)
    return f"<li>{verb} {rdtype} {html.escape(owner)} <code>{html.escape(value)}</code></li>"


@contextmanager
def providing(lab: DnsLab, certificate: Certificate | None = None) -> Iterator[DnsProvider]:
    """Run a provider on this machine until the block ends, by HTTPS where it is given a certificate of `localhost`."""
    host, scheme = ("localhost", "https") if certificate else ("127.0.0.1", "http")
    provider = DnsProvider(lab, ReferenceProcess(lab), host, scheme)

    class Handler(_Handler):
        pass

    Handler.provider = provider
    try:
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            provider.port = server.server_port
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate.chain, certificate.key)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield provider
            finally:
                server.shutdown()
                thread.join()
    finally:
        provider.reference.stop()


def public_key_records(pem_lines: Iterable[str]) -> list[str]:
    """Return the TXT records of a public key, each short enough for one string (draft, "Digitally Sign Requests")."""
    text = "".join(line.strip() for line in pem_lines if "PUBLIC KEY" not in line)
    pieces = [text[at : at + 200] for at in range(0, len(text), 200)]
    return [f'"p={number},a=RS256,d={piece}"' for number, piece in enumerate(pieces, 1)]
