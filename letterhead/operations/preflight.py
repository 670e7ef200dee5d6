"""Knows how a domain is read before anything is added to it; keeps nothing and touches no claim."""

from datetime import datetime

import msgspec

from letterhead.core.check import preflight
from letterhead.core.check.preflight import Preflight, PreflightInput
from letterhead.core.dns.answers import Question, Reply
from letterhead.core.domain.domain import Domain
from letterhead.core.names.domain_names import parse_domain
from letterhead.operations.dns_questions import MAX_ROUNDS, allowance
from letterhead.operations.domains import plan_of
from letterhead.ports.deps import Deps


class PreflightResult(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what was read, and when."""

    read: Preflight
    checked_at: datetime


async def run_preflight(deps: Deps, account_id: str, raw: str) -> PreflightResult:
    """Reads what is there of a domain, added or not; Fault `domain-…` for a name that can't be added."""
    wanted = await _wanted(deps, account_id, parse_domain(raw, deps.names).ascii)
    allowed = allowance(deps.policy.check_seconds)
    seen: dict[Question, tuple[Reply, ...]] = {}
    for _ in range(MAX_ROUNDS):
        asked = preflight.questions(wanted, seen)
        if not asked:
            break
        seen |= await deps.resolver.ask(asked, allowed)
    return PreflightResult(read=preflight.read(wanted, seen, deps.hosts), checked_at=deps.now())


async def _wanted(deps: Deps, account_id: str, sender: str) -> PreflightInput:
    """Says what to read: of a domain that the account has, the names of its plan too."""
    domain = await deps.store.domain(account_id, sender)
    names = [f"_domainkey.{sender}", f"_dmarc.{sender}"]
    if domain is not None:
        planned = (record.host for record in plan_of(deps, domain).records)
        names += (host for host in planned if host != domain.mail_from)
    path = deps.provider.return_path
    return PreflightInput(
        sender=sender,
        label=_label(deps, domain),
        names=tuple(dict.fromkeys(names)),
        our_mx=path.mx_host if path is not None else None,
    )


def _label(deps: Deps, domain: Domain | None) -> str:
    if domain is None or domain.mail_from is None:
        return deps.policy.mail_from_label
    return domain.mail_from.removesuffix(f".{domain.sender}")
