"""Stand in for the HTTP APIs of seven DNS hosts, at their own URLs behind a proxy with TLS; keep a zone in each.

It is written from the hosts' public references and from what octoDNS sends; no real host was asked. It refuses as they
do: a wrong token, a zone that is not there, too many requests, a record that collides; long lists come in pages.
"""

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import dns.rdata

from tests.rigs.tls_tunnel import TunnelHandler, contexts_for

TOKEN = "a-token-of-the-stand-in-0123456789"
PAGE = 3  # entries of each page
Said = tuple[int, Any]


class Refused(Exception):
    """Carries the status that the host answers with."""


@dataclass
class Rrset:
    """One RRset, with its values in the presentation format and host names in full."""

    name: str  # relative to the zone, `@` for the zone itself
    rdtype: str
    ttl: int
    values: list[str]


@dataclass
class HostApi:
    """One host's zone; `fate` is a status that every request gets, `writes_until` how many writes it takes."""

    zone: str
    rrsets: list[Rrset] = field(default_factory=list)
    fate: int | None = None
    writes_until: int | None = None
    redirect: str | None = None
    calls: list[str] = field(default_factory=list)
    numbers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    comments: dict[int, str] = field(default_factory=dict)  # of records, by their numbers

    def find(self, name: str, rdtype: str) -> Rrset | None:
        """Return the RRset of a name and type."""
        return next((each for each in self.rrsets if (each.name, each.rdtype) == (name or "@", rdtype)), None)

    def add(self, name: str, rdtype: str, ttl: int, *values: str) -> None:
        """Add values, as hosts do that have one entry a record; the same one twice is refused."""
        if rdtype == "CNAME" and any(each.name == (name or "@") for each in self.rrsets):
            raise Refused(409)
        found = self.find(name, rdtype)
        if found is None:
            self.rrsets.append(Rrset(name or "@", rdtype, ttl, list(values)))
        elif set(values) & set(found.values):
            raise Refused(409)
        else:
            found.values += values
            found.ttl = ttl

    def put(self, name: str, rdtype: str, ttl: int, values: list[str]) -> None:
        """Replace an RRset, or remove it where there are no values."""
        self.rrsets = [each for each in self.rrsets if each is not self.find(name, rdtype)]
        if values:
            self.rrsets.append(Rrset(name or "@", rdtype, ttl, values))

    def entries(self) -> list[tuple[int, Rrset, str]]:
        """Return every record with a number of its own."""
        pairs = [(each, value) for each in self.rrsets for value in each.values]
        known = self.numbers
        return [
            (known.setdefault((each.name, each.rdtype, value), len(known) + 1), each, value) for each, value in pairs
        ]

    def remove(self, number: str) -> None:
        """Remove the record of a number."""
        for found, rrset, value in self.entries():
            if str(found) == number:
                rrset.values.remove(value)
                self.rrsets = [each for each in self.rrsets if each.values]
                return
        raise Refused(404)

    def replace(self, number: str, value: str) -> None:
        """Give the record of a number another value; the number stays."""
        for found, rrset, old in self.entries():
            if str(found) == number:
                rrset.values[rrset.values.index(old)] = value
                self.numbers[rrset.name, rrset.rdtype, value] = self.numbers.pop((rrset.name, rrset.rdtype, old))
                return
        raise Refused(404)

    def write(self) -> None:
        """Count one write; refuse it where no more are taken."""
        if self.writes_until is not None:
            if self.writes_until == 0:
                raise Refused(500)
            self.writes_until -= 1


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]

    @property
    def page(self) -> int:
        """Which page is asked for."""
        return int(self.query.get("page", "1"))


def _slice(entries: list[Any], page: int) -> list[Any]:
    return entries[(page - 1) * PAGE : page * PAGE]


def _plain(value: str) -> str:
    """Return a TXT value without its quotes, as hosts with a field for text have it."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', value)) if value.startswith('"') else value


def _quoted(value: str) -> str:
    return value if value.startswith('"') else f'"{value}"'


def _bearer(asked: Asked, word: str = "Bearer") -> None:
    if asked.headers.get("authorization") != f"{word} {TOKEN}":
        raise Refused(401)


def cloudflare(api: HostApi, asked: Asked) -> Said:
    """Answer as Cloudflare's API v4."""
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        raise Refused(403)
    size = int(asked.query.get("per_page", "100"))
    match asked.method, asked.path.removeprefix("/client/v4").split("/")[1:]:
        case "GET", ["zones"]:
            found = [{"id": "z1", "name": api.zone, "plan": {"legacy_id": "free"}, "name_servers": ["ns.example"]}]
            return 200, {"result": found, "result_info": {"count": 1, "per_page": size}}
        case "GET", ["zones", "z1", "dns_records"]:
            entries = [
                {
                    "id": str(number),
                    "name": api.zone if each.name == "@" else f"{each.name}.{api.zone}",
                    "type": each.rdtype,
                    "content": value.split(" ", 1)[1].rstrip(".") if each.rdtype == "MX" else value.rstrip("."),
                    "ttl": each.ttl,
                    "proxied": False,
                    "comment": api.comments.get(number),
                    **({"priority": int(value.split(" ", 1)[0])} if each.rdtype == "MX" else {}),
                }
                for number, each, value in api.entries()
            ]
            part = entries[(asked.page - 1) * size : asked.page * size]
            return 200, {"result": part, "result_info": {"count": len(part), "per_page": size}}
        case "POST" | "PUT", ["zones", "z1", "dns_records", *rest]:
            api.write()
            if rest:
                api.remove(rest[0])
            body = asked.body
            name = body["name"].rstrip(".").removesuffix(api.zone).rstrip(".")
            ends = "." if body["type"] in ("MX", "CNAME") else ""
            content = body["content"].rstrip(".") + ends if ends else body["content"]
            value = f"{body['priority']} {content}" if body["type"] == "MX" else content
            api.add(name, body["type"], body["ttl"], value)
            return 200, {"result": {}}
        case "PATCH", ["zones", "z1", "dns_records", number]:
            api.write()
            host = f"{asked.body['content'].rstrip('.')}."
            is_mx = asked.body["type"] == "MX"
            api.replace(number, f"{asked.body['priority']} {host}" if is_mx else asked.body["content"])
            return 200, {"result": {}}
        case "DELETE", ["zones", "z1", "dns_records", number]:
            api.write()
            api.remove(number)
            return 200, {"result": {}}
        case _:
            raise Refused(404)


def digitalocean(api: HostApi, asked: Asked) -> Said:
    """Answer as DigitalOcean's API v2."""
    _bearer(asked)
    match asked.method, asked.path.split("/")[2:]:
        case "GET", ["domains", api.zone]:
            return 200, {"domain": {"name": api.zone}}
        case "GET", ["domains", api.zone, "records"]:
            entries = []
            for number, each, value in api.entries():
                priority, _, exchange = value.partition(" ")
                data = exchange.rstrip(".") if each.rdtype == "MX" else _plain(value).rstrip(".")
                entry = {"id": number, "type": each.rdtype, "name": each.name, "data": data, "ttl": each.ttl}
                entries.append(entry | ({"priority": int(priority)} if each.rdtype == "MX" else {}))
            more = len(entries) > asked.page * PAGE
            links = {"pages": {"last": "…"}} if more else {}
            return 200, {"domain_records": _slice(entries, asked.page), "links": links}
        case "POST", ["domains", api.zone, "records"]:
            api.write()
            body = asked.body
            data = _quoted(body["data"]) if body["type"] == "TXT" else body["data"]
            value = f"{body['priority']} {data}" if body["type"] == "MX" else data
            api.add(body["name"], body["type"], body["ttl"], value)
            return 201, {"domain_record": {}}
        case "PUT", ["domains", api.zone, "records", number]:
            api.write()
            data = _quoted(asked.body["data"]) if asked.body["type"] == "TXT" else asked.body["data"]
            api.replace(number, f"{asked.body['priority']} {data}" if asked.body["type"] == "MX" else data)
            return 200, {"domain_record": {}}
        case "DELETE", ["domains", api.zone, "records", number]:
            api.write()
            api.remove(number)
            return 204, None
        case _:
            raise Refused(404)


def dnsimple(api: HostApi, asked: Asked) -> Said:
    """Answer as DNSimple's API v2."""
    _bearer(asked)
    match asked.method, asked.path.split("/")[2:]:
        case "GET", ["1234", "zones", api.zone]:
            return 200, {"data": {"name": api.zone}}
        case "GET", ["1234", "zones", api.zone, "records"]:
            entries = []
            for number, each, value in api.entries():
                priority, _, exchange = value.partition(" ")
                content = exchange.rstrip(".") if each.rdtype == "MX" else _plain(value).rstrip(".")
                name = "" if each.name == "@" else each.name
                entry = {"id": number, "type": each.rdtype, "name": name, "content": content, "ttl": each.ttl}
                entries.append(entry | {"priority": int(priority) if each.rdtype == "MX" else None})
            pages = -(-len(entries) // PAGE)
            return 200, {"data": _slice(entries, asked.page), "pagination": {"total_pages": pages}}
        case "POST", ["1234", "zones", api.zone, "records"]:
            api.write()
            body = asked.body
            content = _quoted(body["content"]) if body["type"] == "TXT" else body["content"]
            value = f"{body['priority']} {content}" if body["type"] == "MX" else content
            api.add(body["name"], body["type"], body["ttl"], value)
            return 201, {"data": {}}
        case "PATCH", ["1234", "zones", api.zone, "records", number]:
            api.write()
            body = asked.body
            is_mx = "priority" in body
            api.replace(number, f"{body['priority']} {body['content']}" if is_mx else _quoted(body["content"]))
            return 200, {"data": {}}
        case "DELETE", ["1234", "zones", api.zone, "records", number]:
            api.write()
            api.remove(number)
            return 204, None
        case _:
            raise Refused(404)


def gandi(api: HostApi, asked: Asked) -> Said:
    """Answer as Gandi's LiveDNS API v5."""
    _bearer(asked)
    match asked.method, asked.path.split("/")[3:]:
        case "GET", ["domains", api.zone]:
            return 200, {"fqdn": api.zone}
        case "GET", ["domains", api.zone, "records"]:
            return 200, [
                {"rrset_name": each.name, "rrset_type": each.rdtype, "rrset_ttl": each.ttl, "rrset_values": each.values}
                for each in api.rrsets
            ]
        case "POST", ["domains", api.zone, "records"]:
            api.write()
            body = asked.body
            if api.find(body["rrset_name"], body["rrset_type"]):
                raise Refused(409)
            values = [_quoted(each) if body["rrset_type"] == "TXT" else each for each in body["rrset_values"]]
            api.add(body["rrset_name"], body["rrset_type"], body["rrset_ttl"], *values)
            return 201, {"message": "DNS Record Created"}
        case "PUT", ["domains", api.zone, "records", name, rdtype]:
            api.write()
            given = asked.body["rrset_values"]
            values = [_quoted(each) if rdtype == "TXT" else each for each in given]
            api.put(name, rdtype, asked.body["rrset_ttl"], values)
            return 201, {"message": "DNS Record Created"}
        case "DELETE", ["domains", api.zone, "records", name, rdtype]:
            api.write()
            api.put(name, rdtype, 0, [])
            return 204, None
        case _:
            raise Refused(404)


def desec(api: HostApi, asked: Asked) -> Said:
    """Answer as deSEC's API v1."""
    _bearer(asked, "Token")
    match asked.method, asked.path.split("/")[3:]:
        case "GET", ["domains", api.zone, "rrsets", ""]:
            return 200, [
                {
                    "subname": "" if each.name == "@" else each.name,
                    "type": each.rdtype,
                    "ttl": each.ttl,
                    "records": each.values,
                }
                for each in api.rrsets
            ]
        case "PATCH", ["domains", api.zone, "rrsets", ""]:
            api.write()
            for body in asked.body:
                values = [dns.rdata.from_text("IN", body["type"], each).to_text() for each in body["records"]]
                api.put(body["subname"], body["type"], int(body["ttl"]), values)
            return 200, asked.body
        case _:
            raise Refused(404)


def hetzner(api: HostApi, asked: Asked) -> Said:
    """Answer as the Cloud API of Hetzner."""
    _bearer(asked)
    zone = {"id": 7, "name": api.zone, "ttl": 3600, "mode": "primary"}
    done = {"action": {"id": 1, "command": "x", "status": "success", "progress": 100}}

    def pages(more: int | None) -> dict[str, Any]:
        told = {"page": asked.page, "per_page": PAGE, "previous_page": None, "next_page": more}
        return {"pagination": told | {"last_page": None, "total_entries": None}}

    def shown(each: Rrset) -> dict[str, Any]:
        about = {value: api.comments.get(number) for number, rrset, value in api.entries() if rrset is each}
        records = [{"value": value, "comment": about[value]} for value in each.values]
        return {"id": f"{each.name}/{each.rdtype}", "name": each.name, "type": each.rdtype, "ttl": each.ttl,
                "records": records, "zone": 7}  # fmt: skip

    match asked.method, asked.path.split("/")[2:]:
        case "GET", ["zones"]:
            return 200, {"zones": [zone], "meta": pages(None)}
        case "GET", ["zones", "7"]:
            return 200, {"zone": zone}
        case "GET", ["zones", "7", "rrsets"]:
            more = asked.page + 1 if len(api.rrsets) > asked.page * PAGE else None
            found = [shown(each) for each in _slice(api.rrsets, asked.page)]
            return 200, {"rrsets": found, "meta": pages(more)}
        case "POST", ["zones", "7", "rrsets"]:
            api.write()
            body = asked.body
            if api.find(body["name"], body["type"]):
                raise Refused(409)
            api.add(body["name"], body["type"], body["ttl"], *(each["value"] for each in body["records"]))
            return 201, {"rrset": shown(api.rrsets[-1]), **done}
        case "POST", ["zones", "7", "rrsets", name, rdtype, "actions", action]:
            api.write()
            found_one = api.find(name, rdtype)
            if found_one is None:
                raise Refused(404)
            if action == "set_records":
                found_one.values = [each["value"] for each in asked.body["records"]]
                for number, rrset, value in api.entries():
                    if rrset is found_one:
                        about = next(each.get("comment") for each in asked.body["records"] if each["value"] == value)
                        api.comments[number] = about or ""
            else:
                found_one.ttl = asked.body["ttl"]
            return 201, done
        case "DELETE", ["zones", "7", "rrsets", name, rdtype]:
            api.write()
            api.put(name, rdtype, 0, [])
            return 201, done
        case _:
            raise Refused(404)


def ovh(api: HostApi, asked: Asked) -> Said:
    """Answer as OVHcloud's API 1.0; its own pages make SPF, DKIM and DMARC of types of their own."""
    path = asked.path.split("/")[2:]
    if path == ["auth", "time"]:
        return 200, 1_700_000_000
    if asked.headers.get("x-ovh-consumer") != TOKEN:
        raise Refused(403)

    def sub(each: Rrset) -> str:
        return "" if each.name == "@" else each.name

    match asked.method, path:
        case "GET", ["domain", "zone", api.zone, "record"]:
            wanted = asked.query.get("fieldType"), asked.query.get("subDomain")
            return 200, [
                number
                for number, each, _ in api.entries()
                if wanted[0] in (None, each.rdtype) and wanted[1] in (None, sub(each))
            ]
        case "GET", ["domain", "zone", api.zone, "record", number]:
            _, each, value = next(entry for entry in api.entries() if str(entry[0]) == number)
            return 200, {"subDomain": sub(each), "fieldType": each.rdtype, "ttl": each.ttl, "target": value}
        case "POST", ["domain", "zone", api.zone, "record"]:
            api.write()
            body = asked.body
            rdtype = body["fieldType"]
            target = _quoted(body["target"]) if rdtype in ("TXT", "DKIM") else body["target"]
            api.add(body["subDomain"], rdtype, body["ttl"], target)
            return 200, {}
        case "DELETE", ["domain", "zone", api.zone, "record", number]:
            api.write()
            api.remove(number)
            return 200, None
        case "POST", ["domain", "zone", api.zone, "refresh"]:
            return 200, None
        case _:
            raise Refused(404)


HOSTS: dict[str, tuple[str, Callable[[HostApi, Asked], Said]]] = {
    "api.cloudflare.com": ("cloudflare", cloudflare),
    "api.digitalocean.com": ("digitalocean", digitalocean),
    "api.dnsimple.com": ("dnsimple", dnsimple),
    "api.gandi.net": ("gandi", gandi),
    "desec.io": ("desec", desec),
    "api.hetzner.cloud": ("hetzner", hetzner),
    "eu.api.ovh.com": ("ovh", ovh),
}
FIELDS: dict[str, dict[str, str]] = {
    **{name: {"token": TOKEN} for name in ("cloudflare", "desec", "digitalocean", "gandi", "hetzner")},
    "dnsimple": {"token": TOKEN, "account": "1234"},
    "ovh": {"endpoint": "ovh-eu", "applicationKey": "app", "applicationSecret": "hush", "consumerKey": TOKEN},
}
SECRET_FIELDS = {"ovh": "consumerKey"}  # of the others: token


HETZNER = {
    401: "unauthorized", 403: "forbidden", 404: "not_found", 422: "invalid_input", 429: "rate_limit_exceeded",
}  # fmt: skip


def refusal(host: str, status: int) -> Any:
    """Return the body that goes with a status; it repeats the token, as a careless host might."""
    if host == "hetzner":
        return {"error": {"code": HETZNER.get(status, "server_error"), "message": f"no: {TOKEN}"}}
    if host == "ovh" and status == 404:
        return {"message": "This service does not exist"}
    return {"message": f"no: {TOKEN}", "errors": [{"message": f"no: {TOKEN}"}], "success": False}


@contextmanager
def running(folder: Path, zone: str) -> Iterator[tuple[dict[str, HostApi], dict[str, str]]]:
    """Run the stand-in; return each host's zone, and the variables of the environment by which requests come here."""
    apis = {name: HostApi(zone) for name, _ in HOSTS.values()}
    chain = folder / "apis.pem"
    contexts = contexts_for(folder, HOSTS, chain)
    numbers = itertools.count(1)

    class Handler(TunnelHandler):
        """Answers for the hosts."""

        served = contexts

        def answer(self) -> None:
            """Answer one request."""
            name, speak = HOSTS[self.host]
            api, parts = apis[name], urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            given = json.loads(body) if body else None
            asked = Asked(
                self.command, unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)), given, headers
            )
            api.calls.append(f"{next(numbers)} {self.command} {parts.path}")
            extra: dict[str, str] = {}
            try:
                if api.redirect:
                    extra["Location"] = api.redirect
                    raise Refused(302)
                if api.fate:
                    raise Refused(api.fate)
                status, said = speak(api, asked)
            except Refused as refused:
                status = refused.args[0]
                said = refusal(name, status)
            if name == "gandi" and isinstance(said, list):
                extra["Total-Count"] = str(len(said))
                said = _slice(said, asked.page)
            octets = b"" if said is None and status == 204 else json.dumps(said).encode()
            self.send_response(status)
            for key, value in extra.items():
                self.send_header(key, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 of the library

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        yield apis, {"HTTPS_PROXY": proxy, "https_proxy": proxy, "REQUESTS_CA_BUNDLE": str(chain), "NO_PROXY": ""}
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)
