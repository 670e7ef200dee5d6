"""Preflight: read what DNS has of a domain before it is added; stores nothing and touches no claim."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.check import preflight
from letterhead.core.check.preflight import Preflight, PreflightInput
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.names.domain_names import NameRules, parse_domain
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.operations.dns_questions import MAX_ROUNDS, allowance, ask_within
from letterhead.operations.domains import PlanNeeds, plan_of
from letterhead.operations.sender_names import parse_sender
from letterhead.ports.deps import Clock, OperationSettings
from letterhead.ports.resolver import Resolver
from letterhead.ports.store.domains import DomainStore


class PreflightNeeds(PlanNeeds, Protocol):
    """What a preflight needs."""

    @property
    def store(self) -> DomainStore: ...
    @property
    def resolver(self) -> Resolver: ...
    @property
    def names(self) -> NameRules: ...
    @property
    def hosts(self) -> Sequence[DnsHost]: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def now(self) -> Clock: ...


class PreflightResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and when."""

    read: Preflight
    checked_at: datetime


def parse_name(deps: PreflightNeeds, raw: str) -> str:
    """Return a domain's parsed name, by which the last preflight is found; Fault `domain-…` for what is no name."""
    return parse_domain(raw, deps.names, owns_suffix=True).ascii


async def run_preflight(deps: PreflightNeeds, account_id: str, raw: str) -> PreflightResult:
    """Read what DNS has of a domain, added or not; Fault `domain-…` for a name that can't be added."""
    sender = (await parse_sender(deps, raw)).ascii
    domain = await deps.store.domain(account_id, sender)
    names, label = [f"_domainkey.{sender}", f"_dmarc.{sender}"], deps.policy.mail_from_label
    if domain is not None:
        names += [record.host for record in plan_of(deps, domain).records if record.host != domain.mail_from]
        if domain.mail_from is not None:
            label = domain.mail_from.removesuffix(f".{domain.sender}")
    path = deps.provider.return_path
    request = PreflightInput(
        sender=sender, label=label, names=tuple(dict.fromkeys(names)), our_mx=path.mx_host if path is not None else None
    )
    allowed = allowance(deps.policy.check_seconds, account_id=account_id)
    seen: dict[Question, tuple[Reply, ...]] = {}
    for _ in range(MAX_ROUNDS):
        wanted = preflight.questions(request, seen)
        if not wanted:
            break
        seen |= await ask_within(deps.resolver, wanted, allowed)
    return PreflightResult(read=preflight.read(request, seen, deps.hosts), checked_at=deps.now())
