"""Knows how a message is proven: sent by the operator's path and found again, or given, and judged as a receiver does.

Nothing is kept but the audit: a proof's id holds what it takes to know it again, with a digest that binds it to its
claim. No relay for others: the text is ours alone, and it goes to the operator's own mailbox alone.
"""

import hmac
from datetime import datetime, timedelta

import msgspec
import structlog

from letterhead.core.check import message_authentication
from letterhead.core.check.message_authentication import AuthInput, AuthReport
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.domain.domain import Domain
from letterhead.core.message import message
from letterhead.core.schedule import reminder_mail
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.dns_questions import allowance
from letterhead.operations.domains import find_domain
from letterhead.ports.deps import Deps
from letterhead.ports.mail import DeliveryResult, ProofSetup
from letterhead.ports.resolver import Allowance

MAX_ROUNDS = 32  # ten SPF terms (RFC 7208 4.6.4), each with what it leads to, and the walk of an organisation
PACKETS = 128  # a message with 8 signatures, and an SPF tree of its own, may need twice what a check does
SEND_EVERY = timedelta(seconds=20)  # for one domain, by all processes together
NONCE, DIGEST = 10, 10  # octets
PREFIX = "proof"

ProofState = dict[Question, tuple[Reply, ...]]
log = structlog.get_logger()


class ReceivedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a message as it was received, and what is told of its envelope."""

    octets: bytes
    client_ip: str | None = None
    mail_from: str | None = None
    helo: str | None = None


class AuthenticatedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Holds how a message was judged, and when."""

    proof: AuthReport
    judged_at: datetime


class ProofSent(msgspec.Struct, frozen=True, kw_only=True):
    """Says that a proof was sent and is not found yet; `readable` says whether we can look for it."""

    sender: str
    id: str
    to: str
    readable: bool
    sent_at: datetime | None = None
    said: str | None = None  # the mail server's word

    @property
    def message_id(self) -> str:
        """Gives the Message-ID, unless a server on the way writes its own."""
        return f"<{self.id}@{self.sender}>"


# --- a message that is given -----------------------------------------------------------------------------------


async def judge(deps: Deps, account_id: str, raw: str, given: ReceivedMessage, actor: Actor) -> AuthenticatedMessage:
    """Judges a message that should be one of the account's domains'; DNS trouble is told, never raised."""
    domain = await find_domain(deps, account_id, raw)
    await deps.store.audit(audit_row(deps, actor, "proof.judge", domain.sender))
    return await authenticate_message(deps, domain.sender, given)


async def authenticate_message(deps: Deps, sender: str, given: ReceivedMessage) -> AuthenticatedMessage:
    """Judges a message."""
    now, read = deps.now(), message.parse_message(given.octets)
    envelope = message_authentication.envelope(read, given.client_ip, given.mail_from, given.helo)
    case = AuthInput(sender=sender, message=read, envelope=envelope, now=now)
    allowed = allowance(deps.policy.check_seconds)
    allowed.packets = PACKETS
    seen: ProofState = {}
    for _ in range(MAX_ROUNDS):
        if not await _ask(deps, message_authentication.first_questions(case, seen), seen, allowed):
            break
    signatures = message_authentication.verify_signatures(case, seen)
    await _ask(deps, message_authentication.later_questions(case, signatures, seen), seen, allowed)
    return AuthenticatedMessage(proof=message_authentication.judge(case, signatures, seen), judged_at=now)


async def _ask(deps: Deps, wanted: tuple[Question, ...], seen: ProofState, allowed: Allowance) -> bool:
    if wanted:
        seen |= await deps.resolver.ask(wanted, allowed)
    return bool(wanted)


# --- a message that is sent ------------------------------------------------------------------------------------


async def send(deps: Deps, account_id: str, raw: str, actor: Actor, idempotency_key: str | None = None) -> ProofSent:
    """Sends one message of ours from a domain to the operator's mailbox; the same Idempotency-Key names the same one.

    Faults: `body-invalid` where no mailbox is set, `too-many-requests`, `provider-failed`.
    """
    domain = await find_domain(deps, account_id, raw)
    proving = _set(deps)
    now = deps.now()
    if await deps.store.take_rate_slot(f"{PREFIX}|{domain.id}", now, SEND_EVERY, now) is None:
        raise _too_soon(domain)
    token = _token(deps, domain, idempotency_key)
    await deps.store.audit(audit_row(deps, actor, "proof.send", domain.sender))
    letter = reminder_mail.proof_email(domain.sender, domain.mail_from, proving.to, token)
    handed = await proving.mailer.send(letter)
    log.info("proof.handed", domain_id=domain.id, post=handed.result, said=handed.said)
    if handed.result in (DeliveryResult.LATER, DeliveryResult.REFUSED):
        raise Fault(
            Kind.PROVIDER_FAILED,
            f"The mail server did not take the proof from {letter.bounces}: {handed.said}",
            "Let the operator's server send as this domain, or send its message's source as raw.",
            provider="smtp",
            provider_code=handed.said[:3] if handed.said[:3].isdecimal() else None,
        )
    readable = proving.mailbox is not None
    return ProofSent(sender=domain.sender, id=token, to=proving.to, readable=readable, sent_at=now, said=handed.said)


async def find_proof(deps: Deps, account_id: str, raw: str, token: str) -> ProofSent | AuthenticatedMessage:
    """Looks for a proof that was sent, and judges it where it has arrived; Faults `not-found`, `provider-failed`."""
    domain = await find_domain(deps, account_id, raw)
    proving = deps.proofs
    if proving is None or not _ours(deps, domain, token):
        fix = f"POST /domains/{domain.sender}/proof sends one and tells its id."
        raise Fault(Kind.NOT_FOUND, f"No proof of {domain.sender} has this id.", fix)
    octets = await proving.mailbox.find(token) if proving.mailbox is not None else None
    if octets is None:
        return ProofSent(sender=domain.sender, id=token, to=proving.to, readable=proving.mailbox is not None)
    return await authenticate_message(deps, domain.sender, ReceivedMessage(octets=octets))


def _set(deps: Deps) -> ProofSetup:
    if deps.proofs is None:
        raise Fault(
            Kind.BODY_INVALID,
            "This installation names no mailbox that a proof could be sent to.",
            "Send a message yourself, and its source as it was received as raw; or have the operator set "
            "LETTERHEAD_PROOF_MAILBOX.",
        )
    return deps.proofs


def _too_soon(domain: Domain) -> Fault:
    wait = int(SEND_EVERY.total_seconds())
    return Fault(
        Kind.TOO_MANY_REQUESTS,
        f"A proof of {domain.sender} was sent a moment ago.",
        f"Look for that one, or wait {wait} s, as Retry-After says.",
        retry_after=wait,
    )


def _token(deps: Deps, domain: Domain, idempotency_key: str | None) -> str:
    """Makes an id of chance, or of the client's own key, that proves itself to be one of this claim's."""
    given = (
        deps.digest(f"{PREFIX}|{domain.id}|{idempotency_key}")[:NONCE] if idempotency_key else deps.random_octets(NONCE)
    )
    return PREFIX + given.hex() + _digest(deps, domain, given.hex())


def _digest(deps: Deps, domain: Domain, given: str) -> str:
    return deps.digest(f"{PREFIX}-id|{domain.id}|{given}")[:DIGEST].hex()


def _ours(deps: Deps, domain: Domain, token: str) -> bool:
    given, told = token[len(PREFIX) : -2 * DIGEST], token[-2 * DIGEST :]
    wanted = PREFIX + given + _digest(deps, domain, given)
    return (
        len(token) == len(PREFIX) + 2 * (NONCE + DIGEST)
        and bool(told)
        and hmac.compare_digest(wanted.encode(), token.encode("utf-8", "replace"))
    )
