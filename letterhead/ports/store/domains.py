"""Domains, their checks and events, and the keys that sign for them."""

from collections.abc import Callable, Collection, Mapping, Sequence
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
from letterhead.ports.store.profiles import ProfileStore
from letterhead.ports.store.subdomain_covers import SubdomainCoverStore


class NewDomainKey(msgspec.Struct, frozen=True, kw_only=True):
    """A further private key of a domain, sealed for its selector."""

    selector: str
    sealed: bytes


class DomainCreation(msgspec.Struct, frozen=True, kw_only=True):
    """All that one transaction writes for a new domain; `second_key` is its Ed25519 key, if any.

    `covers` is whether it covers the names below it; None: as its account says, and else `covers_unless_set`.
    """

    domain: Domain
    sealed_key: bytes
    second_key: NewDomainKey | None = None
    events: tuple[Event, ...]
    effects: tuple[Effect, ...] = ()
    covers: bool | None = None
    covers_unless_set: bool = False


class NewClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a new domain: `build` makes it from a pooled key, inside the transaction and without waiting.

    `own` is a key to use in place of a pooled one. `idempotency` is the client's key and a digest of its request.
    `zone` is the registrable domain; `unproven_below` names without proof are allowed at and below it.
    """

    account_id: str
    sender: str
    zone: str
    unproven_below: int
    now: datetime
    build: Callable[[PooledKey], DomainCreation]
    own: PooledKey | None = None
    idempotency: tuple[str, bytes] | None = None


class ClaimResult(StrEnum):
    """How a claim ended."""

    ADDED = "added"
    EXISTS = "there"  # the account has it already, or the Idempotency-Key was used for it before
    POOL_EMPTY = "pool-dry"  # no key made ahead is left


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """A check of a domain, stored as JSON: the result of each record, the findings, and all replies of DNS."""

    taken_at: datetime
    results: tuple[RecordResult, ...]
    findings: tuple[Finding, ...]
    snapshot: Snapshot

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the codes of the findings, each once, in their order."""
        return tuple(dict.fromkeys(each.code for each in self.findings))

    @property
    def is_unanswered(self) -> bool:
        """Return whether no server answered for the DKIM record, which decides."""
        dkim = [each for each in self.results if each.record.id is RecordId.DKIM]
        return any(each.verdict is Verdict.UNANSWERED for each in dkim)


class RelatedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of one domain that another domain's change causes."""

    domain: Domain
    event: Event


class DomainUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """All that one transaction writes after a check or a requested change.

    `domain.version` is the version that was read; the store raises it by one. `effects` become intents: work outside
    that survives the process. `fingerprint` is of the inputs of `check`. `related_events` are of other domains, which
    do not change. `new_key` and `second_key` are stored under selectors that the account never used at this name.
    `previous_selector` is the one that signed until now, where the key at `domain.selector` takes over. The keys at
    `keys_to_destroy` are destroyed.
    """

    domain: Domain
    events: tuple[Event, ...] = ()
    related_events: tuple[RelatedEvent, ...] = ()
    effects: tuple[Effect, ...] = ()
    check: CheckResult | None = None
    fingerprint: str | None = None
    new_key: NewDomainKey | None = None
    second_key: NewDomainKey | None = None
    previous_selector: str | None = None
    keys_to_destroy: tuple[str, ...] = ()


class CheckContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a check needs to know in addition to the domain itself.

    `watched_until` is until when somebody was last known to have the set-up page open, `used_selectors` are all that
    the account ever used at the name, `fingerprint` is of the inputs of the last check, and `codes` are of its
    findings. `crowd` is how many domains without proof the account has besides its fifty newest, where this is one of
    that crowd; else 0.
    """

    watched_until: datetime | None = None
    used_selectors: tuple[str, ...] = ()
    fingerprint: str | None = None
    codes: tuple[str, ...] = ()
    crowd: int = 0


SealedKeys = Mapping[tuple[str, str], bytes]  # by domain id and selector


class DomainQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A filter and a page of an account's domains in the order of their names; all of them by default."""

    limit: int | None = None
    after: str | None = None  # a sender: start after it
    status: str | None = None  # as in the API
    not_status: str | None = None
    contains: str | None = None
    problem: str | None = None  # the code of a finding of the last check
    labels: tuple[str, ...] = ()  # `key:value`: domains that have all of them


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a domain as it is stored; `id` never changes."""

    id: str
    domain_id: str
    account_id: str
    sender: str
    event: Event
    check_id: str | None = None  # of the check that it follows from


class DomainStore(ProfileStore, SubdomainCoverStore, Protocol):
    """Domains, what accounts keep about them, their checks and events, and the keys that sign for them."""

    async def domains(self, account_id: str, page: DomainQuery) -> list[Domain]:
        """Return an account's domains in the order of their names."""
        ...

    async def list_versions(self, account_id: str) -> list[tuple[str, int]]:
        """Return the ids and versions of an account's domains, which change whenever one of the domains does."""
        ...

    async def count_domains(self, account_id: str) -> int:
        """Count an account's domains."""
        ...

    async def count_unproven(self, account_id: str) -> int:
        """Count an account's domains that were never verified."""
        ...

    async def domain(self, account_id: str, sender: str) -> Domain | None:
        """Return one of an account's domains by its name."""
        ...

    async def domain_by_id(self, domain_id: str) -> Domain | None:
        """Return a domain by its id, whatever its account."""
        ...

    async def holder(self, sender: str) -> str | None:
        """Return the id of the domain that holds the name, if any does."""
        ...

    async def is_selector_of_others(self, domain: Domain) -> bool:
        """Tell whether another account had this domain's selector while it held the name."""
        ...

    async def held_domains(self, after: str, limit: int) -> list[Domain]:
        """Return domains of all accounts that hold their names, in the order of the names after `after`."""
        ...

    async def held_around(self, domain: Domain) -> list[Domain]:
        """Return other accounts' domains that hold a name above or below a domain's; of those below, the first ones."""
        ...

    async def last_checks(self, domain_ids: Collection[str]) -> dict[str, CheckResult]:
        """Return the last checks by domain id, without domains that were never checked."""
        ...

    async def claim(self, claim: NewClaim, limits: Limits) -> ClaimResult:
        """Add a domain in one transaction, within the account's limits and with a selector that it never used there.

        Raise Fault `usage-limit-exceeded`, `selector-used`, `idempotency-key-reused` (used for another request), or
        `not-found` where the account is gone.
        """
        ...

    async def save(self, update: DomainUpdate, limits: Limits | None = None) -> bool:
        """Write the update that follows from a check or a request, and end the lease.

        Return false, with nothing written, where the domain has changed since it was read or another domain holds the
        name by now. Raise Fault `selector-used` for a new key's selector, `usage-limit-exceeded` where more domains
        would be unverified than the limits allow.
        """
        ...

    async def confirm(self, domain: Domain, at: datetime) -> bool:
        """Write that a check at a time found the same as the last one, and end the lease.

        The stored check stays, with a new time. Name, status and hold do not change. Return false where the domain has
        changed since it was read.
        """
        ...

    async def transfer(self, loser: DomainUpdate, winner: DomainUpdate, audit: Sequence[AuditRow]) -> bool:
        """Move the hold of a name in one transaction, the loser's part first.

        Return false, with nothing written, where either domain has changed since it was read.
        """
        ...

    async def delete(self, domain: Domain, event: Event, effects: Sequence[Effect], audit: AuditRow) -> bool:
        """Delete a domain and its sealed keys; its selectors stay used, and `effects` remove what is left outside.

        Return false, with nothing written, where the domain is gone or has changed since it was read.
        """
        ...

    async def load_check_contexts(self, domains: Sequence[Domain]) -> dict[str, CheckContext]:
        """Return what the checks of these domains need in addition to the domain itself, by domain id."""
        ...

    async def sealed_key(self, domain_id: str, selector: str) -> bytes | None:
        """Return the sealed private key of a domain at one of its selectors."""
        ...

    async def sealed_keys(self, account_id: str, first: str = "", last: str | None = None) -> SealedKeys:
        """Return the sealed private keys of an account's domains from `first` to `last`, by domain id and selector."""
        ...

    async def domains_with_sealed_keys(self, account_id: str, limit: int) -> tuple[list[Domain], SealedKeys]:
        """Return an account's first domains in the order of their names, with their sealed keys, in one read."""
        ...

    async def take_key(self) -> PooledKey | None:
        """Take a key out of the pool of keys made ahead; return None where the pool is empty."""
        ...

    async def pool_keys(self, keys: Sequence[PooledKey]) -> None:
        """Add keys to the pool of keys made ahead."""
        ...

    async def events(
        self, account_id: str, domain_id: str | None, after: str | None, limit: int, sender: str | None = None
    ) -> list[DomainEvent]:
        """Return events of one domain or of all, the oldest first; `after` is an event's id, `sender` a name."""
        ...

    async def event(self, account_id: str, event_id: str) -> DomainEvent | None:
        """Return one event of an account."""
        ...

    async def find_check(self, check_id: str) -> CheckResult | None:
        """Return the check that events follow from."""
        ...

    async def resolver_outage(self) -> ResolverOutage | None:
        """Return the zones that stopped answering since the last check that was answered, counted; None for no zone."""
        ...
