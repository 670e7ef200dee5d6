"""Speak for the emulator of SES: HTTP, signatures, and what botocore's own model of the service says of each call.

Routes, input checks and the names of what goes out come from that model; SigV4 is computed again and refused where it
differs. Faults are injected for each operation, and every call that came is in the ledger.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.validate

from tests.rigs.ses import ACCOUNT, AwsError, SesState

KEY_ID, SECRET = "AKIDEMULATOR", "a-secret-of-the-emulator-0123456789"
MODEL = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("sesv2", "service-2"))
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, kw_only=True)
class Ill:
    """Says how a call goes wrong: an answer with this status and code, a delay, a reset, or an answer cut in half.

    `after` lets the operation happen first, as where only its answer is lost.
    """

    status: int = 0
    code: str = ""
    delay: float = 0.0
    reset: bool = False
    half: bool = False
    after: bool = False
    body: bytes | None = None  # said with 200 in the place of the answer


@dataclass(frozen=True)
class Called:
    """Is one line of the ledger; `fate` is the code that the caller was told, or what cut the answer off."""

    at: float
    operation: str
    name: str
    status: int
    fate: str = ""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer as it goes out; `operation` and `name` say to what."""

    status: int
    body: bytes
    code: str = ""
    operation: str = ""
    name: str = ""


@dataclass
class Ses:
    """Is the running emulator: `ills` holds what goes wrong next by operation or under "*", `fate` decides instead."""

    state: SesState
    url: str = ""
    ills: dict[str, list[Ill]] = field(default_factory=dict)
    ledger: list[Called] = field(default_factory=list)
    fate: Callable[[str], Ill | None] | None = None
    clients: set[asyncio.StreamWriter] = field(default_factory=set)

    def calls(self, operation: str, name: str | None = None) -> list[Called]:
        """List the calls of one operation that came, or those about one name."""
        return [each for each in self.ledger if each.operation == operation and name in (None, each.name)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one client until either is done."""
        self.clients.add(writer)
        try:
            while (request := await _request(reader)) is not None:
                if not await self._exchange(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.clients.discard(writer)
            writer.close()

    async def _exchange(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, or do what its ill says; false where the connection is over."""
        try:
            check_signature(request)
            operation, asked = _operation(request)
        except AwsError as error:
            reply, ill = _refusal(error), None
        else:
            name = str(asked.get("EmailIdentity") or asked.get("ResourceArn", ""))
            ill = self._next_ill(operation)
            reply = replace(self._reply(operation, asked, ill), operation=operation, name=name)
            if ill and ill.body is not None:
                reply = replace(reply, status=200, body=ill.body)
        fate = "reset" if ill and ill.reset else "half" if ill and ill.half else reply.code
        self.ledger.append(Called(time.time(), reply.operation, reply.name, reply.status, fate))
        await asyncio.sleep(ill.delay if ill else 0)
        return await _send(writer, reply, ill)

    def _reply(self, operation: str, asked: Mapping[str, Any], ill: Ill | None) -> Reply:
        happens = ill is None or ill.after or ill.half or (ill.delay and not (ill.code or ill.reset))
        try:
            reply = self._done(operation, asked) if happens else Reply(500, b"{}")
        except AwsError as error:
            reply = _refusal(error)
        return _refusal(AwsError(ill.status, ill.code, "It was made to fail.")) if ill and ill.code else reply

    def _done(self, operation: str, asked: Mapping[str, Any]) -> Reply:
        if operation == "GetCallerIdentity":
            return Reply(200, CALLER.encode())
        shape = MODEL.operation_model(operation)
        report = botocore.validate.ParamValidator().validate(asked, shape.input_shape)
        if report.has_errors():
            raise AwsError(400, "BadRequestException", report.generate_report())
        _check_words(shape.input_shape, asked)
        out = self.state.answer(operation, asked)
        assert_modelled(shape.output_shape, out)
        return Reply(200, json.dumps(out).encode())

    def _next_ill(self, operation: str) -> Ill | None:
        if self.fate is not None:
            return self.fate(operation)
        waiting = self.ills.get(operation) or self.ills.get("*")
        return waiting.pop(0) if waiting else None


CALLER = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::{ACCOUNT}:user/letterhead</Arn><UserId>AIDAEMULATOR</UserId><Account>{ACCOUNT}</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


def _refusal(error: AwsError) -> Reply:
    return Reply(error.status, json.dumps({"message": error.message}).encode(), error.code)


def _routes() -> list[tuple[str, re.Pattern[str], str]]:
    routes = []
    for name in MODEL.operation_names:
        http = MODEL.operation_model(name).http
        path = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(http["requestUri"].partition("?")[0]))
        routes.append((http["method"], re.compile(path), name))
    return sorted(routes, key=lambda route: route[1].groups)  # a fixed path before one with a name in it


ROUTES = _routes()


def _operation(request: Request) -> tuple[str, dict[str, Any]]:
    """Find which operation is meant, and what it is asked."""
    path, _, query = request.target.partition("?")
    if path == "/" and dict(parse_qsl(request.body.decode())).get("Action") == "GetCallerIdentity":
        return "GetCallerIdentity", {}
    for method, pattern, name in ROUTES:
        found = pattern.fullmatch(path)
        if method == request.method and found:
            asked = json.loads(request.body) if request.body else {}
            return name, asked | {key: unquote(value) for key, value in found.groupdict().items()}
    raise AwsError(404, "UnknownOperationException", f"{request.method} {path}?{query}")


def check_signature(request: Request) -> None:
    """Compute the signature again; AwsError where it is missing, of another key or service, or differs."""
    found = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise AwsError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    key_id, _, region, service, signed, signature = found.groups()
    if key_id != KEY_ID:
        raise AwsError(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if service not in ("ses", "sts"):
        raise AwsError(403, "InvalidSignatureException", "Credential should be scoped to correct service: 'ses'.")
    auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY_ID, SECRET), service, region)
    again = botocore.awsrequest.AWSRequest(
        method=request.method,
        url=f"http://{request.headers['host']}{request.target}",
        data=request.body,
        headers={name: request.headers[name] for name in signed.split(";")},
    )
    again.context.update(timestamp=request.headers["x-amz-date"], signing={})
    if signature != auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again):
        raise AwsError(403, "InvalidSignatureException", "The request signature we calculated does not match.")


def _check_words(shape: Any, value: Any) -> None:
    """Hold texts to the patterns and enumerations of the model, which botocore leaves to the service."""
    if shape.type_name == "structure":
        for name, part in value.items():
            _check_words(shape.members[name], part)
    elif shape.type_name == "list":
        for part in value:
            _check_words(shape.member, part)
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern")
        if (shape.enum and value not in shape.enum) or (pattern and not re.fullmatch(pattern, value)):
            raise AwsError(400, "BadRequestException", f"Value at {shape.name} does not satisfy its constraint.")


def assert_modelled(shape: Any, value: Any) -> None:
    """Insist that what goes out has the names and kinds of the model: a fault here is the emulator's own."""
    match shape.type_name:
        case "structure":
            assert isinstance(value, dict), shape.name
            assert value.keys() <= shape.members.keys(), (shape.name, value.keys() - shape.members.keys())
            for name, part in value.items():
                assert_modelled(shape.members[name], part)
        case "list":
            for part in value:
                assert_modelled(shape.member, part)
        case "string":
            assert isinstance(value, str), shape.name
            assert not shape.enum or value in shape.enum, (shape.name, value)
        case "boolean":
            assert isinstance(value, bool), shape.name
        case "timestamp" | "double":
            assert isinstance(value, float), shape.name
        case kind:
            assert kind == "map", (shape.name, kind)


async def _request(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def _send(writer: asyncio.StreamWriter, reply: Reply, ill: Ill | None) -> bool:
    """Send an answer, whole or as ill as it shall be; false where that ends the connection."""
    if ill and ill.reset:
        writer.transport.abort()
        return False
    head = [
        f"HTTP/1.1 {reply.status} _",
        f"content-type: {'text/xml' if reply.body.startswith(b'<') else 'application/json'}",
        f"content-length: {len(reply.body)}",
        f"x-amzn-requestid: {secrets.token_hex(8)}",
        *([f"x-amzn-errortype: {reply.code}"] if reply.code else []),
    ]
    whole = "\r\n".join([*head, "", ""]).encode() + reply.body
    cut = len(whole) - len(reply.body) // 2 - 1 if ill and ill.half else len(whole)
    writer.write(whole[:cut])
    await writer.drain()
    return cut == len(whole)


@asynccontextmanager
async def running(state: SesState | None = None) -> AsyncIterator[Ses]:
    """Run the emulator in this event loop, on a port of its own."""
    ses = Ses(state or SesState())
    server = await asyncio.start_server(ses.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    ses.url = f"http://{host}:{port}"
    try:
        yield ses
    finally:
        server.close()
        for client in ses.clients:
            client.transport.abort()
        await asyncio.sleep(0.01)  # until their tasks have ended
