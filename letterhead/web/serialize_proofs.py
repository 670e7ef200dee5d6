"""Serializers of proofs."""

from msgspec import UNSET

from letterhead.core.check.auth_report import DkimResult
from letterhead.core.message.auth_result import AuthResult
from letterhead.operations.proofs import AuthenticatedMessage, ProofSent
from letterhead.web import schemas_proofs as wire
from letterhead.web.serialize import given


def domain_proof(sender: str, found: ProofSent | AuthenticatedMessage, *, now_sent: bool = False) -> wire.DomainProof:
    """Serialize a proof: a message just sent, one not yet received, or one with its verdict."""
    match found:
        case AuthenticatedMessage():
            return wire.DomainProof(sender=sender, status="judged", verdict=verdict(found))
        case ProofSent():
            if found.readable:
                next_step = (
                    f"Ask GET /domains/{found.sender}/proof/{found.id} until it has arrived; mail may take minutes."
                )
            else:
                next_step = (
                    f"Open the message with {found.id} in its subject in the mailbox {found.to}, and POST its source "
                    f"as raw to /domains/{found.sender}/proof."
                )
            return wire.DomainProof(
                sender=sender,
                status="sent" if now_sent or not found.readable else "waiting",
                next=next_step,
                id=found.id,
                message_id=found.message_id,
                to=found.to,
                sent_at=given(found.sent_at),
                server=given(found.said),
            )


def verdict(found: AuthenticatedMessage) -> wire.ProofVerdict:
    """Serialize the results of authenticating a message."""
    proof = found.proof
    envelope, spf, dmarc, policy = proof.given.envelope, proof.spf, proof.dmarc, proof.dmarc.policy
    return wire.ProofVerdict(
        judged_at=found.judged_at,
        envelope=wire.ProofEnvelope(
            client_ip=given(envelope.client_ip),
            client_ip_from=envelope.client_source.value,
            mail_from=given(envelope.mail_from),
            mail_from_from=envelope.mail_from_source.value,
            helo=given(envelope.helo),
            received=given(envelope.received),
        ),
        dkim=tuple(_signature(each) for each in proof.dkim),
        spf=wire.ProofSpf(
            **_part(spf.judgement),  # type: ignore[arg-type]
            identity="helo" if spf.identity == "helo" else "mailfrom",
            domain=given(spf.domain),
            lookups=spf.lookups,
            aligned=given(spf.aligned) if spf.domain else UNSET,
        ),
        dmarc=wire.ProofDmarc(
            **_part(dmarc.judgement),  # type: ignore[arg-type]
            outcome=dmarc.outcome,  # type: ignore[arg-type]
            from_domain=given(proof.given.from_domain),
            policy=policy.applied if policy else UNSET,  # type: ignore[arg-type]
            host=policy.name if policy else UNSET,
            record=policy.text if policy else UNSET,
            inherited=policy.is_inherited if policy else UNSET,
        ),
        notes=proof.notes,
    )


def _part(judgement: AuthResult) -> dict[str, object]:
    return {
        "result": judgement.result.value, "why": judgement.why,
        "code": given(judgement.code), "fix": given(judgement.fix),
    }  # fmt: skip


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
