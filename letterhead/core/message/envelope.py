"""The envelope of a received message: its client and envelope sender, as the message's trace fields tell them.

The hop that counts for SPF is the last one that leads from one organisation to another: those above it are within the
receiver's own house. What the receiver itself wrote above that hop, Received-SPF or Authentication-Results, tells more
than our reading of it.
"""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.message.message import HeaderField, Message
from letterhead.core.names.ip_addresses import is_not_public, read_address

MOST_RECEIVED: Final = 20
Organisation = Callable[[str], str]  # the organisational domain of a host name
_FROM_HOST: Final = re.compile(r"\s*from\s+(\S+)(.*)", re.DOTALL | re.IGNORECASE)
_BY: Final = re.compile(r"(?:^|\s)by\s+", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(?<![\w.:])(?:IPv6:)?([0-9A-Fa-f.:]{3,45})(?![\w.:])", re.IGNORECASE)
_HOST: Final = re.compile(r"(?<![\w.-])((?:[\w-]{1,63}\.){1,20}[A-Za-z][\w-]{1,62})(?![\w-])")
_CLIENT_IP: Final = re.compile(r"client-ip\s*=\s*\"?([0-9A-Fa-f.:]{3,45})", re.IGNORECASE)  # RFC 7208 9.1
_HELO: Final = re.compile(r"\bhelo\s*=\s*\"?([\w.-]{1,255})", re.IGNORECASE)
_RESULT: Final = re.compile(r"(?:^|[;\s])(?:spf|iprev)\s*=", re.IGNORECASE)  # RFC 8601 2.7.2, 2.7.3


class Provenance(StrEnum):
    """The source of a part of the envelope."""

    GIVEN = "given"
    RETURN_PATH = "return-path"
    RECEIVED = "received"
    NOWHERE = "nowhere"


class ReceivedEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """How a message came: from which client, for which envelope sender (empty for a bounce), with which HELO."""

    client_ip: str | None = None
    client_source: Provenance = Provenance.NOWHERE
    mail_from: str | None = None
    mail_from_source: Provenance = Provenance.NOWHERE
    helo: str | None = None
    received: str | None = None
    unknown: str | None = None  # why no client address can be judged
    doubt: str | None = None  # why the client address may be another one


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One Received field: the names of the client, the address it connected from, and the server that wrote it."""

    field: HeaderField
    helo: str
    address: str | None
    names: tuple[str, ...]
    by: str | None
    text: str


class _SeenClient(msgspec.Struct, frozen=True, kw_only=True):
    """Who handed the message over, by its trace fields."""

    hop: Hop
    address: str | None
    helo: str | None
    doubt: str | None = None


def last_two_labels(host: str) -> str:
    """Return the last two labels of a name: its organisation as far as can be told without the public suffix list."""
    return ".".join(host.lower().rstrip(".").split(".")[-2:])


def envelope(
    message: Message,
    client_ip: str | None,
    mail_from: str | None,
    helo: str | None,
    organisation: Organisation = last_two_labels,
) -> ReceivedEnvelope:
    """Return the envelope: what was given, else what the message's last servers wrote into it."""
    client = _client(message, organisation)
    sender, source = mail_from, Provenance.GIVEN
    if sender is None:
        sender = return_path(message)
        source = Provenance.NOWHERE if sender is None else Provenance.RETURN_PATH
    if client_ip is not None:
        address = read_address(client_ip)
        return ReceivedEnvelope(
            client_ip=str(address) if address else None,
            client_source=Provenance.GIVEN,
            mail_from=sender,
            mail_from_source=source,
            helo=helo or next((hop.helo for hop in received_hops(message) if hop.address == client_ip), None),
            unknown=None if address else "the clientIp that was given is no address",
        )
    return ReceivedEnvelope(
        client_ip=client.address if client else None,
        client_source=Provenance.RECEIVED if client else Provenance.NOWHERE,
        mail_from=sender,
        mail_from_source=source,
        helo=helo or (client.helo if client else None),
        received=client.hop.text if client else None,
        unknown=None if client else _why_unknown(message),
        doubt=client.doubt if client else None,
    )


def return_path(message: Message) -> str | None:
    """Return the envelope sender from the Return-Path field, empty for a bounce; None where there is no such field."""
    found = message.fields_named("return-path")
    return found[0].text.strip().removeprefix("<").removesuffix(">").strip() if found else None


def _why_unknown(message: Message) -> str:
    addresses_named = (read_address(each.address) for each in received_hops(message) if each.address)
    inner = next((address for address in addresses_named if address is not None), None)
    if inner is None:
        return "no Received field names the address that it came from"
    return f"its Received fields name no public address: {inner} is {is_not_public(inner)}"


# --- the way of the message ------------------------------------------------------------------------------------


def received_hops(message: Message) -> Iterator[Hop]:
    """Yield the Received fields that name a sending host, the last server's first."""
    for field in message.fields_named("received")[:MOST_RECEIVED]:
        text = field.text[:1000]
        client, *server = _BY.split(text, maxsplit=1)
        hit = _FROM_HOST.match(client)
        if hit is None:
            continue
        by = _HOST.match(server[0].lstrip("[(")) if server else None
        yield Hop(
            field=field,
            helo=hit[1].strip("[]();,"),
            # The one in the comment was seen by the server, the others were claimed by the client.
            address=_first_address(hit[2]) or _first_address(hit[1]),
            names=tuple(_HOST.findall(client)),
            by=by[1] if by else None,
            text=text,
        )


def organisations_passed(message: Message, organisation: Organisation) -> tuple[str, ...]:
    """Return the organisations that handed the message to another one, the last first, as Received names them."""
    passed = [hop for hop in received_hops(message) if _leads_in(hop, organisation)]
    return tuple(dict.fromkeys(organisation(hop.names[-1]) for hop in passed))


def _first_address(text: str) -> str | None:
    return next((found for found in _ADDRESS.findall(text) if read_address(found) is not None), None)


def _leads_in(hop: Hop, organisation: Organisation) -> bool:
    """Return whether a hop leads from one organisation to another."""
    return bool(hop.by and hop.names) and not _is_inside(hop, organisation)


def _is_inside(hop: Hop, organisation: Organisation) -> bool:
    """Return whether a hop stays within one organisation, as any name of the client tells."""
    return bool(hop.by) and organisation(hop.by or "") in map(organisation, hop.names)


def _client(message: Message, organisation: Organisation) -> _SeenClient | None:
    """Return who handed the message to the receiver's organisation; None where no public address is named."""
    public = [hop for hop in received_hops(message) if hop.address and _is_public(hop.address)]
    if not public:
        return None
    into = next((hop for hop in public if _leads_in(hop, organisation)), None)
    doubt = None
    if into is None:
        hop = public[0]
        doubt = "no Received field shows where it passed from one organisation to another"
        if _is_inside(hop, organisation):
            doubt = f"{hop.address} and the server that received from it, {hop.by}, are of one organisation"
    else:
        hop = into
        above = public[: public.index(hop)]
        unclear = next((each for each in above if not _is_inside(each, organisation)), None)
        if unclear is not None:
            doubt = f"another Received field above, from {unclear.address}, does not say whose server that is"
    return _as_the_receiver_saw_it(message, hop, doubt, organisation)


def _as_the_receiver_saw_it(message: Message, hop: Hop, doubt: str | None, organisation: Organisation) -> _SeenClient:
    """Return the client as the receiver's own fields above the hop name it, where there are such."""
    own = organisation(hop.by) if hop.by else None
    above = message.fields[: next(at for at, field in enumerate(message.fields) if field is hop.field)]
    for field in above:
        address = _address_seen(field, own, organisation)
        if address is None:
            continue
        if address == hop.address:
            return _SeenClient(hop=hop, address=address, helo=hop.helo)
        name = field.raw.partition(b":")[0].decode("ascii")
        helo = _HELO.search(field.text)
        doubt = f"{name} names {address}, and the Received field below it {hop.address}"
        return _SeenClient(hop=hop, address=address, helo=helo[1] if helo else None, doubt=doubt)
    return _SeenClient(hop=hop, address=hop.address, helo=hop.helo, doubt=doubt)


def _address_seen(field: HeaderField, own: str | None, organisation: Organisation) -> str | None:
    """Return the public client address that Received-SPF, or the receiver's Authentication-Results, names."""
    text = field.text[:2000]
    found: list[str] = []
    if field.name == "received-spf":
        found = _CLIENT_IP.findall(text) or _ADDRESS.findall(text)
    elif field.name == "authentication-results":
        results = _RESULT.search(text)
        server = _HOST.search(text.partition(";")[0])
        if results is not None and server is not None and organisation(server[1]) == own:
            found = _ADDRESS.findall(text[results.start() :])
    return next((each for each in found if _is_public(each)), None)


def _is_public(text: str) -> bool:
    address = read_address(text)
    return address is not None and is_not_public(address) is None
