"""List what hostile clients send, as octets: each must be refused with a 4xx. Knows no server and no socket."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

KB, MB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hostile:
    """One hostile request."""

    name: str
    octets: bytes


def requests(key: str) -> Iterator[Hostile]:
    """Return all of them, each in the name of a key that may add domains."""
    signed = b"Authorization: Bearer " + key.encode()
    for name, head in {**_lines(), **_fields(signed)}.items():
        yield Hostile(name, head)
    for name, body in _bodies().items():
        yield Hostile(name, _post(signed, body, b"Content-Type: application/json"))
    for name, (fields, body) in _coded().items():
        yield Hostile(name, _post(signed, body, *fields))
    yield from (Hostile(name, head) for name, head in _framed(signed).items())
    yield from (Hostile(name, _get(signed, target)) for name, target in _targets().items())


def _get(signed: bytes, target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n" + signed + b"\r\nConnection: close\r\n\r\n"


def _post(signed: bytes, body: bytes, *fields: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    lines = (b"POST /domains HTTP/1.1", b"Host: a", signed, length, b"Connection: close", *fields)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _lines() -> dict[str, bytes]:
    """Return broken request lines and versions."""
    end = b"\r\nHost: a\r\nConnection: close\r\n\r\n"
    return {
        "noise": bytes(range(128, 256)) * 4,
        "a TLS greeting": bytes.fromhex("16030100c8010000c40303") + bytes(189),
        "an SSH greeting": b"SSH-2.0-OpenSSH_9.7\r\n",
        "SMTP": b"EHLO example.com\r\n\r\n",
        "HTTP/2 in clear": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/0.9": b"GET /domains\r\n\r\n",
        "HTTP/9.9": b"GET /domains HTTP/9.9" + end,
        "no version": b"GET /domains " + end,
        "a version of words": b"GET /domains HTTP/one" + end,
        "no target": b"GET  HTTP/1.1" + end,
        "a target in two": b"GET /do mains HTTP/1.1" + end,
        "a method of punctuation": b"<script> /domains HTTP/1.1" + end,
        "a method of 100 KB": b"A" * 100 * KB + b" /domains HTTP/1.1" + end,
        "an unknown method": b"BREW /domains HTTP/1.1" + end,
        "a method in small letters": b"get /domains HTTP/1.1" + end,
        "TRACE": b"TRACE /domains HTTP/1.1" + end,
        "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1" + end,
        "CONNECT to a path": b"CONNECT /domains HTTP/1.1" + end,
        "a tab for a blank": b"GET\t/domains\tHTTP/1.1" + end,
        "NUL in the line": b"GET /dom\0ains HTTP/1.1" + end,
        "an absolute target elsewhere": b"GET http://169.254.169.254/latest HTTP/1.1" + end,
        "an absolute target within": b"GET http://evil.example/domains HTTP/1.1" + end,
        "a target of another scheme": b"GET file:///etc/passwd HTTP/1.1" + end,
        "an asterisk": b"GET * HTTP/1.1" + end,
        "overridden method": b"POST /domains HTTP/1.1\r\nX-HTTP-Method-Override: DELETE" + end,
        "a target of 100 KB": b"GET /" + b"a" * 100 * KB + b" HTTP/1.1" + end,
    }


def _targets() -> dict[str, bytes]:
    """Return paths and queries that lead nowhere, with a good key."""
    return {
        "up the tree": b"/../../etc/passwd",
        "up the tree, encoded": b"/%2e%2e/%2e%2e/etc/passwd",
        "up the tree, encoded twice": b"/domains/%252e%252e%252fetc%252fpasswd",
        "a path of NUL": b"/domains/%00",
        "a path of no UTF-8": b"/domains/%ff%fe",
        "a broken escape": b"/domains/%zz",
        "a query of 10 KB": b"/domains?status=" + b"a" * 10 * KB,
        "a thousand parameters": b"/domains?" + b"&".join([b"limit=1"] * 1000),
        "a doubled parameter": b"/domains?limit=1&limit=2",
        "a limit of 5,000 digits": b"/domains?limit=" + b"9" * 5000,
        "a limit below nothing": b"/domains?limit=-1",
        "a limit of Arabic digits": b"/domains?limit=%D9%A1",
        "a cursor of noise": b"/domains?cursor=%ff%00",
        "SQL in a cursor": b"/domains?cursor=JyBPUiAnMSc9JzE%27--",
        "SQL in a name": b"/domains/acme.dev'%20OR%20'1'='1",
        "HTML in a name": b"/domains/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "a template in a name": b"/domains/%7B%7B7*7%7D%7D.dev",
        "a long name": b"/domains/" + b"a" * 8000,
    }


def _fields(signed: bytes) -> dict[str, bytes]:
    """Return broken and too many header fields."""
    start, end = b"GET /domains HTTP/1.1\r\n", b"\r\nConnection: close\r\n\r\n"
    host = start + b"Host: a\r\n"
    return {
        "no Host": start + signed + end,
        "two Hosts": host + b"Host: b\r\n" + signed + end,
        "two keys": host + signed + b"\r\nAuthorization: Bearer lh_live_other" + end,
        "no key": host + b"Accept: */*" + end,
        "another scheme": host + b"Authorization: Basic YTpi" + end,
        "\\xff in the key": host + signed + b"\xff" + end,
        "a key of no ASCII": host + "Authorization: Bearer lh_live_ключ".encode() + end,
        "a key of 12 KB": host + b"Authorization: Bearer " + b"a" * 12 * KB + end,
        "a key with NUL": host + signed + b"\0" + end,
        "a blank before the colon": host + b"Authorization : Bearer x" + end,
        "a field without a colon": host + b"Authorization" + end,
        "a folded field": host + b"X-A: b\r\n c" + end,
        "a field without a name": host + b": b" + end,
        "CR alone": host + b"X-A: b\rX-B: c" + end,
        "a field of 100 KB": host + signed + b"\r\nX-A: " + b"a" * 100 * KB + end,
        "1,000 fields": host + signed + b"\r\n" + b"\r\n".join(b"X-%d: a" % number for number in range(1000)) + end,
        "65 fields": host + signed + b"\r\n" + b"\r\n".join(b"X-%d: a" % number for number in range(65)) + end,
    }


def _bodies() -> dict[str, bytes]:
    """Return bodies that are no wish."""
    return {
        "100,000 brackets": b"[" * 50_000 + b"]" * 50_000,
        "60,000 brackets": b"[" * 30_000 + b"]" * 30_000,  # that fit into a body
        "60,000 brackets open": b"[" * 60_000,
        "100,000 braces": b'{"a":' * 12_000,
        "an empty body": b"",
        "half an object": b'{"sender":',
        "NaN": b'{"sender":NaN}',
        "5,000 digits": b'{"sender":' + b"9" * 5000 + b"}",
        "1e999": b'{"sender":1e999}',
        "a lone surrogate": b'{"sender":"\\ud800.dev"}',
        "no UTF-8": b'{"sender":"\xff.dev"}',
        "UTF-7": b"+AHsAIgBz-",
        "NUL": b'{"sender":"acme\\u0000.dev"}',
        "a doubled name": b'{"sender":"acme.dev","sender":"evil.dev"}',
        "an unknown name": b'{"sender":"acme.dev","__proto__":{"admin":true}}',
        "7,000 names": b"{" + b",".join(b'"%x":1' % number for number in range(7000)) + b"}",
        "a doubled name among 6,500": b"{" + b",".join(b'"%x":1' % number for number in range(6500)) + b',"1963":1}',
        "a string of quotes without an end": b'{"sender":"' + b'\\"' * 30_000,
        "strings without an end": b'"\\' * 30_000,
        "colliding names": b"{" + b",".join(b'"a%s":1' % (b"\\u0061" * number) for number in range(140)) + b"}",
        "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "a pickle": b"\x80\x04\x95cposix\nsystem\n.",
        "a million characters": b'{"sender":"' + b"a" * MB + b'"}',
        "10 MB": b'{"sender":"' + b"a" * 10 * MB + b'"}',
        "a key that is none": b'{"sender":"acme.dev","privateKey":"' + b"A" * 60_000 + b'"}',
    }


def _coded() -> dict[str, tuple[tuple[bytes, ...], bytes]]:
    """Return bodies in codings that nobody asked for."""
    json, bomb = b"Content-Type: application/json", gzip.compress(bytes(10 * MB), 9)
    form = b"Content-Type: multipart/form-data; boundary=a"
    return {
        "a gzip bomb": ((json, b"Content-Encoding: gzip"), bomb),
        "a deflate bomb": ((json, b"Content-Encoding: deflate"), zlib.compress(bytes(10 * MB), 9)),
        "an unknown coding": ((json, b"Content-Encoding: br"), b"x" * 100),
        "a gzip bomb unsaid": ((json,), bomb),
        "a form": ((form,), b"--a\r\n\r\nb\r\n--a--"),
        "no media type": ((), b'{"sender":"acme.dev"}'),
        "a media type of noise": ((b"Content-Type: \xff\xfe",), b'{"sender":"acme.dev"}'),
        "another charset": (
            (b"Content-Type: application/json; charset=utf-16",),
            '{"sender":"a.dev"}'.encode("utf-16"),
        ),
    }


def _framed(signed: bytes) -> dict[str, bytes]:
    """Return requests whose end two readers could see in two places (RFC 9112 6.3)."""
    start = b"POST /domains HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n" + signed
    body, chunked = b'{"sender":"acme"}', start + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    return {
        "two lengths": start + b"\r\nContent-Length: 5\r\nContent-Length: 17\r\n\r\n" + body,
        "two lengths in one": start + b"\r\nContent-Length: 5, 17\r\n\r\n" + body,
        "a length below nothing": start + b"\r\nContent-Length: -5\r\n\r\n" + body,
        "a length with a sign": start + b"\r\nContent-Length: +17\r\n\r\n" + body,
        "a length in hex": start + b"\r\nContent-Length: 0x11\r\n\r\n" + body,
        "a length of 100 digits": start + b"\r\nContent-Length: " + b"9" * 100 + b"\r\n\r\n" + body,
        "a length of 1 TB": start + b"\r\nContent-Length: 1099511627776\r\n\r\n" + body,
        "length and chunks": start + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "chunks of noise": chunked + b"zz\r\n" + body,
        "a chunk of 2^64": chunked + b"ffffffffffffffffff\r\n" + body,
        "a chunk below nothing": chunked + b"-1\r\n" + body,
        "a chunk that lies": chunked + b"2\r\n" + body + b"\r\n0\r\n\r\n",
        "a chunk with a long rider": chunked + b"5;" + b"a" * 70 * KB + b"\r\n{noo}\r\n0\r\n\r\n",
        "a trailer of 100 KB": start + chunked + b"0\r\nX: " + b"a" * 100 * KB + b"\r\n\r\n",
        "100,000 chunks": chunked + b"" + b"1\r\n{\r\n" * 100_000 + b"0\r\n\r\n",
        "an unknown transfer": start + b"\r\nTransfer-Encoding: gzip\r\n\r\n" + body,
        "chunked twice": start + b"\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "chunked, misspelt": start + b"\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "chunked behind a tab": start + b"\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    }  # fmt: skip
