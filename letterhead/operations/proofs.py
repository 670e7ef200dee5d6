"""Knows how a message is judged as a receiver judges it: the core asks, DNS answers, nothing is kept but the audit."""

from datetime import datetime

import msgspec

from letterhead.core import message, proof
from letterhead.core.answers import Question, Reply
from letterhead.core.proof import Case, Proof
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.domains import find_domain
from letterhead.operations.looks import allowance
from letterhead.ports import Allowance, Deps

MAX_ROUNDS = 32  # ten SPF terms (RFC 7208 4.6.4), each with what it leads to, and the walk of an organisation
PACKETS = 128  # a message with 8 signatures, and an SPF tree of its own, may need twice what a check does
LARGEST = 64 * 1024  # octets of a message that is judged

Seen = dict[Question, tuple[Reply, ...]]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a message as it was received, and what is told of its envelope."""

    octets: bytes
    client_ip: str | None = None
    mail_from: str | None = None
    helo: str | None = None


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """Holds how a message was judged, and when."""

    proof: Proof
    judged_at: datetime


async def judge(deps: Deps, account_id: str, raw: str, given: Given, actor: Actor) -> Proven:
    """Judges a message that should be one of the account's domains'; DNS trouble is told, never raised."""
    domain = await find_domain(deps, account_id, raw)
    await deps.store.audit(audit_row(deps, actor, "proof.judge", domain.sender))
    return await judged(deps, domain.sender, given)


async def judged(deps: Deps, sender: str, given: Given) -> Proven:
    """Judges a message."""
    now, read = deps.now(), message.parse(given.octets)
    envelope = proof.envelope(read, given.client_ip, given.mail_from, given.helo)
    case = Case(sender=sender, message=read, envelope=envelope, now=now)
    allowed = allowance(deps.policy.check_seconds)
    allowed.packets = PACKETS
    seen: Seen = {}
    for _ in range(MAX_ROUNDS):
        if not await _ask(deps, proof.first_questions(case, seen), seen, allowed):
            break
    signatures = proof.verified(case, seen)
    await _ask(deps, proof.later_questions(case, signatures, seen), seen, allowed)
    return Proven(proof=proof.judge(case, signatures, seen), judged_at=now)


async def _ask(deps: Deps, wanted: tuple[Question, ...], seen: Seen, allowed: Allowance) -> bool:
    if wanted:
        seen |= await deps.resolver.ask(wanted, allowed)
    return bool(wanted)
