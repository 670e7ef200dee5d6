"""Domains with their keys, last checks and events, in SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.check_contexts import load_check_contexts
from letterhead.adapters.storage.engine import ConstraintViolation, DatabaseSession, Engine, storable
from letterhead.adapters.storage.profiles import delete_profile
from letterhead.adapters.storage.quotas import refuse_unproven, refuse_unproven_below
from letterhead.adapters.storage.reminders import add_reminders
from letterhead.adapters.storage.selectors import hold_selectors, use_selector
from letterhead.adapters.storage.uuid7 import Uuid7Generator
from letterhead.adapters.storage.webhooks import add_deliveries
from letterhead.adapters.storage.write_batcher import WriteBatcher
from letterhead.core.accounts.quotas import Limits, over_domains
from letterhead.core.domain.domain import Domain, Effect, Event
from letterhead.errors import Fault, Kind
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.domains import (
    CheckContext,
    CheckResult,
    ClaimResult,
    DomainCreation,
    DomainEvent,
    DomainQuery,
    DomainUpdate,
    NewClaim,
    NewDomainKey,
    SealedKeys,
)
from letterhead.ports.tracing import traceparent

ALL: Final = 2**31 - 1
LINGER: Final = 0.01  # seconds that a check which found nothing new waits for others to share its write
MOST_BELOW: Final = 100  # names below one name: more are not needed to report them
IDEMPOTENCY_KEPT: Final = timedelta(hours=24)


class SqlDomains:
    """The SQL implementation of `DomainStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._event_ids = Uuid7Generator()
        self._confirmed = WriteBatcher(self._confirm_all, LINGER)

    async def domains(self, account_id: str, page: DomainQuery) -> list[Domain]:
        """Return an account's domains in the order of their names."""
        given: rows.Values = {
            "account_id": account_id,
            "after": page.after or "",
            "status": page.status,
            "not_status": page.not_status,
            "contains": page.contains or None,
            "problem": rows.problem(page.problem) if page.problem else None,
            "limit": ALL if page.limit is None else page.limit,
        }
        if page.labels:
            label, *others = page.labels
            found = await self._engine.read("labelled_domains", **given, label=label, others=rows.json(others))
        else:
            found = await self._engine.read("domains", **given)
        return [rows.domain(row) for row in found]

    async def list_versions(self, account_id: str) -> list[tuple[str, int]]:
        """Return the ids and versions of an account's domains, which change whenever one of the domains does."""
        return [
            (row["id"], row["version"]) for row in await self._engine.read("domain_versions", account_id=account_id)
        ]

    async def count_domains(self, account_id: str) -> int:
        """Count an account's domains."""
        used: int = (await self._engine.read("count_domains", account_id=account_id))[0]["used"]
        return used

    async def count_unproven(self, account_id: str) -> int:
        """Count an account's domains that were never verified."""
        used: int = (await self._engine.read("count_unproven", account_id=account_id))[0]["used"]
        return used

    async def domain(self, account_id: str, sender: str) -> Domain | None:
        """Return one of an account's domains by its name."""
        found = await self._engine.read("domain", account_id=account_id, sender=sender)
        return next((rows.domain(row) for row in found), None)

    async def domain_by_id(self, domain_id: str) -> Domain | None:
        """Return a domain by its id, whatever its account."""
        return next((rows.domain(row) for row in await self._engine.read("domain_by_id", id=domain_id)), None)

    async def holder(self, sender: str) -> str | None:
        """Return the id of the domain that holds the name, if any does."""
        return next((row["id"] for row in await self._engine.read("holder", sender=sender)), None)

    async def is_selector_of_others(self, domain: Domain) -> bool:
        """Tell whether another account had this domain's selector while it held the name."""
        owned = {"sender": domain.sender, "selector": domain.selector, "account_id": domain.account_id}
        return bool(await self._engine.read("selector_of_others", **owned))

    async def held_domains(self, after: str, limit: int) -> list[Domain]:
        """Return domains of all accounts that hold their names, in the order of the names after `after`."""
        return [rows.domain(row) for row in await self._engine.read("held_domains", after=after, limit=limit)]

    async def held_around(self, domain: Domain) -> list[Domain]:
        """Return other accounts' domains that hold a name above or below a domain's; of those below, the first ones."""
        labels = domain.sender.split(".")
        above = await self._engine.read(
            "held_above",
            senders=rows.json([".".join(labels[at:]) for at in range(1, len(labels))]),
            account_id=domain.account_id,
        )
        low = rows.path(domain.sender)
        below = await self._engine.read(
            "held_below", low=low, high=low[:-1] + b"/", account_id=domain.account_id, limit=MOST_BELOW
        )
        found = [rows.domain(row) for row in (*above, *below)]
        return [each for each in found if each.sender != domain.sender]

    async def last_checks(self, domain_ids: Collection[str]) -> dict[str, CheckResult]:
        """Return the last checks by domain id, without domains that were never checked."""
        found = await self._engine.read("last_checks", domain_ids=rows.json([storable(one) for one in domain_ids]))
        return {row["domain_id"]: rows.check_result(row) for row in found}

    async def load_check_contexts(self, domains: Sequence[Domain]) -> dict[str, CheckContext]:
        """Return what the checks of these domains need in addition to the domain itself, by domain id."""
        return await load_check_contexts(self._engine, domains)

    async def sealed_key(self, domain_id: str, selector: str) -> bytes | None:
        """Return the sealed private key of a domain at one of its selectors."""
        found = await self._engine.read("sealed_key", domain_id=domain_id, selector=selector)
        return next((row["sealed"] for row in found), None)

    async def sealed_keys(self, account_id: str, first: str = "", last: str | None = None) -> SealedKeys:
        """Return the sealed private keys of an account's domains from `first` to `last`, by domain id and selector."""
        found = await self._engine.read("sealed_keys", account_id=account_id, first=first, last=last)
        return {(row["domain_id"], row["selector"]): row["sealed"] for row in found}

    async def domains_with_sealed_keys(self, account_id: str, limit: int) -> tuple[list[Domain], SealedKeys]:
        """Return an account's first domains in the order of their names, with their sealed keys, in one read."""
        found = await self._engine.read("domains_with_sealed_keys", account_id=account_id, limit=limit)
        sealed = {(row["id"], row["selector"]): row["sealed"] for row in found if row["sealed"] is not None}
        return [rows.domain(row) for row in {row["id"]: row for row in found}.values()], sealed

    async def take_key(self) -> PooledKey | None:
        """Take a key out of the pool of keys made ahead; return None where the pool is empty."""
        return next((rows.pooled_key(row) for row in await self._engine.write("take_key")), None)

    async def events(
        self, account_id: str, domain_id: str | None, after: str | None, limit: int, sender: str | None = None
    ) -> list[DomainEvent]:
        """Return events of one domain or of all, the oldest first; `after` is an event's id, `sender` a name."""
        wanted: rows.Values = {"account_id": account_id, "after": after or "", "limit": limit}
        if domain_id is None:
            found = await self._engine.read("events_of_account", **wanted, sender=sender)
        else:
            found = await self._engine.read("events_of_domain", **wanted, domain_id=domain_id)
        return [rows.domain_event(row) for row in found]

    async def event(self, account_id: str, event_id: str) -> DomainEvent | None:
        """Return one event of an account."""
        found = await self._engine.read("event", account_id=account_id, id=event_id)
        return next((rows.domain_event(row) for row in found), None)

    async def find_check(self, check_id: str) -> CheckResult | None:
        """Return the check that events follow from."""
        return next((rows.stored_check(row) for row in await self._engine.read("check", id=check_id)), None)

    async def claim(self, claim: NewClaim, limits: Limits) -> ClaimResult:
        """Add a domain in one transaction, within the account's limits and with a selector that it never used there.

        Raise Fault `usage-limit-exceeded`, `selector-used`, `idempotency-key-reused` (used for another request), or
        `not-found` where the account is gone.
        """

        async def work(session: DatabaseSession) -> ClaimResult:
            if await _exists_already(session, claim):
                return ClaimResult.EXISTS
            await refuse_unproven(session, claim.account_id, limits, counted=0)
            await refuse_unproven_below(session, claim, limits)
            if limits.domains is not None:
                used = (await session.rows("count_domains", account_id=claim.account_id))[0]["used"]
                over = over_domains(limits, used)
                if over is not None:
                    raise over.fault()
            pooled = [] if claim.own else await session.rows("take_key")
            key = rows.pooled_key(pooled[0]) if pooled else claim.own
            if key is None:
                return ClaimResult.POOL_EMPTY
            await self._add(session, claim.build(key))
            await _store_idempotency_key(session, claim)
            return ClaimResult.ADDED

        return await self._engine.transact(work)

    async def save(self, update: DomainUpdate, limits: Limits | None = None) -> bool:
        """Write the update that follows from a check or a request, and end the lease.

        Return false, with nothing written, where the domain has changed since it was read or another domain holds the
        name by now. Raise Fault `selector-used` for a new key's selector, `usage-limit-exceeded` where more domains
        would be unverified than the limits allow.
        """

        async def work(session: DatabaseSession) -> bool:
            saved = await self._save(session, update)
            if saved and limits is not None:
                await _lock_accounts(session, update.domain)
                await refuse_unproven(session, update.domain.account_id, limits, counted=1)
            return saved

        try:
            saved = await self._engine.transact(work)
        except ConstraintViolation:  # the one constraint that a save can break: one holder of a name
            return False
        if saved and update.keys_to_destroy:
            await self._engine.shred()
        return saved

    async def confirm(self, domain: Domain, at: datetime) -> bool:
        """Write that a check at a time found the same as the last one, and end the lease.

        The stored check stays, with a new time. Name, status and hold do not change. Return false where the domain has
        changed since it was read.
        """
        return await self._confirmed.add(rows.new_confirmation(domain, at))

    async def _confirm_all(self, confirmed: Sequence[rows.Confirmation]) -> list[bool]:
        async def work(session: DatabaseSession) -> set[str]:
            written = {row["id"] for row in await session.rows("confirm_domains", domains=rows.json(confirmed))}
            unchanged = [each for each in confirmed if each.whose in written]
            await session.rows("confirm_checks", checkups=rows.json(unchanged))
            return written

        written = await self._engine.transact(work)
        return [each.whose in written for each in confirmed]

    async def transfer(self, loser: DomainUpdate, winner: DomainUpdate, audit: Sequence[AuditRow]) -> bool:
        """Move the hold of a name in one transaction, the loser's part first.

        Return false, with nothing written, where either domain has changed since it was read.
        """

        async def work(session: DatabaseSession) -> bool:
            if not await self._save(session, loser) or not await self._save(session, winner):
                raise ConstraintViolation  # undoes the half that was written
            await delete_profile(session, loser.domain.id)
            for row in audit:
                await append_audit(session, row)
            return True

        try:
            moved = await self._engine.transact(work)
        except ConstraintViolation:
            return False
        if loser.keys_to_destroy:
            await self._engine.shred()
        return moved

    async def delete(self, domain: Domain, event: Event, effects: Sequence[Effect], audit: AuditRow) -> bool:
        """Delete a domain and its sealed keys; its selectors stay used, and `effects` remove what is left outside.

        Return false, with nothing written, where the domain is gone or has changed since it was read.
        """

        async def work(session: DatabaseSession) -> bool:
            # Its keys and its last check go with the row.
            if not await session.rows("delete_domain", id=domain.id, version=domain.version):
                return False
            await _lock_accounts(session, domain)
            await self._add_events(session, domain, (event,), None)
            await add_intents(session, domain, effects, event.at)
            return await append_audit(session, audit)

        deleted = await self._engine.transact(work)
        if deleted:
            await self._engine.shred()
        return deleted

    async def _add(self, session: DatabaseSession, new: DomainCreation) -> None:
        domain = new.domain
        await use_selector(session, domain, domain.selector)
        owner: rows.Values = {"account_id": domain.account_id, "sender": domain.sender}
        owner |= {"covers": rows.maybe_int(new.covers), "covers_unless_set": int(new.covers_unless_set)}
        await session.rows("add_domain", **rows.domain_values(domain), **owner)
        await session.rows("add_sealed_key", domain_id=domain.id, selector=domain.selector, sealed=new.sealed_key)
        if new.second_key is not None:
            await _add_spare_key(session, domain, new.second_key)
        await self._add_events(session, domain, new.events, None)
        await add_intents(session, domain, new.effects, new.events[0].at)
        await add_reminders(session, domain, new.events)

    async def _save(self, session: DatabaseSession, update: DomainUpdate) -> bool:
        domain = update.domain
        values = rows.domain_values(rows.next_version(domain))
        if not await session.rows("save_domain", **values, read_version=domain.version):
            return False
        for new in (update.new_key, update.second_key):
            if new is not None:
                await _add_spare_key(session, domain, new)
        if domain.is_holder:
            await hold_selectors(session, domain)
        if update.previous_selector is not None:
            await session.rows("add_previous_key", domain_id=domain.id, selector=update.previous_selector)
            await session.rows("set_signing_key", domain_id=domain.id, selector=domain.selector)
            await session.rows("delete_spare_key", domain_id=domain.id, selector=domain.selector)
        for selector in update.keys_to_destroy:
            await session.rows("delete_spare_key", domain_id=domain.id, selector=selector)
        if update.check is not None:
            await session.rows("save_check", **rows.check_values(domain, update.check, update.fingerprint))
        if update.events or update.related_events:
            await _lock_accounts(session, domain, *(each.domain for each in update.related_events))
        await self._add_events(session, domain, update.events, update.check)
        for related in update.related_events:
            await self._add_events(session, related.domain, (related.event,), None)
        await add_intents(session, domain, update.effects, rows.time_of(update))
        await add_reminders(session, domain, update.events)
        return True

    async def _add_events(
        self, session: DatabaseSession, domain: Domain, events: tuple[Event, ...], check: CheckResult | None
    ) -> None:
        """Add events with their webhook deliveries, and once for them all the check that they follow from.

        The account is locked: its ids follow each other as its transactions do (decision 0011).
        """
        if not events:
            return
        last = (await session.rows("last_event_id", account_id=domain.account_id))[0]["id"]
        check_id = None
        for event in events:
            last = self._event_ids.next(event.at, last)
            if check is not None and check_id is None:
                check_id = last
                await session.rows("add_check", id=check_id, body=rows.json(check))
            await session.rows("add_event", **rows.event_values(domain, event, last, check_id))
            await add_deliveries(session, domain, event, last)


async def _lock_accounts(session: DatabaseSession, *domains: Domain) -> None:
    """Make the transactions that add events to an account end one after the other.

    Sorted, so that two of them never wait for each other.
    """
    for account_id in sorted({each.account_id for each in domains}):
        await session.rows("lock_account", id=account_id)


async def add_intents(
    session: DatabaseSession, domain: Domain, effects: Sequence[Effect], since: datetime | None
) -> None:
    """Add the work that is owed outside since a time, where that is known."""
    known: rows.Values = {"since": rows.maybe_ms(since), "traceparent": traceparent.get()}
    for effect in effects:
        await session.rows("add_intent", **rows.intent_values(domain, effect), **known)


async def _add_spare_key(session: DatabaseSession, domain: Domain, key: NewDomainKey) -> None:
    """Add a key that does not sign yet, or never does."""
    await use_selector(session, domain, key.selector)
    await session.rows("add_spare_key", domain_id=domain.id, selector=key.selector, sealed=key.sealed)


async def _exists_already(session: DatabaseSession, claim: NewClaim) -> bool:
    """Return whether the account has the domain, or made this request before.

    It locks the account, so that two claims of one account do not pass its limits together. Raise Fault `not-found`
    where the account is gone, `idempotency-key-reused` for another request with the same key.
    """
    if not await session.rows("lock_account", id=claim.account_id):
        raise Fault(Kind.NOT_FOUND, f"The account {claim.account_id} is gone.", "Ask with a key of another account.")
    if claim.idempotency is not None:
        key, digest = claim.idempotency
        for row in await session.rows("idempotency_key", account_id=claim.account_id, key=key):
            if row["digest"] == digest:
                return True
            raise Fault(
                Kind.IDEMPOTENCY_KEY_REUSED,
                f"The Idempotency-Key {key} was used for another request.",
                "Use a new key for each new request, and the same one only to repeat a request unchanged.",
            )
    if not await session.rows("domain", account_id=claim.account_id, sender=claim.sender):
        return False
    await _store_idempotency_key(session, claim)
    return True


async def _store_idempotency_key(session: DatabaseSession, claim: NewClaim) -> None:
    """Store the Idempotency-Key for a day, and delete the account's older ones."""
    if claim.idempotency is None:
        return
    key, digest = claim.idempotency
    before = rows.ms(claim.now - IDEMPOTENCY_KEPT)
    await session.rows("delete_idempotency_keys", account_id=claim.account_id, before=before)
    at = rows.ms(claim.now)
    await session.rows("add_idempotency_key", account_id=claim.account_id, key=key, digest=digest, at=at)
