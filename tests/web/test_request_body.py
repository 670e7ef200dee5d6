"""Hold the reading of bodies to docs/threat-model.md: what two readers could read differently is refused."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2

HOSTILE = json.loads((Path(__file__).parents[1] / "data" / "hostile-names.json").read_text("utf-8"))
JSON = {"Content-Type": "application/json"}

RAW: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, "body-not-json"),
    ("word", b"acme.dev", 400, "body-not-json"),
    ("half", b'{"sender":', 400, "body-not-json"),
    ("list", b'["acme.dev"]', 400, "body-invalid"),
    ("text", b'"acme.dev"', 400, "body-invalid"),
    ("null", b"null", 400, "body-invalid"),
    ("not UTF-8", b'{"sender":"\xff.dev"}', 400, "body-not-json"),
    ("UTF-16", '{"sender":"acme.dev"}'.encode("utf-16"), 400, "body-not-json"),
    ("BOM", b'\xef\xbb\xbf{"sender":"acme.dev"}', 400, "body-not-json"),
    ("doubled key", b'{"sender":"acme.dev","sender":"evil.dev"}', 400, "body-not-json"),
    ("doubled key within", b'{"sender":{"a":1,"a":2}}', 400, "body-not-json"),
    ("NaN", b'{"sender":NaN}', 400, "body-not-json"),
    ("infinity", b'{"sender":-Infinity}', 400, "body-not-json"),
    ("infinite number", b'{"sender":1e999}', 400, "body-not-json"),
    ("5,000 digits", b'{"sender":' + b"9" * 5000 + b"}", 400, "body-not-json"),
    ("lone surrogate", b'{"sender":"acme.dev","privateKey":"\\ud800"}', 400, "body-not-json"),
    ("lone surrogate alone", b'"\\ud800"', 400, "body-not-json"),
    ("lone surrogate in a list", b'["\\ud800"]', 400, "body-not-json"),
    ("lone surrogate in a name", b'{"sender":"acme.dev","\\ud800":1}', 400, "body-not-json"),
    ("lone surrogate in the domain", b'{"sender":"\\ud800.dev"}', 400, "domain-charset"),
    ("NUL", b'{"sender":"acme.dev","privateKey":"\\u0000"}', 400, "body-not-json"),
    ("raw NUL", b'{"sender":"acme.dev\x00"}', 400, "body-not-json"),
    ("deep list", b'{"sender":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "body-not-json"),
    ("deep object", b'{"a":' * 33 + b"1" + b"}" * 33, 400, "body-not-json"),
    ("brackets in text are not depth", b'{"sender":"' + b"[" * 100 + b'"}', 400, "domain-invalid"),
    ("two values", b'{"sender":"acme.dev"}{}', 400, "body-not-json"),
    ("unknown field", b'{"sender":"acme.dev","domain":"x"}', 400, "body-invalid"),
    ("no sender", b"{}", 400, "domain-required"),
    ("null sender", b'{"sender":null}', 400, "domain-type"),
    ("number", b'{"sender":5}', 400, "domain-type"),
    ("truth as text", b'{"sender":"acme.dev","startVerification":"true"}', 400, "body-invalid"),
    ("bad selector", b'{"sender":"acme.dev","selector":"a b"}', 400, "selector-invalid"),
    ("bad MAIL FROM", b'{"sender":"acme.dev","mailFrom":"a b"}', 400, "mail-from-invalid"),
    ("bad private key", b'{"sender":"acme.dev","privateKey":"x"}', 400, "key-invalid"),
    ("64 KB and one", b'{"sender":"' + b"a" * (64 * 1024), 413, "body-too-large"),
]


async def test_raw_bodies(acme: httpx2.AsyncClient) -> None:
    """Each raw body is refused with its status and code in the envelope, and adds nothing."""
    wrong = []
    for name, body, status, code in RAW:
        answer = await acme.post("/domains", content=body, headers=JSON)
        assert answer.json()["trackingId"] == answer.headers["x-tracking-id"]
        if (answer.status_code, answer.json()["error"]["code"]) != (status, code):
            wrong.append((name, answer.text))
    assert not wrong
    assert (await acme.get("/domains")).json() == []


OTHER_MEDIA: list[dict[str, str]] = [
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/json; charset=latin-1"},
    {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    {},
]


async def test_other_media_types(acme: httpx2.AsyncClient) -> None:
    """Anything but uncompressed JSON in UTF-8 is 415."""
    for headers in OTHER_MEDIA:
        answer = await acme.post("/domains", content=b'{"sender":"acme.dev"}', headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "media-type-unsupported"), headers


async def test_unknown_field_is_named(acme: httpx2.AsyncClient) -> None:
    """An unknown field is refused by its name, and the known ones are told."""
    error = (await acme.post("/domains", json={"sender": "acme.dev", "domian": 1})).json()["error"]
    assert "'domian'" in error["message"]
    assert "mailFrom" in error["fix"]
    for name in ("senders", "a` - at `$.b"):
        many = (await acme.post("/domains/bulk", json={"domains": [{name: "acme.dev"}]})).json()["error"]
        assert many["message"] == f"The body has an unknown field {name!r} in 'domains[0]'."
        assert "mailFrom" in many["fix"]


async def test_chunked_body_is_read_no_further_than_the_limit(acme: httpx2.AsyncClient) -> None:
    """A body without a length is refused as soon as it is too large."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1024

    answer = await acme.post("/domains", content=endless(), headers=JSON)
    assert answer.status_code == 413


def written(case: dict[str, Any]) -> object:
    """Return a hostile name as the file describes it."""
    match case:
        case {"repeat": [str(text), int(times)]} | {"repeat_then": [str(text), int(times), *_]}:
            return text * times + (".dev" if "repeat_then" in case else "")
        case _:
            return case["input"]


async def test_hostile_names(acme: httpx2.AsyncClient) -> None:
    """Every name of the file answers as it says; one that fills more than 64 KB is refused unread."""
    wrong = []
    for case in HOSTILE:
        name, wanted = written(case), str(case["expect"])
        octets = json.dumps({"sender": name}).encode()
        answer = await acme.post("/domains", content=octets, headers=JSON)
        if len(octets) > 64 * 1024:
            wanted = "body-too-large"
        if answer.status_code == 200:
            got = next((f"ok:{each['sender']}" for each in answer.json() if f"ok:{each['sender']}" == wanted), "ok")
        else:
            got = answer.json()["error"]["code"]
        if got != wanted:
            wrong.append((str(name)[:60], wanted, got))
    assert not wrong
