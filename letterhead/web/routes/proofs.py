"""Endpoints of proofs: how a receiver authenticates a message of a domain."""

import base64
import binascii

import msgspec
from msgspec import UnsetType
from starlette.responses import Response

from letterhead.errors import Fault, Kind
from letterhead.operations import domains, proofs
from letterhead.web import serialize_proofs
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.rate_limits import take_proof
from letterhead.web.schemas_proofs import DomainProof, NewProof
from letterhead.web.serialize import JSON, json_response


async def prove_domain(context: RequestContext) -> Response:
    """Shows how a receiver sees a message of the domain: DKIM of each signature, SPF, alignment, DMARC's verdict.

    With `raw` it is the message given, and the verdict comes at once. Without a body one message is sent by the
    operator's path to a mailbox of the operator's, if the domain is proven now, and its `id` leads to the verdict. An
    `Idempotency-Key` names that message: within 20 s the same key sends nothing again. One is sent in 20 s for a
    domain, one judged in 5 s (five after a rest).
    """
    asked = await context.body_if_any(NewProof)
    if isinstance(asked.raw, UnsetType):
        if asked != NewProof():
            raise Fault(
                Kind.BODY_INVALID,
                "The fields encoding, clientIp, mailFrom and helo go with raw, which is missing.",
                "Send the message's source as raw; or no fields, to have a message sent.",
            )
        return await _send(context)
    return await _authenticate(context, asked, asked.raw)


async def _authenticate(context: RequestContext, asked: NewProof, raw: str) -> Response:
    """Authenticate the submitted message; Fault `body-invalid`, `too-many-requests`."""
    given = proofs.ReceivedMessage(
        octets=_decode_raw(raw, asked.encoding),
        client_ip=_if_given(asked.client_ip),
        mail_from=_if_given(asked.mail_from),
        helo=_if_given(asked.helo),
    )
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    take_proof(context.state.proof_rates, domain)
    found = await proofs.judge(context.deps, context.account_id, domain.sender, given, context.actor)
    return json_response(serialize_proofs.domain_proof(found.proof.given.sender, found))


def _if_given(text: str | UnsetType) -> str | None:
    return None if isinstance(text, UnsetType) else text


def _decode_raw(raw: str, encoding: str) -> bytes:
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


async def _send(context: RequestContext) -> Response:
    """Send a message, once for each `Idempotency-Key`."""
    key = context.idempotency_key()
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))

    async def make() -> bytes:
        sent = await proofs.send(context.deps, context.account_id, domain.sender, context.actor, key)
        return msgspec.json.encode(serialize_proofs.domain_proof(sent.sender, sent, now_sent=True))

    if not key:
        return Response(await make(), media_type=JSON)
    found = await context.state.on_demand.sent_proofs.once(context.account_id, f"{domain.id} {key}", make)
    return Response(found.value, media_type=JSON)


async def show_proof(context: RequestContext) -> Response:
    """Looks for a proof that was sent, and tells the verdict once it has arrived; the last look stands for 5 s.

    Where the installation can't read its mailbox, the status stays "sent", and `next` says what to do.
    """
    domain, found = await proofs.look_for_proof(
        context.deps, context.state.on_demand, context.account_id, context.part("sender"), context.part("proofId")
    )
    return json_response(serialize_proofs.domain_proof(domain.sender, found))


TOPIC, PATH = "Sender domains", "/domains/{sender}/proof"

ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, serve=prove_domain, access=Access.WRITE, topic=TOPIC, answer=DomainProof,
        body=NewProof, body_optional=True, headers=("Idempotency-Key",),
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT, Kind.PROVIDER_FAILED),
    ),
    Endpoint(
        method="GET", path=PATH + "/{proofId}", serve=show_proof, access=Access.READ, topic=TOPIC, answer=DomainProof,
        faults=(Kind.NOT_FOUND, Kind.PROVIDER_FAILED),
    ),
)  # fmt: skip
