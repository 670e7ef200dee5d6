"""Knows the endpoints of proofs: how a receiver sees a message of a domain."""

import base64
import binascii

import msgspec
from msgspec import UnsetType

from letterhead.errors import Fault, Kind
from letterhead.operations import domains, proofs
from letterhead.web import serialize_proofs
from letterhead.web.endpoint import Access, Call, Endpoint
from letterhead.web.proving import judged
from letterhead.web.responses import Answer, json
from letterhead.web.schemas_proofs import DomainProof, NewProof


async def prove_domain(call: Call) -> Answer:
    """Says how a receiver sees a message of the domain: DKIM of each signature, SPF, alignment, DMARC's verdict.

    With `raw` it is the message given, and the verdict comes at once. Without a body one message is sent by the
    operator's path to a mailbox of the operator's, and its `id` leads to the verdict. An `Idempotency-Key` names that
    message: within 20 s the same key sends nothing again. One is sent in 20 s for a domain, one judged in 5 s (five
    after a rest).
    """
    asked = await call.body_if_any(NewProof)
    if isinstance(asked.raw, UnsetType):
        if asked != NewProof():
            raise Fault(
                Kind.BODY_INVALID,
                "The fields encoding, clientIp, mailFrom and helo go with raw, which is missing.",
                "Send the message's source as raw; or no fields, to have a message sent.",
            )
        return await _send(call)
    return await _judge(call, asked, asked.raw)


async def _judge(call: Call, asked: NewProof, raw: str) -> Answer:
    given = proofs.ReceivedMessage(
        octets=_octets(raw, asked.encoding),
        client_ip=_if_given(asked.client_ip),
        mail_from=_if_given(asked.mail_from),
        helo=_if_given(asked.helo),
    )
    found = await judged(call.house, call.account_id, call.part("sender"), given, call.actor)
    return json(serialize_proofs.domain_proof(found.proof.given.sender, found))


def _if_given(text: str | UnsetType) -> str | None:
    return None if isinstance(text, UnsetType) else text


def _octets(raw: str, encoding: str) -> bytes:
    if encoding == "text":
        return raw.encode()
    try:
        return base64.b64decode("".join(raw.split()), validate=True)
    except (binascii.Error, ValueError) as bad:
        raise Fault(
            Kind.BODY_INVALID,
            "The body's field 'raw' is not base64, as encoding says.",
            "Encode the message's octets as RFC 4648 4 has it, or leave encoding away.",
        ) from bad


async def _send(call: Call) -> Answer:
    key = call.idempotency_key()
    named = f"{call.account_id} {call.part('sender')} {key}"
    told = call.house.sent.get(named) if key else None
    if told is None:
        sent = await proofs.send(call.deps, call.account_id, call.part("sender"), call.actor, key)
        told = msgspec.json.encode(serialize_proofs.domain_proof(sent.sender, sent, now_sent=True))
        if key:
            call.house.sent.keep(named, told)
    return Answer(body=told)


async def show_proof(call: Call) -> Answer:
    """Looks for a proof that was sent, and tells the verdict once it has arrived; the last look stands for 5 s.

    Where the installation can't read its mailbox, the status stays "sent", and `next` says what to do.
    """
    named = f"{call.account_id} {call.part('sender')} {call.part('proofId')}"
    told = call.house.looked.get(named)
    if told is None:
        domain = await domains.find_domain(call.deps, call.account_id, call.part("sender"))
        found = await proofs.find_proof(call.deps, call.account_id, domain.sender, call.part("proofId"))
        body = msgspec.json.encode(serialize_proofs.domain_proof(domain.sender, found))
        told = call.house.looked.keep(named, body)
    return Answer(body=told)


TOPIC, PATH = "Sender domains", "/domains/{sender}/proof"

ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, serve=prove_domain, access=Access.WRITE, topic=TOPIC, answer=DomainProof,
        body=NewProof, body_optional=True, headers=("Idempotency-Key",),
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.PROVIDER_FAILED),
    ),
    Endpoint(
        method="GET", path=PATH + "/{proofId}", serve=show_proof, access=Access.READ, topic=TOPIC, answer=DomainProof,
        faults=(Kind.NOT_FOUND, Kind.PROVIDER_FAILED),
    ),
)  # fmt: skip
