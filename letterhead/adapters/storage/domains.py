"""Keeps domains with their keys, checkups and events; knows no rule of how a domain moves."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append
from letterhead.adapters.storage.engine import ConstraintViolation, DatabaseSession, Engine, storable
from letterhead.adapters.storage.reminders import remind
from letterhead.adapters.storage.uuid7 import Uuid7Generator
from letterhead.adapters.storage.webhooks import owe
from letterhead.adapters.storage.write_batcher import WriteBatcher
from letterhead.core.accounts.quotas import Limits, over_domains, over_pending
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
)

ALL: Final = 2**31 - 1
LINGER: Final = 0.01  # seconds that a check which saw nothing new waits for others to share its write
NEIGHBOURS: Final = 100  # who has more names below one name is told by these
IDEMPOTENCY_KEPT: Final = timedelta(hours=24)


class SqlDomains:
    """Keeps the claims of accounts to sender domains."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._event_ids = Uuid7Generator()
        self._confirmed = WriteBatcher(self._confirm_all, LINGER)

    async def domains(self, account_id: str, page: DomainQuery) -> list[Domain]:
        """Lists an account's domains in the order of their names."""
        found = await self._engine.read(
            "domains",
            account_id=account_id,
            after=page.after or "",
            status=page.status,
            contains=page.contains or None,
            problem=rows.problem(page.problem) if page.problem else None,
            limit=ALL if page.limit is None else page.limit,
        )
        return [rows.domain(row) for row in found]

    async def list_versions(self, account_id: str) -> list[tuple[str, int]]:
        """Lists the ids and versions of an account's domains: they differ wherever one of the domains does."""
        return [(row["id"], row["version"]) for row in await self._engine.read("marks", account_id=account_id)]

    async def count_domains(self, account_id: str) -> int:
        """Counts an account's domains."""
        used: int = (await self._engine.read("count_domains", account_id=account_id))[0]["used"]
        return used

    async def count_unproven(self, account_id: str) -> int:
        """Counts an account's domains that were never proven."""
        used: int = (await self._engine.read("count_unproven", account_id=account_id))[0]["used"]
        return used

    async def domain(self, account_id: str, sender: str) -> Domain | None:
        """Finds one of an account's domains."""
        found = await self._engine.read("domain", account_id=account_id, sender=sender)
        return next((rows.domain(row) for row in found), None)

    async def domain_by_id(self, domain_id: str) -> Domain | None:
        """Finds a domain for the worker."""
        return next((rows.domain(row) for row in await self._engine.read("domain_by_id", id=domain_id)), None)

    async def holder(self, sender: str) -> str | None:
        """Names the id of the domain that holds the name, if any does."""
        return next((row["id"] for row in await self._engine.read("holder", sender=sender)), None)

    async def held_domains(self, after: str, limit: int) -> list[Domain]:
        """Lists the domains that hold their names, of all accounts, in the order of the names behind `after`."""
        return [rows.domain(row) for row in await self._engine.read("held_domains", after=after, limit=limit)]

    async def held_around(self, domain: Domain) -> list[Domain]:
        """Finds other accounts' held domains whose name lies above or below a domain's; of those below the first."""
        labels = domain.sender.split(".")
        above = await self._engine.read(
            "held_above",
            senders=rows.json([".".join(labels[at:]) for at in range(1, len(labels))]),
            account_id=domain.account_id,
        )
        low = rows.path(domain.sender)
        below = await self._engine.read(
            "held_below", low=low, high=low[:-1] + b"/", account_id=domain.account_id, limit=NEIGHBOURS
        )
        found = [rows.domain(row) for row in (*above, *below)]
        return [each for each in found if each.sender != domain.sender]

    async def last_checks(self, domain_ids: Collection[str]) -> dict[str, CheckResult]:
        """Finds the last checks of domains; those never checked are left out."""
        found = await self._engine.read("checkups", domain_ids=rows.json([storable(one) for one in domain_ids]))
        return {row["domain_id"]: rows.check_result(row) for row in found}

    async def load_check_contexts(self, domains: Sequence[Domain]) -> dict[str, CheckContext]:
        """Finds what checks of domains want to know beside them, by the domains' ids."""
        wanted = rows.json([storable(domain.id) for domain in domains])
        return {row["id"]: rows.check_context(row) for row in await self._engine.read("beside", domain_ids=wanted)}

    async def sealed_key(self, domain_id: str, selector: str) -> bytes | None:
        """Finds the sealed private key of a domain at one of its selectors."""
        found = await self._engine.read("sealed_key", domain_id=domain_id, selector=selector)
        return next((row["sealed"] for row in found), None)

    async def sealed_keys(
        self, account_id: str, first: str = "", last: str | None = None
    ) -> dict[tuple[str, str], bytes]:
        """Finds the sealed private keys of an account's domains from one name to another, by domain id and selector."""
        found = await self._engine.read("sealed_keys", account_id=account_id, first=first, last=last)
        return {(row["domain_id"], row["selector"]): row["sealed"] for row in found}

    async def take_key(self) -> PooledKey | None:
        """Takes a key made ahead out of the pool; nothing where it is dry."""
        return next((rows.pooled_key(row) for row in await self._engine.write("take_key")), None)

    async def events(
        self, account_id: str, domain_id: str | None, after: str | None, limit: int, sender: str | None = None
    ) -> list[DomainEvent]:
        """Lists events, the oldest first, of one domain or of all; `after` is an event's id, `sender` a name."""
        wanted: rows.Values = {"account_id": account_id, "after": after or "", "limit": limit}
        if domain_id is None:
            found = await self._engine.read("events_of_account", **wanted, sender=sender)
        else:
            found = await self._engine.read("events_of_domain", **wanted, domain_id=domain_id)
        return [rows.domain_event(row) for row in found]

    async def event(self, account_id: str, event_id: str) -> DomainEvent | None:
        """Finds one event of an account."""
        found = await self._engine.read("event", account_id=account_id, id=event_id)
        return next((rows.domain_event(row) for row in found), None)

    async def find_check(self, check_id: str) -> CheckResult | None:
        """Finds the check that events follow from."""
        return next((rows.stored_check(row) for row in await self._engine.read("evidence", id=check_id)), None)

    async def claim(self, claim: NewClaim, limits: Limits) -> ClaimResult:
        """Adds a domain in one transaction: within the account's limits, no selector used before at this name.

        Fault `usage-limit-exceeded`, `selector-used`, `idempotency-key-reused` (used for another request), `not-found`
        where the account is gone.
        """

        async def work(session: DatabaseSession) -> ClaimResult:
            if await _claimed_before(session, claim):
                return ClaimResult.THERE
            await _refuse_too_many(session, claim.account_id, limits)
            key = claim.own or await _taken_key(session)
            if key is None:
                return ClaimResult.POOL_DRY
            await self._add(session, claim.build(key))
            await _remember(session, claim)
            return ClaimResult.ADDED

        return await self._engine.transact(work)

    async def save(self, outcome: DomainUpdate, limits: Limits | None = None) -> bool:
        """Writes what came of a check and hands the lease back; false, with nothing written, where the domain has
        changed since it was read or another domain holds the name by now. Fault `usage-limit-exceeded`, with nothing
        written, where it leaves more claims without proof than the limits allow."""

        async def work(session: DatabaseSession) -> bool:
            saved = await self._saved(session, outcome)
            if saved and limits is not None:
                await _in_turn(session, outcome.domain)
                await _refuse_unproven(session, outcome.domain.account_id, limits, counted=1)
            return saved

        try:
            saved = await self._engine.transact(work)
        except ConstraintViolation:  # the one constraint that a save can break: one holder of a name
            return False
        if saved and outcome.keys_to_destroy:
            await self._engine.shred()
        return saved

    async def confirm(self, domain: Domain, at: datetime) -> bool:
        """Writes that a check at a time saw what the last one saw, and hands the lease back: the checkup stands, taken
        again. Name, status and hold are as before. False where the domain has changed since it was read."""
        return await self._confirmed.add(rows.new_confirmation(domain, at))

    async def _confirm_all(self, confirmed: Sequence[rows.Confirmation]) -> list[bool]:
        async def work(session: DatabaseSession) -> set[str]:
            written = {row["id"] for row in await session.rows("confirm", domains=rows.json(confirmed))}
            there = [each for each in confirmed if each.whose in written]
            await session.rows("confirm_checkups", checkups=rows.json(there))
            return written

        written = await self._engine.transact(work)
        return [each.whose in written for each in confirmed]

    async def transfer(self, loser: DomainUpdate, winner: DomainUpdate, audit: Sequence[AuditRow]) -> bool:
        """Moves the hold of a name in one transaction, the loser's part first; false, with nothing written, where
        either domain has changed since it was read."""

        async def work(session: DatabaseSession) -> bool:
            if not await self._saved(session, loser) or not await self._saved(session, winner):
                raise ConstraintViolation  # undoes the half that was written
            for row in audit:
                await append(session, row)
            return True

        try:
            moved = await self._engine.transact(work)
        except ConstraintViolation:
            return False
        if loser.keys_to_destroy:
            await self._engine.shred()
        return moved

    async def delete(self, domain: Domain, event: Event, effects: Sequence[Effect], audit: AuditRow) -> bool:
        """Deletes a domain: its sealed key is gone, its selector stays used; intents take away what is left outside.

        False, with nothing written, where the domain is gone or has changed since it was read.
        """

        async def work(session: DatabaseSession) -> bool:
            # Keys and checkups go with the row.
            if not await session.rows("delete_domain", id=domain.id, version=domain.version):
                return False
            await _in_turn(session, domain)
            await self._tell(session, domain, (event,), None)
            await _owe(session, domain, effects)
            return await append(session, audit)

        deleted = await self._engine.transact(work)
        if deleted:
            await self._engine.shred()
        return deleted

    async def _add(self, session: DatabaseSession, new: DomainCreation) -> None:
        domain = new.domain
        await _use_selector(session, domain, domain.selector)
        owner = {"account_id": domain.account_id, "sender": domain.sender}
        await session.rows("add_domain", **rows.domain_values(domain), **owner)
        await session.rows("add_sealed_key", domain_id=domain.id, selector=domain.selector, sealed=new.sealed_key)
        if new.second_key is not None:
            await _keep_spare(session, domain, new.second_key)
        await self._tell(session, domain, new.events, None)
        await _owe(session, domain, new.effects)
        await remind(session, domain, new.events)

    async def _saved(self, session: DatabaseSession, outcome: DomainUpdate) -> bool:
        domain = outcome.domain
        values = rows.domain_values(rows.next_version(domain))
        if not await session.rows("save_domain", **values, read_version=domain.version):
            return False
        await _change_keys(session, outcome)
        if outcome.check is not None:
            await session.rows("keep_checkup", **rows.checkup_values(domain, outcome.check, outcome.fingerprint))
        if outcome.events or outcome.related_events:
            await _in_turn(session, domain, *(each.domain for each in outcome.related_events))
        await self._tell(session, domain, outcome.events, outcome.check)
        for notice in outcome.related_events:
            await self._tell(session, notice.domain, (notice.event,), None)
        await _owe(session, domain, outcome.effects)
        await remind(session, domain, outcome.events)
        return True

    async def _tell(
        self, session: DatabaseSession, domain: Domain, events: tuple[Event, ...], checkup: CheckResult | None
    ) -> None:
        """Keeps events with what is owed of them, and once for them all the checkup that they follow from.

        The account is locked: its ids follow each other as its transactions do (docs/decisions/0016).
        """
        ids = await self._next_ids(session, domain.account_id, events)
        evidence_id = ids[0] if ids and checkup is not None else None
        if evidence_id is not None:
            await session.rows("keep_evidence", id=evidence_id, body=rows.json(checkup))
        for event_id, event in zip(ids, events, strict=True):
            await session.rows("add_event", **rows.event_values(domain, event, event_id, evidence_id))
            await owe(session, domain, event, event_id)

    async def _next_ids(self, session: DatabaseSession, account_id: str, events: tuple[Event, ...]) -> list[str]:
        ids: list[str] = []
        if events:
            (last,) = await session.rows("last_event", account_id=account_id)
            for event in events:
                ids.append(self._event_ids.next(event.at, ids[-1] if ids else last["id"]))
        return ids


async def _in_turn(session: DatabaseSession, *domains: Domain) -> None:
    """Lets the transactions that tell an account something end one after the other; sorted, so that none waits in a
    circle."""
    for account_id in sorted({each.account_id for each in domains}):
        await session.rows("lock_account", id=account_id)


async def _owe(session: DatabaseSession, domain: Domain, effects: Sequence[Effect]) -> None:
    """Writes down work that is owed outside."""
    for effect in effects:
        await session.rows("add_intent", **rows.intent_values(domain, effect))


async def _use_selector(session: DatabaseSession, domain: Domain, selector: str) -> None:
    """Uses up a selector at this name, for ever; of slots it is the claim's token that never comes again."""
    if domain.key_delegation is not None:
        return
    if not await session.rows("use_selector", sender=domain.sender, selector=selector, account_id=domain.account_id):
        raise Fault(
            Kind.SELECTOR_USED,
            f"The selector {selector} was used for {domain.sender} before.",
            "Choose another selector: one is never used twice, so that an old key can't come back.",
        )


async def _keep_spare(session: DatabaseSession, domain: Domain, key: NewDomainKey) -> None:
    """Keeps a key beside the one that is the domain's own."""
    await _use_selector(session, domain, key.selector)
    await session.rows("add_spare_key", domain_id=domain.id, selector=key.selector, sealed=key.sealed)


async def _change_keys(session: DatabaseSession, outcome: DomainUpdate) -> None:
    """Keeps a new key beside the one that signs, lets another one sign, destroys those that nobody needs."""
    domain, before = outcome.domain, outcome.signed_before
    for new in (outcome.new_key, outcome.second_key):
        if new is not None:
            await _keep_spare(session, domain, new)
    if before is not None:
        await session.rows("set_aside", domain_id=domain.id, selector=before)
        await session.rows("sign_with", domain_id=domain.id, selector=domain.selector)
        await session.rows("shed_key", domain_id=domain.id, selector=domain.selector)
    for selector in outcome.keys_to_destroy:
        await session.rows("shed_key", domain_id=domain.id, selector=selector)


async def _claimed_before(session: DatabaseSession, claim: NewClaim) -> bool:
    """Tells whether the account has the domain, or had this request; claims of one account wait here for each other."""
    if not await session.rows("lock_account", id=claim.account_id):
        raise Fault(Kind.NOT_FOUND, f"The account {claim.account_id} is gone.", "Ask with a key of another account.")
    if claim.idempotency is not None:
        key, digest = claim.idempotency
        for row in await session.rows("idempotency", account_id=claim.account_id, key=key):
            if row["digest"] == digest:
                return True
            raise Fault(
                Kind.IDEMPOTENCY_KEY_REUSED,
                f"The Idempotency-Key {key} was used for another request.",
                "Use a new key for each new request, and the same one only to repeat a request unchanged.",
            )
    if not await session.rows("domain", account_id=claim.account_id, sender=claim.sender):
        return False
    await _remember(session, claim)
    return True


async def _remember(session: DatabaseSession, claim: NewClaim) -> None:
    """Keeps the Idempotency-Key for a day, and forgets the account's older ones."""
    if claim.idempotency is None:
        return
    key, digest = claim.idempotency
    before = rows.ms(claim.now - IDEMPOTENCY_KEPT)
    await session.rows("forget_idempotency", account_id=claim.account_id, before=before)
    at = rows.ms(claim.now)
    await session.rows("remember_idempotency", account_id=claim.account_id, key=key, digest=digest, at=at)


async def _refuse_too_many(session: DatabaseSession, account_id: str, limits: Limits) -> None:
    await _refuse_unproven(session, account_id, limits, counted=0)
    if limits.domains is not None:
        over = over_domains(limits, (await session.rows("count_domains", account_id=account_id))[0]["used"])
        if over is not None:
            raise over.fault()


async def _refuse_unproven(session: DatabaseSession, account_id: str, limits: Limits, *, counted: int) -> None:
    """Refuses one more claim without proof; `counted` is 1 where it stands among the account's already."""
    used = (await session.rows("count_unproven", account_id=account_id))[0]["used"]
    over = over_pending(limits, used - counted)
    if over is not None:
        raise over.fault()


async def _taken_key(session: DatabaseSession) -> PooledKey | None:
    return next((rows.pooled_key(row) for row in await session.rows("take_key")), None)
