"""Compare what the provider holds with what we hold, and bring the two together again.

A difference in one of our domains is repaired by a check: it goes by evidence and does what is due, by the usual rules.
An identity with our tag that no domain claims any more is deleted only on a person's request, since to a database that
was restored from a backup its newest domains would look like that.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.evidence import ProviderOpinion, opinion_on_key, opinion_on_mail_from
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_identity import ProviderHolding, ProviderStatus
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import WORKER, Actor, AuditNeeds, audit_row
from letterhead.operations.provider_work import OwnerTagNeeds, owner_tag
from letterhead.ports.provider import Provider
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore

EVERY = timedelta(days=1)
ROUND = "reconcile"
BATCH = 500
MOST_STRANGERS = 20  # unclaimed identities asked about in one run: each takes a call, and somebody waits
BY_CHECK = "looked at now; what is owed follows from what the look finds"
BY_ADOPTION = "letterhead identities adopt {sender}, or delete it at the provider"


class StoreForReconcile(DomainStore, AccountStore, LeaseStore, Protocol):
    """Domains, the audit, and when each domain is checked next."""


class ReconcileNeeds(OwnerTagNeeds, AuditNeeds, Protocol):
    """What comparing with the provider needs."""

    @property
    def store(self) -> StoreForReconcile: ...
    @property
    def provider(self) -> Provider: ...


class DifferenceKind(StrEnum):
    """How the provider and we differ about a name."""

    MISSING = "missing"  # it was registered, and is not there
    FOREIGN = "foreign"  # it carries somebody else's tag
    KEY_REPLACED = "key-replaced"
    MAIL_FROM_OFF = "mail-from-off"
    GAVE_UP = "gave-up"
    WORD_CHANGED = "word-changed"  # its status at the provider is not the one last reported
    ORPHAN = "orphan"  # it carries our tag, and no domain claims it
    STRANGER = "stranger"  # somebody else's, and no domain of ours claims it: no error, and never touched


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One difference with what repairs it; `mended`: the repair was begun."""

    sender: str
    differs: DifferenceKind
    detail: str
    repair: str
    mended: bool = False
    account_id: str | None = None


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a comparison; `unread` counts the unclaimed identities that were not asked about."""

    held: int
    listed: int
    differences: tuple[Difference, ...]
    unread: int = 0


async def reconcile(deps: ReconcileNeeds, actor: Actor, *, apply: bool = False) -> Reconciliation:
    """Compare the provider's list with all domains that hold their names; repair only with `apply`.

    Faults: `provider-…` where the list can't be had, `parameter-invalid` where the provider keeps none.
    """
    listed = await deps.provider.list_identities()
    if listed is None:
        raise no_list(deps.provider.name)
    found: list[Difference] = []
    ours: set[str] = set()
    async for domain in _held_domains(deps):
        ours.add(domain.sender)
        difference = _compare(domain, listed)
        if difference is not None:
            found.append(await _repair(deps, domain, difference) if apply else difference)
    unclaimed = sorted(listed.keys() - ours)
    asked = [await _judge_unclaimed(deps, sender, apply=apply) for sender in unclaimed[:MOST_STRANGERS]]
    found += [each for each in asked if each is not None]
    if apply:
        await deps.store.audit(audit_row(deps, actor, "identities.reconcile", f"{len(found)} differences"))
    unread = len(unclaimed[MOST_STRANGERS:])
    return Reconciliation(held=len(ours), listed=len(listed), differences=tuple(found), unread=unread)


async def _held_domains(deps: ReconcileNeeds) -> AsyncIterator[Domain]:
    after = ""
    while batch := await deps.store.held_domains(after, BATCH):
        for domain in batch:
            yield domain
        after = batch[-1].sender


def _compare(domain: Domain, listed: Mapping[str, ProviderStatus]) -> Difference | None:
    """Return how one domain differs from the list and from the provider's last report on it."""
    if domain.registered_at is None:
        return None
    if domain.sender not in listed:
        return _difference(domain, DifferenceKind.MISSING, "the provider holds no identity of this name")
    known = domain.identity
    match opinion_on_key(known, domain.selector):
        case ProviderOpinion.FOREIGN:
            return _difference(domain, DifferenceKind.FOREIGN, "the identity carries somebody else's tag")
        case ProviderOpinion.OTHERWISE:
            held = known.selector if known else None
            detail = f"it signs with {held}, not with {domain.selector}"
            return _difference(domain, DifferenceKind.KEY_REPLACED, detail)
        case ProviderOpinion.GAVE_UP:
            return _difference(domain, DifferenceKind.GAVE_UP, "the provider gave up on it")
        case _:
            pass
    off = (ProviderOpinion.MISSING, ProviderOpinion.OTHERWISE)
    if domain.mail_from and opinion_on_mail_from(known, domain.mail_from) in off:
        return _difference(domain, DifferenceKind.MAIL_FROM_OFF, f"its MAIL FROM domain is not {domain.mail_from}")
    if known is not None and known.dkim is not listed[domain.sender]:
        detail = f"it was {known.dkim}, now it is {listed[domain.sender]}"
        return _difference(domain, DifferenceKind.WORD_CHANGED, detail)
    return None


def _difference(domain: Domain, kind: DifferenceKind, detail: str) -> Difference:
    repair = BY_ADOPTION.format(sender=domain.sender) if kind is DifferenceKind.FOREIGN else BY_CHECK
    return Difference(sender=domain.sender, account_id=domain.account_id, differs=kind, detail=detail, repair=repair)


async def _repair(deps: ReconcileNeeds, domain: Domain, difference: Difference) -> Difference:
    """Bring the domain's next check forward, unless the difference needs a person or the domain is a draft."""
    if difference.differs is DifferenceKind.FOREIGN or domain.dkim.state is HealthState.DRAFT:
        return difference
    await deps.store.check_sooner(domain.id, deps.now())
    return replace(difference, mended=True)


async def _judge_unclaimed(deps: ReconcileNeeds, sender: str, *, apply: bool) -> Difference | None:
    """Return whose an unclaimed identity is; None where it is being withdrawn or registered."""
    holding = await deps.provider.find_holding(sender)
    if holding is None:
        return None
    owner = holding.owner or ""
    if not owner.startswith(f"{deps.policy.installation}/"):
        return Difference(
            sender=sender,
            differs=DifferenceKind.STRANGER,
            detail=f"tagged {owner}" if owner else "not made by Letterhead",
            repair="none: it is not ours",
        )
    if await deps.store.domain_by_id(owner.rpartition("/")[2]) is not None:
        return None
    if apply:
        await deps.provider.withdraw(sender, owner)
    return Difference(
        sender=sender,
        account_id=owner.split("/")[1],
        differs=DifferenceKind.ORPHAN,
        detail="it carries our tag, and the domain that it was made for is gone",
        repair="deleted at the provider",
        mended=apply,
    )


async def daily_round(deps: ReconcileNeeds) -> int | None:
    """Check sooner whatever differs, once a day for all processes together; None where it is not time.

    Deletes nothing and asks about no unclaimed identity.
    """
    now = deps.now()
    if await deps.store.take_rate_slot(ROUND, now, EVERY, now) is None:
        return None
    listed = await deps.provider.list_identities()
    if listed is None:
        return 0
    differing = 0
    async for domain in _held_domains(deps):
        difference = _compare(domain, listed)
        if difference is not None and (await _repair(deps, domain, difference)).mended:
            differing += 1
    if differing:
        await deps.store.audit(audit_row(deps, WORKER, "identities.reconcile", f"{differing} differences"))
    return differing


class HeldIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """One identity at the provider, and the domain that holds its name, where an account has proven it."""

    sender: str
    holding: ProviderHolding
    is_ours: bool
    holder: Domain | None = None


async def list_held(deps: ReconcileNeeds, after: str, limit: int) -> tuple[list[HeldIdentity], str | None]:
    """List identities at the provider in its own order, and return where the next page begins, None at the end.

    A page costs a call for its names, and one for each of them. Faults: `provider-…`, `parameter-invalid` where the
    provider keeps no list.
    """
    page = await deps.provider.identity_page(after, limit)
    if page is None:
        raise no_list(deps.provider.name)
    found = []
    for sender in page.names:
        holding = await deps.provider.find_holding(sender)
        if holding is None:
            continue
        holder = await deps.store.holder(sender)
        domain = await deps.store.domain_by_id(holder) if holder else None
        is_ours = (holding.owner or "").startswith(f"{deps.policy.installation}/")
        found.append(HeldIdentity(sender=sender, holding=holding, is_ours=is_ours, holder=domain))
    return found, page.following


def no_list(provider: str) -> Fault:
    """Make the Fault for a provider that keeps no list of identities."""
    return Fault(
        Kind.PARAMETER_INVALID,
        f"The provider {provider} keeps no list of identities to compare with.",
        "Nothing to do: only a provider that has an account of its own, such as ses, has one.",
    )


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """What an adoption would change: what is there, and what we would have there."""

    sender: str
    account_id: str
    holding: ProviderHolding
    owner: str
    selector: str
    mail_from: str | None
    adopted: bool


async def adopt(deps: ReconcileNeeds, actor: Actor, sender: str, *, apply: bool = False) -> Adoption:
    """Show what adopting an identity would change; with `apply` put our tag on it and check the domain soon.

    Only for a domain whose DKIM record proves it. Faults: `not-found`, `provider-…`.
    """
    name = sender.strip().rstrip(".").lower()
    holder = await deps.store.holder(name)
    domain = await deps.store.domain_by_id(holder) if holder else None
    if domain is None:
        raise Fault(
            Kind.NOT_FOUND,
            f"No account has proven {name[:253]} by its DKIM record, so there is nobody to adopt it for.",
            "Add the domain to the account that shall have it, publish its DKIM record, then adopt.",
        )
    holding = await deps.provider.find_holding(name)
    if holding is None:
        raise Fault(
            Kind.NOT_FOUND,
            f"The provider holds no identity of {name}.",
            "Nothing to adopt: it is made by itself at the next check that sees the DKIM record.",
        )
    owner = owner_tag(deps, domain)
    if apply:
        await deps.provider.adopt(name, owner)
        row = audit_row(deps, actor, "identity.adopt", name)
        await deps.store.audit(replace(row, account_id=domain.account_id))
        await deps.store.check_sooner(domain.id, deps.now())
    return Adoption(
        sender=name,
        account_id=domain.account_id,
        holding=holding,
        owner=owner,
        selector=domain.selector,
        mail_from=domain.mail_from,
        adopted=apply,
    )
