"""Sender domains: list, show, add, start verification, delete."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.core.accounts.quotas import Limits
from letterhead.core.check import check
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain, Ed25519Key, Effect, Event, EventKind, KeyDelegation, Transition
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.domain.profile import DomainProfile
from letterhead.core.findings.acceptance import mark_accepted
from letterhead.core.names.domain_names import (
    DomainName,
    NameRules,
    parse_domain,
    parse_label_or_name,
    parse_selector,
    registrable,
)
from letterhead.core.plan.plan import Plan
from letterhead.core.rotation import delegated_keys
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.check_log import log_status_change
from letterhead.operations.domain_keys import (
    DomainKeyNeeds,
    check_key_limits,
    key_purpose,
    new_second_key,
    new_selector,
    read_own_key,
    seal_second_key,
)
from letterhead.operations.ids import new_id
from letterhead.operations.key_pool import new_pooled_key
from letterhead.operations.sender_names import SenderNameNeeds, parse_sender
from letterhead.ports.deps import Clock
from letterhead.ports.keyring import PooledKey
from letterhead.ports.provider import Provider, Publisher
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import (
    CheckResult,
    ClaimResult,
    DomainCreation,
    DomainQuery,
    DomainStore,
    DomainUpdate,
    NewClaim,
)
from letterhead.ports.tracing import traceparent

log = structlog.get_logger()

RACES = 5  # attempts to change a domain that others change at the same time


class PlanNeeds(Protocol):
    """What the plan of a domain needs: what a MAIL FROM domain must point at."""

    @property
    def provider(self) -> Provider: ...


class FindDomainNeeds(Protocol):
    """What finding a domain by its name needs."""

    @property
    def store(self) -> DomainStore: ...
    @property
    def names(self) -> NameRules: ...


class LastCheckNeeds(FindDomainNeeds, Protocol):
    """What loading the last checks of domains needs."""

    @property
    def now(self) -> Clock: ...


class DomainViewNeeds(PlanNeeds, LastCheckNeeds, Protocol):
    """What showing a domain needs."""


class StoreForDomains(DomainStore, AccountStore, Protocol):
    """Domains, and the audit of those who read private keys."""


class DomainNeeds(DomainViewNeeds, DomainKeyNeeds, AuditNeeds, SenderNameNeeds, Protocol):
    """What the operations on domains need; nothing here asks the provider, and DNS only for a public suffix."""

    @property
    def store(self) -> StoreForDomains: ...
    @property
    def publisher(self) -> Publisher | None: ...


class DomainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A new domain as somebody asks for it; nothing of it is validated yet.

    `delegated`: our own zone serves the keys, and the customer publishes two CNAMEs. `accept_short_key`: the private
    key signs mail already, so it may have 1024 to 2047 bits. `covers_subdomains`: its key signs for the names below it;
    None: as the account or the installation says.
    """

    sender: object
    selector: object = None
    mail_from: object = None
    private_key: str | None = None
    start: bool = True
    delegated: bool = False
    accept_short_key: bool = False
    covers_subdomains: bool | None = None

    def digest(self, sender: str) -> bytes:
        """Digest the request, so that one Idempotency-Key is not taken for two requests."""
        asked = repr((sender, self.selector, self.mail_from, self.private_key, self.start))
        if self.delegated:  # not part of the tuple: the digests of older requests must stay the same
            asked += "delegated"
        if self.accept_short_key:
            asked += "accept-short-key"
        if self.covers_subdomains is not None:
            asked += f"covers-subdomains {self.covers_subdomains}"
        return hashlib.sha256(asked.encode()).digest()


class DomainView(msgspec.Struct, frozen=True, kw_only=True):
    """A domain with its last check and with what the customer must publish.

    `profile` is what the account keeps about it: only for the account itself, and the operator. `covers_subdomains`
    says whether its key signs for the names below it.
    """

    domain: Domain
    plan: Plan
    last_check: CheckResult | None
    profile: DomainProfile = DomainProfile()
    covers_subdomains: bool = False


def plan_of(deps: PlanNeeds, domain: Domain) -> Plan:
    """Compute what the customer must publish; it is never stored."""
    return check.plan_for(domain, deps.provider.return_path)


def provider_name(deps: PlanNeeds) -> str:
    """Return the name of the mail provider that domains are set up at."""
    return deps.provider.name


def list_edition(deps: PlanNeeds) -> bytes:
    """Return what goes into every list of domains besides the domains: the provider's return-path, encoded."""
    return msgspec.json.encode(deps.provider.return_path)


async def list_domains(deps: FindDomainNeeds, account_id: str, query: DomainQuery) -> list[Domain]:
    """List an account's domains from what is stored: no DNS, no provider."""
    return await deps.store.domains(account_id, query)


async def list_versions(deps: FindDomainNeeds, account_id: str) -> list[tuple[str, int]]:
    """List the ids and versions of an account's domains: while they stay the same, so does the list of domains."""
    return await deps.store.list_versions(account_id)


async def list_last_checks(deps: LastCheckNeeds, listed: Sequence[Domain]) -> Mapping[str, CheckResult]:
    """Return the last check of each of these domains, by the domain's id; its findings say which are accepted."""
    checks, now = await deps.store.last_checks([each.id for each in listed]), deps.now()
    marked = {
        each.id: replace(check, findings=mark_accepted(check.findings, each.accepted, now))
        for each in listed
        if each.accepted and (check := checks.get(each.id)) is not None
    }
    return checks | marked


async def find_version(deps: FindDomainNeeds, domain_id: str) -> int | None:
    """Return the version of a domain, which each change raises; None where it is gone."""
    domain = await deps.store.domain_by_id(domain_id)
    return domain.version if domain else None


async def find_domain(deps: FindDomainNeeds, account_id: str, raw: str) -> Domain:
    """Find one of the account's domains by its name in any spelling; Fault `not-found`."""
    try:
        sender = parse_domain(raw, deps.names, owns_suffix=True).ascii
    except Fault as unreadable:
        raise new_not_found(raw) from unreadable
    domain = await deps.store.domain(account_id, sender)
    if domain is None:
        raise new_not_found(raw)
    return domain


def new_not_found(raw: str) -> Fault:
    """Make the Fault `not-found` for a name that the account does not have."""
    return Fault(
        Kind.NOT_FOUND,
        f"This account has no sender domain {raw[:253]!r}.",
        "Look at GET /domains for the names it has, or add this one with POST /domains.",
    )


async def show_domain(deps: DomainViewNeeds, account_id: str, raw: str) -> DomainView:
    """Show one domain with its last check, its plan and what the account keeps about it; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return replace(await view(deps, domain), profile=await deps.store.profile(domain.id))


async def view(deps: DomainViewNeeds, domain: Domain) -> DomainView:
    """Load the last check of a domain and whether it covers the names below it, and compute its plan."""
    checks = await list_last_checks(deps, [domain])
    covers = await deps.store.covers_subdomains(domain.id)
    last_check = checks.get(domain.id)
    return DomainView(domain=domain, plan=plan_of(deps, domain), last_check=last_check, covers_subdomains=covers)


async def add_domain(
    deps: DomainNeeds, account_id: str, limits: Limits, request: DomainRequest, idempotency_key: str | None = None
) -> ClaimResult:
    """Add a domain in one short transaction: name, pooled key, state, event; the same name again changes nothing.

    It waits for no DNS (but for a public suffix, see `parse_sender`), no provider and, while there are keys in the
    pool, for no key to be made. Faults: those of `DomainStore.claim`, `domain-…`, `selector-invalid`,
    `mail-from-invalid`, `key-invalid`, `parameter-invalid` where keys can't be delegated.
    """
    name = await parse_sender(deps, request.sender)
    delegation = _new_delegation(deps, request) if request.delegated else None
    own_selector = delegated_keys.FIRST if delegation else new_selector(deps)
    selector = own_selector if request.selector is None else parse_selector(request.selector, name)
    mail_from = None  # where the provider has no return path, there is nothing to point it at
    if request.mail_from is not None or deps.provider.return_path is not None:
        label = deps.policy.mail_from_label if request.mail_from is None else request.mail_from
        mail_from = parse_label_or_name(label, name, deps.names).ascii
    own = await read_own_key(deps, request.private_key, is_in_use=request.accept_short_key)
    check_key_limits(deps, selector, own)
    build = _DomainBuilder(
        deps=deps,
        account_id=account_id,
        name=name,
        selector=selector,
        mail_from=mail_from,
        delegation=delegation,
        start=request.start,
        covers=request.covers_subdomains,
        second=None if delegation else new_second_key(deps),  # the customer publishes two CNAMEs and nothing else
    )
    claim = NewClaim(
        account_id=account_id,
        sender=name.ascii,
        zone=registrable(name, deps.names).ascii,
        unproven_below=deps.policy.unproven_below,
        now=deps.now(),
        build=build,
        own=own,
        idempotency=(idempotency_key, request.digest(name.ascii)) if idempotency_key else None,
    )
    if (result := await deps.store.claim(claim, limits)) is not ClaimResult.POOL_EMPTY:
        return result
    made = new_pooled_key(deps, await asyncio.to_thread(deps.keyring.make_pair))
    return await deps.store.claim(replace(claim, own=made), limits)


class _DomainBuilder(msgspec.Struct, frozen=True, kw_only=True):
    """Make the new domain from a pooled key, inside the store's transaction."""

    deps: DomainNeeds
    account_id: str
    name: DomainName
    selector: str
    mail_from: str | None
    delegation: KeyDelegation | None
    start: bool
    covers: bool | None
    second: tuple[Ed25519Key, Secret] | None

    def __call__(self, key: PooledKey) -> DomainCreation:
        deps, now = self.deps, self.deps.now()
        secret = deps.keyring.unseal(key.sealed, f"pool|{key.id}")
        draft = new_health(HealthState.DRAFT, now)
        domain = Domain(
            id=new_id(deps, "dom"),
            account_id=self.account_id,
            sender=self.name.ascii,
            selector=self.selector,
            public_key=key.public_key,
            mail_from=self.mail_from,
            zone=registrable(self.name, deps.names).ascii,
            created_at=now,
            last_sync=now,
            dkim=draft,
            mail_from_health=draft if self.mail_from else None,
            key_delegation=self.delegation,
            ed25519=self.second[0] if self.second else None,
            called_by=traceparent.get(),
        )
        created = Event(kind=EventKind.DOMAIN_CREATED, at=now, detail=f"{self.name} was added.")
        transition = lifecycle.ask_verification(domain, now) if self.start else Transition(domain=domain)
        due = now if self.start else None
        return DomainCreation(
            domain=replace(transition.domain, next_check_at=due, check_reason="new"),
            sealed_key=deps.keyring.seal(secret, key_purpose(transition.domain)),
            second_key=seal_second_key(deps, domain, self.second),
            events=(created, *transition.events),
            effects=(Effect.PUBLISH,) if self.delegation else (),
            covers=self.covers,
            covers_unless_set=deps.policy.covers_subdomains,
        )


def _new_delegation(deps: DomainNeeds, request: DomainRequest) -> KeyDelegation:
    """Make a name in our own zone that no other claim ever had: a token of 80 bits. Fault `parameter-invalid`."""
    if deps.publisher is None:
        raise Fault(
            Kind.PARAMETER_INVALID,
            "Delegated DKIM keys need a zone of the operator's own, and this installation has none.",
            "Leave dkimMode away, or have the operator set LETTERHEAD_DKIM_ZONE, LETTERHEAD_DKIM_ZONE_SERVER and "
            "LETTERHEAD_DKIM_ZONE_TSIG.",
        )
    if request.selector is not None:
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"Delegated DKIM keys take turns at the selectors {delegated_keys.FIRST} and "
            f"{delegated_keys.SECOND}: none can be chosen.",
            "Leave selector away, or dkimMode.",
        )
    token = base64.b32encode(deps.random_octets(10)).decode().lower()
    return KeyDelegation(zone=deps.publisher.zone, token=token)


async def start_verification(deps: DomainNeeds, account_id: str, limits: Limits, raw: str) -> None:
    """Start verification, or bring the next check forward; never makes a state worse.

    A failed domain becomes a pending claim again, which counts. Faults: `not-found`, `usage-limit-exceeded`, `conflict`
    where others change the domain at the same time.
    """
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        transition = lifecycle.ask_verification(domain, now := deps.now())
        due = replace(transition.domain, next_check_at=now, check_reason="asked for")
        update = DomainUpdate(domain=due, events=transition.events, effects=transition.effects)
        if await deps.store.save(update, limits if domain.dkim.state is HealthState.FAILED else None):
            log_status_change(domain, due)
            return
    raise new_busy_fault(raw)


def new_busy_fault(raw: str) -> Fault:
    """Make the Fault `conflict` for a domain that others kept changing at the same time."""
    return Fault(
        Kind.CONFLICT, f"{raw} is being changed by several requests at once.", "Send the request again in a second."
    )


async def delete_domain(deps: DomainNeeds, account_id: str, raw: str, actor: Actor) -> None:
    """Delete a domain: its identity is withdrawn, its key destroyed, its selector never used again.

    Faults: `not-found`, `conflict` where others change the domain at the same time.
    """
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        transition = lifecycle.delete(domain, deps.now())
        row = audit_row(deps, actor, "domain.delete", domain.sender)
        if await deps.store.delete(domain, transition.events[0], transition.effects, row):
            return
    raise new_busy_fault(raw)
