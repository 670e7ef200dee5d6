"""Knows how what the provider holds is compared with what we hold, and how it is brought together again.

A difference in one of our domains is mended by a look: the check finds it by evidence and does what is owed, by the
same rules as ever. What bears our tag and belongs to nobody any more is deleted only where a person says so, since a
database that was brought back from a backup would see its newest domains so.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from enum import StrEnum

import msgspec

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.evidence import ProviderOpinion, opinion_on_key, opinion_on_mail_from
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_identity import ProviderHolding, ProviderStatus
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import WORKER, Actor, audit_row
from letterhead.operations.provider_work import owner_tag
from letterhead.ports.deps import Deps

EVERY = timedelta(days=1)
ROUND = "reconcile"
BATCH = 500
MOST_STRANGERS = 20  # so many that no domain claims are looked at in one go: a call each, and somebody waits


class DifferenceKind(StrEnum):
    """Says how the provider and we differ about a name."""

    MISSING = "missing"  # we have told it, and it is not there
    FOREIGN = "foreign"  # it carries somebody else's tag
    KEY_REPLACED = "key-replaced"
    MAIL_FROM_OFF = "mail-from-off"
    GAVE_UP = "gave-up"
    WORD_CHANGED = "word-changed"  # the provider says other than when it was last asked
    ORPHAN = "orphan"  # it carries our tag, and no domain claims it
    STRANGER = "stranger"  # somebody else's, which no domain of ours claims: no fault, and never touched


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one difference with what mends it; `mended` says that this was begun."""

    sender: str
    differs: DifferenceKind
    detail: str
    repair: str
    mended: bool = False
    account_id: str | None = None


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a comparison found; `unread` counts strangers that were not looked at."""

    held: int
    listed: int
    differences: tuple[Difference, ...]
    unread: int = 0


async def reconcile(deps: Deps, actor: Actor, *, apply: bool = False) -> Reconciliation:
    """Compares the provider's list with all domains that hold their names; mends only with `apply`.

    Fault `provider-…` where the list can't be had, `parameter-invalid` where the provider keeps none.
    """
    listed = await deps.provider.list_identities()
    if listed is None:
        raise _listless(deps)
    found: list[Difference] = []
    ours: set[str] = set()
    async for domain in _held(deps):
        ours.add(domain.sender)
        difference = _difference(domain, listed)
        if difference is not None:
            found.append(await _looked_at(deps, domain, difference) if apply else difference)
    strangers = sorted(listed.keys() - ours)
    read = [await _stranger(deps, sender, apply=apply) for sender in strangers[:MOST_STRANGERS]]
    found += [each for each in read if each is not None]
    if apply:
        await deps.store.audit(audit_row(deps, actor, "identities.reconcile", f"{len(found)} differences"))
    unread = len(strangers[MOST_STRANGERS:])
    return Reconciliation(held=len(ours), listed=len(listed), differences=tuple(found), unread=unread)


def _listless(deps: Deps) -> Fault:
    return Fault(
        Kind.PARAMETER_INVALID,
        f"The provider {deps.provider.name} keeps no list of identities to compare with.",
        "Nothing to do: only a provider that has an account of its own, such as ses, has one.",
    )


async def _held(deps: Deps) -> AsyncIterator[Domain]:
    after = ""
    while batch := await deps.store.held_domains(after, BATCH):
        for domain in batch:
            yield domain
        after = batch[-1].sender


def _difference(domain: Domain, listed: Mapping[str, ProviderStatus]) -> Difference | None:
    """Says how one domain differs, by the list and by the provider's last word on it."""
    if domain.registered_at is None:
        return None
    if domain.sender not in listed:
        return _differs(domain, DifferenceKind.MISSING, "the provider holds no identity of this name")
    known = domain.identity
    match opinion_on_key(known, domain.selector):
        case ProviderOpinion.FOREIGN:
            return _differs(domain, DifferenceKind.FOREIGN, "the identity carries somebody else's tag")
        case ProviderOpinion.OTHERWISE:
            held = known.selector if known else None
            return _differs(domain, DifferenceKind.KEY_REPLACED, f"it signs with {held}, not with {domain.selector}")
        case ProviderOpinion.GAVE_UP:
            return _differs(domain, DifferenceKind.GAVE_UP, "the provider gave up on it")
        case _:
            pass
    if domain.mail_from and opinion_on_mail_from(known, domain.mail_from) in (
        ProviderOpinion.MISSING,
        ProviderOpinion.OTHERWISE,
    ):
        return _differs(domain, DifferenceKind.MAIL_FROM_OFF, f"its MAIL FROM domain is not {domain.mail_from}")
    if known is not None and known.dkim is not listed[domain.sender]:
        return _differs(domain, DifferenceKind.WORD_CHANGED, f"it was {known.dkim}, now it is {listed[domain.sender]}")
    return None


_LOOK = "looked at now; what is owed follows from what the look finds"
_ADOPT = "letterhead identities adopt {sender}, or delete it at the provider"


def _differs(domain: Domain, differs: DifferenceKind, detail: str) -> Difference:
    repair = _ADOPT.format(sender=domain.sender) if differs is DifferenceKind.FOREIGN else _LOOK
    return Difference(sender=domain.sender, account_id=domain.account_id, differs=differs, detail=detail, repair=repair)


async def _looked_at(deps: Deps, domain: Domain, difference: Difference) -> Difference:
    if difference.differs is DifferenceKind.FOREIGN or domain.dkim.state is HealthState.DRAFT:
        return difference
    await deps.store.check_sooner(domain.id, deps.now())
    return msgspec.structs.replace(difference, mended=True)


async def _stranger(deps: Deps, sender: str, *, apply: bool) -> Difference | None:
    """Tells whose an identity is that no domain claims; one of ours may only be on its way out or in."""
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


async def daily_round(deps: Deps) -> int | None:
    """Looks sooner at whatever differs, once a day for all processes together; None where it is not time.

    Deletes nothing and asks of no stranger.
    """
    now = deps.now()
    if await deps.store.take_rate_slot(ROUND, now, EVERY, now) is None:
        return None
    listed = await deps.provider.list_identities()
    if listed is None:
        return 0
    differing = 0
    async for domain in _held(deps):
        difference = _difference(domain, listed)
        if difference is not None and (await _looked_at(deps, domain, difference)).mended:
            differing += 1
    if differing:
        await deps.store.audit(audit_row(deps, WORKER, "identities.reconcile", f"{differing} differences"))
    return differing


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what an adoption would change: what is there, and what we would have there."""

    sender: str
    account_id: str
    holding: ProviderHolding
    owner: str
    selector: str
    mail_from: str | None
    adopted: bool


async def adopt(deps: Deps, actor: Actor, sender: str, *, apply: bool = False) -> Adoption:
    """Shows what adopting an identity would change, and with `apply` puts our tag on it and looks at the domain.

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
        await deps.store.audit(msgspec.structs.replace(row, account_id=domain.account_id))
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
