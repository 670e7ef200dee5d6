"""Domains, their checks and events, and the keys that sign for them."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.accounts.quotas import Limits
from letterhead.core.dns.answers import Snapshot
from letterhead.core.domain.domain import Domain, Effect, Event
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.plan.plan import RecordId, RecordResult, Verdict
from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.accounts import AuditRow


class NewDomainKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a private key that a domain gets beside the one it has, sealed for its selector."""

    selector: str
    sealed: bytes


class DomainCreation(msgspec.Struct, frozen=True, kw_only=True):
    """Holds all that one transaction writes for a new claim; `second_key` is the domain's Ed25519 key, if any."""

    domain: Domain
    sealed_key: bytes
    second_key: NewDomainKey | None = None
    events: tuple[Event, ...]
    effects: tuple[Effect, ...] = ()


class NewClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Asks the store for a new domain: `build` makes it from a pooled key, inside the transaction and without waiting.

    `own` is given where no pooled key is wanted. `idempotency` is the client's key and a digest of its request.
    """

    account_id: str
    sender: str
    now: datetime
    build: Callable[[PooledKey], DomainCreation]
    own: PooledKey | None = None
    idempotency: tuple[str, bytes] | None = None


class ClaimResult(StrEnum):
    """Says how a claim went."""

    ADDED = "added"
    THERE = "there"  # the account has it already, or the Idempotency-Key was used for it before
    POOL_DRY = "pool-dry"  # no key made ahead is left


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the last check of a domain: how each record stands, what was found, and all that was seen."""

    taken_at: datetime
    results: tuple[RecordResult, ...]
    findings: tuple[Finding, ...]
    snapshot: Snapshot

    @property
    def is_unanswered(self) -> bool:
        """Says whether nobody answered about the record that decides."""
        dkim = [each for each in self.results if each.record.id is RecordId.DKIM]
        return any(each.verdict is Verdict.UNANSWERED for each in dkim)


class RelatedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what is told of a domain because of another one."""

    domain: Domain
    event: Event


class DomainUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one transaction writes after a check or an asked-for change.

    `domain.version` is the version that was read; the store raises it by one. `effects` become intents: work outside
    that survives the process. `basis` is what the checkup's findings follow from. `notices` are told of other domains,
    which stay as they are. `new_key` is kept under a selector never used before at this name, `second_key` likewise.
    `signed_before` is the selector that signed until now, where the key at `domain.selector` takes over; the keys at
    those in `shed` are destroyed.
    """

    domain: Domain
    events: tuple[Event, ...] = ()
    related_events: tuple[RelatedEvent, ...] = ()
    effects: tuple[Effect, ...] = ()
    check: CheckResult | None = None
    fingerprint: str | None = None
    new_key: NewDomainKey | None = None
    second_key: NewDomainKey | None = None
    signed_before: str | None = None
    keys_to_destroy: tuple[str, ...] = ()


class CheckContext(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a check wants to know beside the domain itself.

    `watched_until` is until when somebody was last known to have the set-up page open, `used_selectors` are those that
    the account ever used at the name, `basis` is what the findings of the last checkup follow from.
    """

    watched_until: datetime | None = None
    used_selectors: tuple[str, ...] = ()
    fingerprint: str | None = None


class DomainQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Says which of an account's domains are wanted, in the order of their names; all of them by default."""

    limit: int | None = None
    after: str | None = None  # a sender: begin behind it
    status: str | None = None  # the wire's word
    contains: str | None = None
    problem: str | None = None  # the code of a finding of the last check


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one event of a domain as it is kept: `id` is stable for ever."""

    id: str
    domain_id: str
    account_id: str
    sender: str
    event: Event
    check_id: str | None = None  # of the check that it follows from


class DomainStore(Protocol):
    """Domains, their checks and events, and the keys that sign for them."""

    async def domains(self, account_id: str, page: DomainQuery) -> list[Domain]:
        """Lists an account's domains in the order of their names."""
        ...

    async def list_versions(self, account_id: str) -> list[tuple[str, int]]:
        """Lists the ids and versions of an account's domains: they differ wherever one of the domains does."""
        ...

    async def count_domains(self, account_id: str) -> int:
        """Counts an account's domains."""
        ...

    async def count_unproven(self, account_id: str) -> int:
        """Counts an account's domains that were never proven."""
        ...

    async def domain(self, account_id: str, sender: str) -> Domain | None:
        """Finds one of an account's domains."""
        ...

    async def domain_by_id(self, domain_id: str) -> Domain | None:
        """Finds a domain for the worker."""
        ...

    async def holder(self, sender: str) -> str | None:
        """Names the id of the domain that holds the name, if any does."""
        ...

    async def held_domains(self, after: str, limit: int) -> list[Domain]:
        """Lists the domains that hold their names, of all accounts, in the order of the names behind `after`."""
        ...

    async def held_around(self, domain: Domain) -> list[Domain]:
        """Finds other accounts' held domains whose name lies above or below a domain's; of those below the first."""
        ...

    async def last_checks(self, domain_ids: Collection[str]) -> dict[str, CheckResult]:
        """Finds the last checks of domains; those never checked are left out."""
        ...

    async def claim(self, claim: NewClaim, limits: Limits) -> ClaimResult:
        """Adds a domain in one transaction: within the account's limits, no selector used before at this name.

        Fault `usage-limit-exceeded`, `selector-used`, `idempotency-key-reused` (used for another request), `not-found`
        where the account is gone.
        """
        ...

    async def save(self, outcome: DomainUpdate, limits: Limits | None = None) -> bool:
        """Writes what came of a check and hands the lease back; false, with nothing written, where the domain has
        changed since it was read or another domain holds the name by now. Fault `selector-used` for its new key;
        `usage-limit-exceeded` where it leaves more claims without proof than the limits allow."""
        ...

    async def confirm(self, domain: Domain, at: datetime) -> bool:
        """Writes that a check at a time saw what the last one saw, and hands the lease back: the checkup stands, taken
        again. Name, status and hold are as before. False where the domain has changed since it was read."""
        ...

    async def transfer(self, loser: DomainUpdate, winner: DomainUpdate, audit: Sequence[AuditRow]) -> bool:
        """Moves the hold of a name in one transaction, the loser's part first; false, with nothing written, where
        either domain has changed since it was read."""
        ...

    async def delete(self, domain: Domain, event: Event, effects: Sequence[Effect], audit: AuditRow) -> bool:
        """Deletes a domain: its sealed key is gone, its selector stays used; intents take away what is left outside.

        False, with nothing written, where the domain is gone or has changed since it was read.
        """
        ...

    async def load_check_contexts(self, domains: Sequence[Domain]) -> dict[str, CheckContext]:
        """Finds what checks of domains want to know beside them, by the domains' ids."""
        ...

    async def sealed_key(self, domain_id: str, selector: str) -> bytes | None:
        """Finds the sealed private key of a domain at one of its selectors."""
        ...

    async def sealed_keys(
        self, account_id: str, first: str = "", last: str | None = None
    ) -> dict[tuple[str, str], bytes]:
        """Finds the sealed private keys of an account's domains from one name to another, by domain id and selector."""
        ...

    async def take_key(self) -> PooledKey | None:
        """Takes a key made ahead out of the pool; nothing where it is dry."""
        ...

    async def pool_keys(self, keys: Sequence[PooledKey]) -> None:
        """Adds keys made ahead."""
        ...

    async def events(
        self, account_id: str, domain_id: str | None, after: str | None, limit: int, sender: str | None = None
    ) -> list[DomainEvent]:
        """Lists events, the oldest first, of one domain or of all; `after` is an event's id, `sender` a name."""
        ...

    async def event(self, account_id: str, event_id: str) -> DomainEvent | None:
        """Finds one event of an account."""
        ...

    async def find_check(self, check_id: str) -> CheckResult | None:
        """Finds the check that events follow from."""
        ...

    async def resolver_outage(self) -> ResolverOutage | None:
        """Counts the zones that fell silent since the last check that was answered; nothing where there is none."""
        ...
