"""Make requests up at random from the served document: right paths, names and fields, odd values. Knows no socket."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

METHODS = ("get", "post", "put", "patch", "delete")
ODD: Sequence[Any] = (
    None, True, 0, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, 0.1, "", " ", "\0", "\ud800", "\x7f", "\u202e",
    "a" * 300, "0" * 5000, "acme.dev", "ACME.dev.", "xn--a.dev", "*", "*.dev", "10.0.0.1", "[::1]", "https://a.dev/",
    "http://[::1]:0/", "file:///x", "../..", "%00", "' OR '1'='1", "<script>alert(1)</script>", "{{7*7}}", "${jndi:x}",
    "a\r\nSet-Cookie: a=b", "9999-12-31T23:59:59Z", "0000-00-00", "lh_live_" + "0" * 36, "acc_" + "0" * 32,
    "00000000-0000-7000-8000-000000000000", [], {}, [[]], [None], ["*"], {"a": {}}, [1, "a"], {"__proto__": 1},
)  # fmt: skip
TYPES = ("application/json", "application/json", "application/json", "text/plain", "application/xml", "", "x" * 200)
HEADERS = ("Idempotency-Key", "If-None-Match", "Accept", "Accept-Language", "X-Forwarded-For", "X-Request-Id", "Range")


class Made(NamedTuple):
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None


def requests(document: dict[str, Any], chance: random.Random, many: int, known: Mapping[str, str]) -> Iterator[Made]:
    """Make so many requests for all operations of a document, in turn; `known` are ids that there are."""
    paths = document["paths"].items()
    every = [(method, path, told[method]) for path, told in paths for method in METHODS if method in told]
    for number in range(many):
        method, path, told = every[number % len(every)]
        headers = {name: _field(chance) for name in HEADERS if chance.random() < 0.1}
        body = _body(document, told, chance) if "requestBody" in told or chance.random() < 0.05 else None
        if body is not None:
            headers["Content-Type"] = chance.choice(TYPES)
        if method != "delete" and chance.random() < 0.6:
            for name, value in known.items():
                path = path.replace(f"{{{name}}}", value)
        yield Made(method.upper(), _target(path, told, chance), headers, body)


def _target(path: str, told: dict[str, Any], chance: random.Random) -> str:
    asked = [] if chance.random() < 0.9 else ["odd"]
    for each in (each for each in told.get("parameters", ()) if "name" in each):
        path = path.replace(f"{{{each['name']}}}", _escaped(chance))
        asked += [each["name"]] if each.get("in") == "query" and chance.random() < 0.4 else []
    return path + "?" * bool(asked) + "&".join(f"{name}={_escaped(chance)}" for name in asked)


def _escaped(chance: random.Random) -> str:
    return quote(str(chance.choice(ODD)).encode("utf-8", "surrogatepass")[:2000], safe="") or "-"


def _field(chance: random.Random) -> str:
    text = str(chance.choice(ODD)).encode("utf-8", "surrogatepass").decode("latin-1")
    return "".join(each for each in text if each.isprintable()).strip()


def _body(document: dict[str, Any], told: dict[str, Any], chance: random.Random) -> bytes:
    schema = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    named = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
    wish: Any = {name: chance.choice(ODD) for name in named.get("properties", {}) if chance.random() < 0.7}
    if chance.random() < 0.1:
        wish = chance.choice(ODD)
    written = json.dumps(wish).encode()
    if chance.random() < 0.1:
        at = chance.randrange(len(written))
        written = written[:at] + bytes([chance.randrange(256)]) + written[at + chance.randint(0, 1) :]
    return written
