"""Strict parsing of a request's body and query: what two parsers could read differently is refused.

At most 64 KB are read; JSON in UTF-8 alone; no doubled keys, NaN, lone surrogates, NUL, deep nesting or huge numbers.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from letterhead.errors import Fault, Kind

LIMIT = 64 * 1024  # octets
DEPTH = 32
_DIGITS = 18  # a longer integer fits no field, and parsing one takes quadratic time
# The closing quote is optional: if it were required, each quote of a body without one would be scanned to the end.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_UNKNOWN = re.compile(r"unknown field `(.*?)`(?: - at `[^`]*`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(.*?)`")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")

T = TypeVar("T", bound=msgspec.Struct)


async def read_body(request: Request, shape: type[T]) -> T:
    """Read a JSON body into its shape; Fault `media-type-unsupported`, `body-…`."""
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Fault(
            Kind.MEDIA_TYPE_UNSUPPORTED,
            f"The body's Content-Type is {media[:80] or 'missing'!r}, not JSON in UTF-8.",
            "Send JSON with the header `Content-Type: application/json`.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Fault(
            Kind.MEDIA_TYPE_UNSUPPORTED, "The body is compressed.", "Send it as it is, without Content-Encoding."
        )
    return parse_body(await read_octets(request), shape)


async def read_body_if_any(request: Request, shape: type[T]) -> T:
    """Read a JSON body that may be absent, which is one without fields; Fault `media-type-unsupported`, `body-…`."""
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return shape()
    return await read_body(request, shape)


async def read_octets(request: Request) -> bytes:
    """Read a body of at most 64 KB; Fault `body-too-large`, `body-invalid`."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:12]) > LIMIT:
        raise _too_large()
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LIMIT:
                raise _too_large()
    except ClientDisconnect as gone:  # nobody reads the response
        raise Fault(Kind.BODY_INVALID, "The body broke off.", "Send the request again.") from gone
    return bytes(body)


def _too_large() -> Fault:
    return Fault(
        Kind.BODY_TOO_LARGE, f"The body is larger than {LIMIT // 1024} KB.", f"Send at most {LIMIT // 1024} KB."
    )


def parse_body(octets: bytes, shape: type[T]) -> T:
    """Parse the octets of a body strictly into its shape; Fault `body-not-json`, `body-invalid`, `domain-required`."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise _not_json(f"it is not UTF-8 at octet {bad.start}") from bad
    _refuse_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_refuse_duplicates,
            parse_constant=_refuse_constant,
            parse_int=_parse_integer,
            parse_float=_parse_number,
        )
    except ValueError as bad:
        raise _not_json(str(bad)) from bad
    if isinstance(value, dict):
        # The core parses the fields of the type `object` itself, and answers with its own codes.
        own = {field.encode_name for field in msgspec.structs.fields(shape) if get_args(field.type)[:1] == (object,)}
        for name, inner in value.items():
            texts = [name] if name in own else [name, *_texts(inner)]
            if any(_UNSENDABLE.search(text) for text in texts):
                raise _not_json(f"the field {name[:80]!r} holds NUL or half a character")
    elif any(_UNSENDABLE.search(text) for text in _texts(value)):
        raise _not_json("it holds NUL or half a character, and is no object")
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as bad:
        raise _fault_of_validation(str(bad), shape) from bad


def _not_json(why: str) -> Fault:
    return Fault(
        Kind.BODY_NOT_JSON,
        f"The body is not the JSON that we read: {why}.",
        "Send one JSON object in UTF-8, each field once, plain numbers, at most 32 levels deep.",
    )


def _refuse_depth(text: str) -> None:
    """Refuse deep nesting before a recursive parser reads it."""
    depth = 0
    for match in _BRACKETS.finditer(text):
        if match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
        if depth > DEPTH:
            raise _not_json(f"it is nested deeper than {DEPTH} levels")


def _refuse_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    value: dict[str, object] = {}
    for name, inner in pairs:
        if name in value:
            raise ValueError(f"the field {name[:80]!r} stands there twice")
        value[name] = inner
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _parse_integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"the number {digits[:20]}… is too large")
    return int(digits)


def _parse_number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for name, each in value.items():
                yield name
                yield from _texts(each)
        case _:
            pass


def _fault_of_validation(message: str, shape: type[msgspec.Struct]) -> Fault:
    """Return the fault for a validation message of msgspec."""
    unknown, missing, place = _UNKNOWN.search(message), _MISSING.search(message), _PLACE.search(message)
    known = ", ".join(sorted(field.encode_name for field in msgspec.structs.fields(shape_at(shape, place))))
    inside = f" in {place[1][:80]!r}" if place else ""
    if unknown:
        detail = f"The body has an unknown field {unknown[1][:80]!r}{inside}."
        return Fault(Kind.BODY_INVALID, detail, f"The fields known here: {known}.")
    if missing:
        kind = Kind.DOMAIN_REQUIRED if missing[1] == "sender" else Kind.BODY_INVALID
        return Fault(kind, f"The body lacks the field {missing[1]!r}{inside}.", f"The fields known here: {known}.")
    problem = _PLACE.sub("", message)
    subject = f"The body's field {place[1][:80]!r}" if place else "The body"
    return Fault(
        Kind.BODY_INVALID,
        f"{subject} does not fit: {problem[0].lower()}{problem[1:]}.",
        "Look at /docs for the shape of this request.",
    )


def shape_at(shape: type[msgspec.Struct], place: re.Match[str] | None) -> type[msgspec.Struct]:
    """Return the shape of an object inside a body, by its place as msgspec writes it: `$.domains[0]`."""
    for name in re.findall(r"[^.\[\]]+", place[1] if place else ""):
        types = [field.type for field in msgspec.structs.fields(shape) if field.encode_name == name]
        while types:
            found = types.pop()
            if isinstance(found, type) and issubclass(found, msgspec.Struct):
                shape = found
            types += get_args(found)
    return shape


def read_query(request: Request, shape: type[T]) -> T:
    """Read the known query parameters into their shape, the unknown are ignored; Fault `parameter-invalid`."""
    return parse_query(request.scope["query_string"], shape)


def parse_query(octets: bytes, shape: type[T]) -> T:
    """Parse a query string; Fault `parameter-invalid`."""
    if not octets:
        return shape()
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
    given: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(octets.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"):
        if name not in fields:
            continue
        listed = given.get(name)
        is_list = get_origin(next(iter(get_args(fields[name])), None)) is tuple  # Annotated[tuple[…], …]
        if (listed is not None and not is_list) or _UNSENDABLE.search(value):
            raise _bad_parameter(name, "it is given twice, or is not text in UTF-8")
        given[name] = [*(listed or ()), value] if is_list else value
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as bad:
        place = _PLACE.search(str(bad))
        raise _bad_parameter(place[1] if place else "?", _PLACE.sub("", str(bad))) from bad


def _bad_parameter(name: str, why: str) -> Fault:
    return Fault(
        Kind.PARAMETER_INVALID,
        f"The query parameter {name!r} does not fit: {why[0].lower()}{why[1:]}.",
        "Look at /docs for its values.",
    )
