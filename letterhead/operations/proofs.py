"""Prove that a domain's mail authenticates: send a message and find it again, or take one, and judge it as a receiver.

Only the audit is stored: a proof's id carries what is needed to recognise it, with a digest that binds it to its claim.
This is no open relay: the text is ours, and it goes to the operator's own mailbox only.
"""

import hmac
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import msgspec
import structlog

from letterhead.core.check import message_authentication
from letterhead.core.check.auth_report import AuthInput, AuthReport
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.message import message
from letterhead.core.message.envelope import envelope
from letterhead.core.names.domain_names import NameRules, organisation_of
from letterhead.core.schedule import reminder_mail
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.dns_questions import ask_within, domain_allowance
from letterhead.operations.domains import FindDomainNeeds, find_domain
from letterhead.operations.recent_results import OnDemand
from letterhead.operations.relay import proof_password
from letterhead.ports.deps import Clock, Digest, OperationSettings, RandomOctets
from letterhead.ports.mail import DeliveryResult, ProofSetup
from letterhead.ports.resolver import Resolver
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore

MAX_ROUNDS = 32  # ten SPF terms (RFC 7208 4.6.4), each with what it leads to, and the DMARC tree walk
PACKETS = 128  # a message with 8 signatures, and an SPF tree of its own, may need twice what a check does
SEND_EVERY = timedelta(seconds=20)  # for one domain, in all processes together
NONCE, DIGEST = 10, 10  # octets
PREFIX = "proof"

log = structlog.get_logger()


class StoreForProofs(DomainStore, AccountStore, LeaseStore, Protocol):
    """Domains, the audit, and the rate at which proofs are sent."""


class MessageNeeds(Protocol):
    """What judging a message needs."""

    @property
    def resolver(self) -> Resolver: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def names(self) -> NameRules: ...
    @property
    def now(self) -> Clock: ...


class ProofNeeds(MessageNeeds, FindDomainNeeds, AuditNeeds, Protocol):
    """What the operations on proofs need."""

    @property
    def store(self) -> StoreForProofs: ...
    @property
    def proofs(self) -> ProofSetup | None: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def random_octets(self) -> RandomOctets: ...


class ReceivedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it was received, with what is known of its envelope."""

    octets: bytes
    client_ip: str | None = None
    mail_from: str | None = None
    helo: str | None = None


class AuthenticatedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """How a message was judged, and when."""

    proof: AuthReport
    judged_at: datetime


class ProofSent(msgspec.Struct, frozen=True, kw_only=True):
    """A proof that was sent and is not found yet; `readable`: its mailbox can be read."""

    sender: str
    id: str
    to: str
    readable: bool
    sent_at: datetime | None = None
    said: str | None = None  # the mail server's reply

    @property
    def message_id(self) -> str:
        """The Message-ID, unless a server on the way replaces it."""
        return f"<{self.id}@{self.sender}>"


# --- a message that is given -----------------------------------------------------------------------------------


async def judge(
    deps: ProofNeeds, account_id: str, raw: str, received: ReceivedMessage, actor: Actor
) -> AuthenticatedMessage:
    """Judge a message that should be from one of the account's domains; DNS trouble is part of the result.

    Fault `not-found`.
    """
    domain = await find_domain(deps, account_id, raw)
    await deps.store.audit(audit_row(deps, actor, "proof.judge", domain.sender))
    return await authenticate_message(deps, domain, received)


async def authenticate_message(deps: MessageNeeds, domain: Domain, received: ReceivedMessage) -> AuthenticatedMessage:
    """Authenticate a message as its receiver does: DKIM, SPF, DMARC."""
    now, parsed = deps.now(), message.parse_message(received.octets)
    organisation = partial(organisation_of, suffixes=deps.names.any_suffix)
    came = envelope(parsed, received.client_ip, received.mail_from, received.helo, organisation)
    auth_input = AuthInput(
        sender=domain.sender,
        message=parsed,
        envelope=came,
        now=now,
        organisation=organisation,
        known_keys=_key_hosts(domain),
    )
    allowed = domain_allowance(deps, domain)
    allowed.packets = PACKETS
    seen: dict[Question, tuple[Reply, ...]] = {}
    for _ in range(MAX_ROUNDS):
        wanted = message_authentication.first_questions(auth_input, seen)
        if not wanted:
            break
        seen |= await ask_within(deps.resolver, wanted, allowed)
    signatures = message_authentication.verify_signatures(auth_input, seen)
    if wanted := message_authentication.later_questions(auth_input, signatures, seen):
        seen |= await ask_within(deps.resolver, wanted, allowed)
    return AuthenticatedMessage(proof=message_authentication.judge(auth_input, signatures, seen), judged_at=now)


def _key_hosts(domain: Domain) -> tuple[str, ...]:
    """Return the names at which a domain's keys are to be published, as its page shows them."""
    selectors = [domain.selector, *([domain.ed25519.selector] if domain.ed25519 else [])]
    return tuple(f"{selector}._domainkey.{domain.sender}" for selector in selectors)


# --- a message that is sent ------------------------------------------------------------------------------------


async def send(
    deps: ProofNeeds, account_id: str, raw: str, actor: Actor, idempotency_key: str | None = None
) -> ProofSent:
    """Send one message of ours from a domain to the operator's mailbox; an Idempotency-Key always gives the same id.

    Faults: `not-found`, `body-invalid` where no mailbox is set, `conflict` where the domain may not send now,
    `too-many-requests`, `provider-failed`.
    """
    domain, setup, now = await find_domain(deps, account_id, raw), deps.proofs, deps.now()
    if setup is None:
        raise Fault(
            Kind.BODY_INVALID,
            "This installation names no mailbox that a proof could be sent to.",
            "Send a message yourself, and its source as it was received as raw; or have the operator set "
            "LETTERHEAD_PROOF_MAILBOX.",
        )
    await _allow_sending(deps, domain, now)
    if idempotency_key:
        nonce = deps.digest(f"{PREFIX}|{domain.id}|{idempotency_key}")[:NONCE].hex()
    else:
        nonce = deps.random_octets(NONCE).hex()
    token = _token(deps, domain, nonce)
    await deps.store.audit(audit_row(deps, actor, "proof.send", domain.sender))
    email = reminder_mail.proof_email(domain.sender, domain.mail_from, setup.to, token)
    mailer = setup.mailer
    if setup.relay_mailer is not None:
        mailer = setup.relay_mailer(domain.account_id, proof_password(deps, domain.account_id, now))
    sent = await mailer.send(email)
    log.info("proof.handed", domain_id=domain.id, post=sent.result, said=sent.said)
    if sent.result in (DeliveryResult.LATER, DeliveryResult.REFUSED):
        raise Fault(
            Kind.PROVIDER_FAILED,
            f"The mail server did not take the proof from {email.bounces}: {sent.said}",
            "Let the operator's server send as this domain, or send its message's source as raw.",
            provider="smtp",
            provider_code=sent.said[:3] if sent.said[:3].isdecimal() else None,
        )
    readable = setup.mailbox is not None
    return ProofSent(sender=domain.sender, id=token, to=setup.to, readable=readable, sent_at=now, said=sent.said)


async def _allow_sending(deps: ProofNeeds, domain: Domain, now: datetime) -> None:
    """Raise Fault where no mail may be sent from a domain now, or one was sent a moment ago."""
    if not lifecycle.may_send(domain, now):  # whoever only claims a name may not have mail sent from it
        raise Fault(
            Kind.CONFLICT,
            f"{domain.sender} is not proven now, so no mail is sent from it: its DKIM status is {domain.dkim.state}.",
            f"Publish its records (GET /domains/{domain.sender} lists them) and wait until its status is SUCCESS; or "
            "send a message yourself, and its source as it was received as raw.",
        )
    if await deps.store.take_rate_slot(f"{PREFIX}|{domain.id}", now, SEND_EVERY, now) is None:
        wait = int(SEND_EVERY.total_seconds())
        raise Fault(
            Kind.TOO_MANY_REQUESTS,
            f"A proof of {domain.sender} was sent a moment ago.",
            f"Look for that one, or wait {wait} s, as Retry-After says.",
            retry_after=wait,
        )


async def find_proof(deps: ProofNeeds, account_id: str, raw: str, token: str) -> ProofSent | AuthenticatedMessage:
    """Find a proof that was sent, and judge it where it has arrived.

    Faults: `not-found` for a domain or an id that is not the account's, `provider-failed` where the mailbox can't be
    read.
    """
    domain, setup = await find_domain(deps, account_id, raw), deps.proofs
    wanted = _token(deps, domain, token[len(PREFIX) : -2 * DIGEST])
    is_ours = hmac.compare_digest(wanted.encode(), token.encode("utf-8", "replace"))
    if setup is None or not is_ours or len(token) != len(PREFIX) + 2 * (NONCE + DIGEST):
        fix = f"POST /domains/{domain.sender}/proof sends one and tells its id."
        raise Fault(Kind.NOT_FOUND, f"No proof of {domain.sender} has this id.", fix)
    octets = await setup.mailbox.find(token) if setup.mailbox is not None else None
    if octets is None:
        return ProofSent(sender=domain.sender, id=token, to=setup.to, readable=setup.mailbox is not None)
    return await authenticate_message(deps, domain, ReceivedMessage(octets=octets))


async def look_for_proof(
    deps: ProofNeeds, on_demand: OnDemand, account_id: str, raw: str, token: str
) -> tuple[Domain, ProofSent | AuthenticatedMessage]:
    """Return a domain and one of its proofs, as it was looked for within the last 5 s or is now.

    Faults: those of `find_proof`, `too-many-requests`.
    """
    domain = await find_domain(deps, account_id, raw)
    make = partial(find_proof, deps, account_id, domain.sender, token)
    found = await on_demand.looks.once(account_id, f"proof {domain.id} {token[:200]}", make, octets_of_proof)
    return domain, found.value


def octets_of_proof(found: ProofSent | AuthenticatedMessage) -> int:
    """Return about how much memory a proof takes: of a message, its parts several times over."""
    if isinstance(found, ProofSent):
        return 1000
    parsed = found.proof.given.message
    return 10_000 + 4 * (len(parsed.body) + sum(len(each.raw) for each in parsed.fields))


def _token(deps: ProofNeeds, domain: Domain, nonce: str) -> str:
    """Return the id of a proof: a nonce, and a digest of it that binds it to the claim."""
    return PREFIX + nonce + deps.digest(f"{PREFIX}-id|{domain.id}|{nonce}")[:DIGEST].hex()
