"""What an API key that is bound to sender domains sees of its account, in one place: the store that it is given.

Every operation that serves a bound key gets a `BoundStore`. It finds the domains that the key is bound to, and nothing
else; a method that is not named here is refused, so what is new is closed until somebody has thought about it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from msgspec import structs

from letterhead.core.accounts.accounts import Caller
from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain, status
from letterhead.core.domain.statistics import StateChange
from letterhead.core.names.domain_names import NameRules, parse_domain
from letterhead.core.public.webhooks import Webhook
from letterhead.errors import Fault, Kind
from letterhead.operations.domains import new_not_found
from letterhead.ports.deps import Deps
from letterhead.ports.store import Store
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.domains import (
    CheckResult,
    ClaimResult,
    DomainEvent,
    DomainQuery,
    DomainUpdate,
    NewClaim,
    SealedKeys,
)
from letterhead.ports.store.subdomain_covers import CoverClaims, CoveringDomain
from letterhead.ports.store.webhooks import StoredWebhook

# What concerns no domain of an account, or a domain that was found through this store.
OPEN: Final = frozenset(
    {
        "account", "audit", "take_rate_slot", "take_key", "resolver_outage", "holder",
        "installation_secret", "installation_secret_names", "load_check_contexts", "add_setup_link", "add_dns_plan",
        "save_dns_plan", "session",
    }
)  # fmt: skip
# Those whose first argument is the id of a domain, which this store must have found.
BY_DOMAIN_ID: Final = frozenset(
    {
        "sealed_key",
        "check_sooner",
        "setup_links",
        "end_setup_link",
        "dns_plan",
        "dns_plans",
        "profile",
        "covers_subdomains",
    }
)
# Those whose first argument is the id of a webhook endpoint, which this store must have found.
BY_WEBHOOK_ID: Final = frozenset({"try_webhook", "deliveries", "delivery", "redeliver"})
# Those whose first argument is a domain, which must be covered.
BY_DOMAIN: Final = frozenset({"held_around", "is_selector_of_others", "confirm", "change_profile", "delete"})


def bind(deps: Deps, caller: Caller) -> Deps:
    """Return the dependencies of operations for a caller: those given, unless the caller's key is bound to domains."""
    if caller.binding is None:
        return deps
    return replace(deps, store=cast("Store", BoundStore(deps.store, caller, caller.binding)))


def require_covered(names: NameRules, binding: DomainBinding, raw: str) -> None:
    """Raise Fault `not-found` for a name that a binding does not cover, as for one that the account does not have."""
    try:
        sender = parse_domain(raw, names, owns_suffix=True).ascii
    except Fault as unreadable:
        raise new_not_found(raw) from unreadable
    if not binding.covers(sender):
        raise new_not_found(raw)


def new_key_bound() -> Fault:
    """Make the Fault `key-bound`, whose text says nothing of what is hidden from the key."""
    return Fault(
        Kind.KEY_BOUND,
        "This API key is bound to some of the account's sender domains, and this concerns others or the whole account.",
        "Use a key of the account that is not bound to domains.",
    )


class BoundStore:
    """The store as a key bound to some domains may use it."""

    def __init__(self, store: Store, caller: Caller, binding: DomainBinding) -> None:
        self._store, self._caller, self._binding = store, caller, binding
        self._found = dict[str, str]()  # the names of the domains that were found here, by id
        self._checks = set[str]()  # ids of the checks that events found here follow from
        self._webhooks = set[str]()  # ids of the webhook endpoints that were found here

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return a method of the store that needs no filter, else one that refuses."""
        method = getattr(self._store, name)
        if name in OPEN:
            return cast("Callable[..., Awaitable[Any]]", method)

        async def call(first: object = None, *rest: object, **named: object) -> Any:
            if name in BY_DOMAIN_ID and first in self._found:
                return await method(first, *rest, **named)
            if name in BY_WEBHOOK_ID and first in self._webhooks:
                return await method(first, *rest, **named)
            if name in BY_DOMAIN and isinstance(first, Domain) and self._binding.covers(first.sender):
                return await method(first, *rest, **named)
            raise new_key_bound()

        return call

    def _keep(self, domains: Sequence[Domain]) -> list[Domain]:
        kept = [each for each in domains if self._binding.covers(each.sender)]
        self._found.update({each.id: each.sender for each in kept})
        return kept

    async def domain(self, account_id: str, sender: str) -> Domain | None:
        """Return a covered domain by its name."""
        found = await self._store.domain(account_id, sender) if self._binding.covers(sender) else None
        return None if found is None else self._keep([found])[0]

    async def cover_claims(self, account_id: str, names: tuple[str, ...]) -> CoverClaims:
        """Return the claims that decide on a covered name; none where the account's own that decides is not covered.

        Without that one, a covered claim above it would decide in its place, against what the account does.
        """
        if not self._binding.covers(names[0]):
            return CoverClaims()
        found = await self._store.cover_claims(account_id, names)
        deciding = max((domain.sender for domain, _ in found.own), key=len, default="")
        return found if self._binding.covers(deciding) else CoverClaims()

    async def covering_domains(self, account_id: str, after: str, limit: int) -> list[CoveringDomain]:
        """Return the covered domains that cover names below; none for a key that is not bound to the names below."""
        if not self._binding.covers_below:
            return []
        return await self._store.covering_domains_within(account_id, self._binding, after, limit)

    async def domain_by_id(self, domain_id: str) -> Domain | None:
        """Return a covered domain by its id."""
        found = await self._store.domain_by_id(domain_id)
        return None if found is None else next(iter(self._keep([found])), None)

    async def domains(self, account_id: str, page: DomainQuery) -> list[Domain]:
        """Return the covered domains in the order of their names."""
        return self._keep(await self._store.domains_within(account_id, self._binding, page))

    async def list_versions(self, account_id: str) -> list[tuple[str, int]]:
        """Return the ids and versions of the covered domains."""
        return await self._store.list_versions_within(account_id, self._binding)

    async def last_checks(self, domain_ids: Collection[str]) -> dict[str, CheckResult]:
        """Return the last checks of domains that were found."""
        return await self._store.last_checks([each for each in domain_ids if each in self._found])

    async def domains_with_sealed_keys(self, account_id: str, limit: int) -> tuple[list[Domain], SealedKeys]:
        """Return the first covered domains in the order of their names, with their sealed keys."""
        listed = await self.domains(account_id, DomainQuery(limit=limit))
        return listed, await self._store.sealed_keys_of([each.id for each in listed])

    async def sealed_keys(
        self,
        account_id: str,  # noqa: ARG002 the port's
        first: str = "",
        last: str | None = None,
    ) -> SealedKeys:
        """Return the sealed keys of the domains found from `first` to `last`."""
        wanted = [
            found for found, sender in self._found.items() if first <= sender and (last is None or sender <= last)
        ]
        return await self._store.sealed_keys_of(wanted)

    async def events(
        self, account_id: str, domain_id: str | None, after: str | None, limit: int, sender: str | None = None
    ) -> list[DomainEvent]:
        """Return the events of one domain that was found, or of all covered names."""
        if domain_id is None:
            return await self._store.events_within(account_id, self._binding, after, limit, sender)
        if domain_id not in self._found:
            raise new_key_bound()
        return await self._store.events(account_id, domain_id, after, limit, sender)

    async def event(self, account_id: str, event_id: str) -> DomainEvent | None:
        """Return one event of a covered name."""
        found = await self._store.event(account_id, event_id)
        if found is None or not self._binding.covers(found.sender):
            return None
        self._checks.add(found.check_id or "")
        return found

    async def find_check(self, check_id: str) -> CheckResult | None:
        """Return the check that an event found here follows from."""
        return await self._store.find_check(check_id) if check_id in self._checks else None

    async def count_statuses(self, account_id: str) -> Mapping[str, int]:
        """Count the covered domains by their status in the API."""
        return Counter(status(each) for each in await self.domains(account_id, DomainQuery()))

    async def state_changes(self, account_id: str, limit: int) -> Sequence[StateChange]:
        """Return the changes of state of the covered domains that there are now, among the account's newest."""
        covered = {domain_id for domain_id, _ in await self.list_versions(account_id)}
        return [each for each in await self._store.state_changes(account_id, limit) if each.domain_id in covered]

    async def webhooks(self, account_id: str) -> list[StoredWebhook]:
        """Return the endpoints that are for covered domains alone."""
        kept = [each for each in await self._store.webhooks(account_id) if self._is_within(each.webhook)]
        self._webhooks.update(each.webhook.id for each in kept)
        return kept

    async def webhook(self, account_id: str, webhook_id: str) -> StoredWebhook | None:
        """Return one endpoint that is for covered domains alone."""
        found = await self._store.webhook(account_id, webhook_id)
        if found is None or not self._is_within(found.webhook):
            return None
        self._webhooks.add(webhook_id)
        return found

    def _is_within(self, webhook: Webhook) -> bool:
        return webhook.binding is not None and webhook.binding.is_within(self._binding)

    async def dns_credentials(self, account_id: str) -> list[DnsCredential]:  # noqa: ARG002 the port's
        """Return none: a kept credential is for a zone, with all that is in it."""
        return []

    # --- what is written ----------------------------------------------------------------------------------------------

    def _require(self, domain: Domain) -> None:
        if not self._binding.covers(domain.sender):
            raise new_key_bound()

    async def claim(self, claim: NewClaim, limits: Limits) -> ClaimResult:
        """Add a covered domain; an Idempotency-Key counts for this API key alone."""
        if not self._binding.covers(claim.sender):
            raise new_key_bound()
        if claim.idempotency is not None:
            key, digest = claim.idempotency
            claim = structs.replace(claim, idempotency=(f"{self._caller.key_id} {key}", digest))
        try:
            return await self._store.claim(claim, limits)
        except Fault as fault:
            raise _without_counts(fault) from None

    async def save(self, update: DomainUpdate, limits: Limits | None = None) -> bool:
        """Write what follows for a covered domain."""
        self._require(update.domain)
        try:
            return await self._store.save(update, limits)
        except Fault as fault:
            raise _without_counts(fault) from None

    async def add_webhook(self, webhook: Webhook, sealed: bytes, most: int, audit: AuditRow) -> bool:
        """Add an endpoint that is for covered domains alone."""
        if not self._is_within(webhook):
            raise new_key_bound()
        return await self._store.add_webhook(webhook, sealed, most, audit)

    async def change_webhook(self, webhook: Webhook, audit: AuditRow) -> bool:
        """Change an endpoint that was found here, and stays for covered domains alone."""
        if webhook.id not in self._webhooks or not self._is_within(webhook):
            raise new_key_bound()
        return await self._store.change_webhook(webhook, audit)

    async def rotate_secret(
        self, account_id: str, webhook_id: str, sealed: bytes, old_until: datetime, audit: AuditRow
    ) -> bool:
        """Set the new secret of an endpoint that is for covered domains alone."""
        if await self.webhook(account_id, webhook_id) is None:
            return False
        return await self._store.rotate_secret(account_id, webhook_id, sealed, old_until, audit)

    async def delete_webhook(self, account_id: str, webhook_id: str, audit: AuditRow) -> bool:
        """Delete an endpoint that is for covered domains alone."""
        if await self.webhook(account_id, webhook_id) is None:
            return False
        return await self._store.delete_webhook(account_id, webhook_id, audit)

    async def set_covers_subdomains(self, domain_id: str, covers: bool, audit: AuditRow) -> bool:
        """Set whether a domain covers the names below it, which must be the key's as well."""
        if not self._binding.covers_below or domain_id not in self._found:
            raise new_key_bound()
        return await self._store.set_covers_subdomains(domain_id, covers, audit)

    async def transfer(self, loser: DomainUpdate, winner: DomainUpdate, audit: Sequence[AuditRow]) -> bool:
        """Move the hold of a covered name."""
        self._require(winner.domain)
        return await self._store.transfer(loser, winner, audit)


def _without_counts(fault: Fault) -> Fault:
    """Return a fault that says no more of the account's other domains than that there is no room."""
    if fault.kind is not Kind.USAGE_LIMIT_EXCEEDED:
        return fault
    detail = "The account has as many sender domains as it may have, or as may be unproven."
    return Fault(fault.kind, detail, "Ask the owner of the account to delete one, or to ask for a higher limit.")
