"""Serializers of proofs."""

from msgspec import UNSET

from letterhead.core.check.message_authentication import (
    AuthReport,
    DkimResult,
    DmarcResult,
    ReceivedEnvelope,
    SpfResult,
)
from letterhead.core.message.auth_result import AuthResult
from letterhead.operations.proofs import AuthenticatedMessage, ProofSent
from letterhead.web import schemas_proofs as wire
from letterhead.web.serialize import given


def domain_proof(sender: str, found: ProofSent | AuthenticatedMessage, *, now_sent: bool = False) -> wire.DomainProof:
    """Return a proof, wherever it is."""
    match found:
        case AuthenticatedMessage():
            return wire.DomainProof(sender=sender, status="judged", verdict=verdict(found))
        case ProofSent():
            return wire.DomainProof(
                sender=sender,
                status="sent" if now_sent or not found.readable else "waiting",
                next=_next(found),
                id=found.id,
                message_id=found.message_id,
                to=found.to,
                sent_at=given(found.sent_at),
                server=given(found.said),
            )


def _next(sent: ProofSent) -> str:
    if sent.readable:
        return f"Ask GET /domains/{sent.sender}/proof/{sent.id} until it has arrived; mail may take minutes."
    return (
        f"Open the message with {sent.id} in its subject in the mailbox {sent.to}, and POST its source as raw to "
        f"/domains/{sent.sender}/proof."
    )


def verdict(found: AuthenticatedMessage) -> wire.ProofVerdict:
    """Return a verdict."""
    proof = found.proof
    return wire.ProofVerdict(
        judged_at=found.judged_at,
        envelope=_envelope(proof.given.envelope),
        dkim=tuple(_signature(each) for each in proof.dkim),
        spf=_spf(proof.spf),
        dmarc=_dmarc(proof, proof.dmarc),
        notes=proof.notes,
    )


def _part(judgement: AuthResult) -> dict[str, object]:
    return {
        "result": judgement.result.value, "why": judgement.why,
        "code": given(judgement.code), "fix": given(judgement.fix),
    }  # fmt: skip


def _envelope(envelope: ReceivedEnvelope) -> wire.ProofEnvelope:
    return wire.ProofEnvelope(
        client_ip=given(envelope.client_ip),
        client_ip_from=envelope.client_source.value,
        mail_from=given(envelope.mail_from),
        mail_from_from=envelope.mail_from_source.value,
        helo=given(envelope.helo),
        received=given(envelope.received),
    )


def _signature(part: DkimResult) -> wire.ProofSignature:
    signature = part.verified.signature
    named = bool(signature.domain and signature.selector)
    return wire.ProofSignature(
        **_part(part.verified.judgement),  # type: ignore[arg-type]
        domain=signature.domain or UNSET,
        selector=signature.selector or UNSET,
        host=signature.host if named else UNSET,
        algorithm=signature.algorithm or UNSET,
        key_bits=given(part.verified.bits),
        aligned=given(part.aligned),
    )


def _spf(part: SpfResult) -> wire.ProofSpf:
    return wire.ProofSpf(
        **_part(part.judgement),  # type: ignore[arg-type]
        identity="helo" if part.identity == "helo" else "mailfrom",
        domain=given(part.domain),
        lookups=part.lookups,
        aligned=given(part.aligned) if part.domain else UNSET,
    )


def _dmarc(proof: AuthReport, part: DmarcResult) -> wire.ProofDmarc:
    policy = part.policy
    return wire.ProofDmarc(
        **_part(part.judgement),  # type: ignore[arg-type]
        outcome=part.outcome,  # type: ignore[arg-type]
        from_domain=given(proof.given.from_domain),
        policy=policy.applied if policy else UNSET,  # type: ignore[arg-type]
        host=policy.name if policy else UNSET,
        record=policy.text if policy else UNSET,
        inherited=policy.is_inherited if policy else UNSET,
    )
