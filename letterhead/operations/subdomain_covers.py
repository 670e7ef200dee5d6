"""Whether mail may be sent from a name: by the account's claim to it, or to a name above it that covers it."""

from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.check import cover_dmarc
from letterhead.core.domain import lifecycle
from letterhead.core.domain.cover_notes import CoverDmarc
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.subdomain_cover import CoverClaim, CoverDecision, CoverFacts, decide, names_up
from letterhead.core.names.domain_names import DomainName, NameRules, parse_domain, public_suffix
from letterhead.core.names.email_addresses import parse_mailbox
from letterhead.errors import Fault, Kind
from letterhead.operations.dns_questions import allowance, ask_within
from letterhead.ports.deps import Clock, OperationSettings
from letterhead.ports.resolver import Resolver
from letterhead.ports.store.subdomain_covers import CoveringDomain, SubdomainCoverStore


class CoverNeeds(Protocol):
    """What deciding on a name needs; no DNS."""

    @property
    def store(self) -> SubdomainCoverStore: ...
    @property
    def names(self) -> NameRules: ...
    @property
    def now(self) -> Clock: ...


class CoverDnsNeeds(Protocol):
    """What looking at the DMARC records of a name needs."""

    @property
    def resolver(self) -> Resolver: ...
    @property
    def policy(self) -> OperationSettings: ...


class NameCover(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a name, what it follows from, and the domain that signs, where one of the account decides."""

    decision: CoverDecision
    facts: CoverFacts
    signer: Domain | None = None


def parse_from(deps: CoverNeeds, raw: str) -> str:
    """Parse what mail is to be sent from: a domain, an address, or a From field; return the domain.

    Faults: `domain-…`; `parameter-invalid` for an address that can't be read.
    """
    if "@" not in raw:
        return parse_domain(raw, deps.names, owns_suffix=True).ascii
    try:
        name = parse_mailbox(raw).domain
    except ValueError as refused:
        if isinstance(refused.__cause__, Fault):
            raise refused.__cause__ from refused
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"The query parameter 'from' {refused}.",
            "Give one domain, such as eu.acme.dev, or one address, such as hello@eu.acme.dev.",
        ) from refused
    return parse_domain(name, deps.names, owns_suffix=True).ascii


async def decide_cover(deps: CoverNeeds, account_id: str, name: str) -> NameCover:
    """Decide whether an account may send from a name, by what is stored; `name` is in lower-case A-labels."""
    found = await deps.store.cover_claims(account_id, names_up(name))
    now = deps.now()
    claims = [
        CoverClaim(at=domain.sender, is_own=True, covers=covers, may_send=lifecycle.may_send(domain, now))
        for domain, covers in found.own
    ]
    claims += [CoverClaim(at=each, is_own=False) for each in found.others]
    claims += [CoverClaim(at=each, is_own=False, is_zone=True) for each in found.zones]
    facts = CoverFacts(name=name, suffix=public_suffix(DomainName(name), deps.names), claims=tuple(claims))
    decision = decide(facts)
    signer = next((domain for domain, _ in found.own if domain.sender == decision.own), None)
    return NameCover(decision=decision, facts=facts, signer=signer)


def with_dmarc(found: NameCover, dmarc: CoverDmarc) -> CoverDecision:
    """Decide again with the DMARC records."""
    return decide(replace(found.facts, dmarc=dmarc))


async def read_cover_dmarc(deps: CoverDnsNeeds, account_id: str, name: str, signer: Domain) -> CoverDmarc:
    """Ask DNS for the DMARC records of a covered name; Fault `too-many-requests` as `ask_within`."""
    allowed = allowance(deps.policy.check_seconds, account_id=account_id)
    seen = await ask_within(deps.resolver, cover_dmarc.questions(name, signer.sender), allowed)
    return cover_dmarc.read(name, signer, seen)


async def list_covering(deps: CoverNeeds, account_id: str, after: str, limit: int) -> list[CoveringDomain]:
    """List an account's verified domains that cover names below them, with the names that are taken out."""
    return await deps.store.covering_domains(account_id, after, limit)
