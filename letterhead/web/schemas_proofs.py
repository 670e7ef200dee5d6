"""Schemas of proofs: how a receiver sees one message."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.web.schemas import In, Out

Result = Literal["none", "pass", "fail", "policy", "softfail", "neutral", "temperror", "permerror"]


class NewProof(In, frozen=True, kw_only=True):
    """Asks for a proof: of the message in `raw`, or, without it, of one that is sent now."""

    raw: Annotated[str, Meta(description="A message's source as it was received, headers and all.")] | UnsetType = UNSET
    encoding: Annotated[
        Literal["text", "base64"], Meta(description="How `raw` is written: base64 for octets that are no UTF-8.")
    ] = "text"
    client_ip: (
        Annotated[str, Meta(max_length=45, description="Who handed it over; else Received tells.")] | UnsetType
    ) = UNSET
    mail_from: (
        Annotated[
            str,
            Meta(max_length=320, description="The envelope sender, empty for a bounce; else Return-Path tells."),
        ]
        | UnsetType
    ) = UNSET
    helo: (
        Annotated[str, Meta(max_length=253, description="The name that the client gave; else Received tells.")]
        | UnsetType
    ) = UNSET


class ProofPart(Out, frozen=True, kw_only=True):
    """Tells what a receiver notes (RFC 8601), why, and what to do; `code` is the finding that explains it."""

    result: Result
    why: str
    code: str | UnsetType = UNSET
    fix: str | UnsetType = UNSET


class ProofSignature(ProofPart, frozen=True, kw_only=True):
    """Tells of one DKIM signature; without `aligned` DNS did not tell enough to say."""

    domain: str | UnsetType = UNSET
    selector: str | UnsetType = UNSET
    host: Annotated[str, Meta(description="Where its key is published.")] | UnsetType = UNSET
    algorithm: str | UnsetType = UNSET
    key_bits: int | UnsetType = UNSET
    aligned: bool | UnsetType = UNSET


class ProofSpf(ProofPart, frozen=True, kw_only=True):
    """Tells what SPF says of the MAIL FROM domain, or of HELO for a bounce."""

    identity: Literal["mailfrom", "helo"]
    domain: str | UnsetType = UNSET
    lookups: Annotated[int, Meta(description="Terms that were looked up, of 10.")]
    aligned: bool | UnsetType = UNSET


class ProofDmarc(ProofPart, frozen=True, kw_only=True):
    """Tells DMARC's verdict and what becomes of the message; `policy` is what is asked for, `host` by whom."""

    outcome: Literal["delivered", "quarantined", "rejected", "deferred"]
    from_domain: str | UnsetType = UNSET
    policy: Literal["none", "quarantine", "reject"] | UnsetType = UNSET
    host: str | UnsetType = UNSET
    record: str | UnsetType = UNSET
    inherited: bool | UnsetType = UNSET


Source = Literal["given", "return-path", "received", "nowhere"]


class ProofEnvelope(Out, frozen=True, kw_only=True):
    """Tells how the message came, and where that is known from; `received` is the field that told the address."""

    client_ip: str | UnsetType = UNSET
    client_ip_from: Source
    mail_from: str | UnsetType = UNSET
    mail_from_from: Source
    helo: str | UnsetType = UNSET
    received: str | UnsetType = UNSET


class ProofVerdict(Out, frozen=True, kw_only=True):
    """Tells how a receiver sees one message."""

    judged_at: datetime
    envelope: ProofEnvelope
    dkim: tuple[ProofSignature, ...]
    spf: ProofSpf
    dmarc: ProofDmarc
    notes: Annotated[tuple[str, ...], Meta(description="What else a reader must know.")]


class DomainProof(Out, frozen=True, kw_only=True):
    """Tells of a proof: "sent" and "waiting" say what to do next, "judged" has the verdict."""

    sender: str
    status: Literal["sent", "waiting", "judged"]
    next: Annotated[str, Meta(description="What to do next.")] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    to: str | UnsetType = UNSET
    sent_at: datetime | UnsetType = UNSET
    server: Annotated[str, Meta(description="What the mail server said.")] | UnsetType = UNSET
    verdict: ProofVerdict | UnsetType = UNSET
