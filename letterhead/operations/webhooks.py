"""Webhooks: list, add, change, delete, test; list their deliveries; send one again."""

from typing import Protocol

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.names.domain_names import NameRules
from letterhead.core.public.webhooks import (
    OLD_SECRET_LIVES,
    SECRET_OCTETS,
    TEST,
    Webhook,
    new_secret,
    parse_events,
    parse_target,
)
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.daily_limits import WEBHOOK_TESTS_A_DAY, count_daily
from letterhead.operations.ids import IdNeeds, new_id
from letterhead.operations.key_requests import parse_binding
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.deps import OperationSettings
from letterhead.ports.keyring import Keyring
from letterhead.ports.store.leases import LeaseStore
from letterhead.ports.store.webhooks import Delivery, StoredWebhook, WebhookStore

log = structlog.get_logger()
MOST = 20  # endpoints of one account


class StoreForWebhooks(WebhookStore, LeaseStore, Protocol):
    """Webhooks, and how often a day they are tested."""


class WebhookNeeds(IdNeeds, AuditNeeds, Protocol):
    """What the operations on webhooks need."""

    @property
    def store(self) -> StoreForWebhooks: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def names(self) -> NameRules: ...
    @property
    def policy(self) -> OperationSettings: ...


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint is to be, as it was sent.

    `domains` are the sender domains whose events it gets, None for those of the whole account; where they are not said,
    a change leaves them as they are.
    """

    url: str
    events: tuple[str, ...]
    domains: tuple[str, ...] | UnsetType | None = UNSET
    covers_below: bool = False


def settings_of(webhook: Webhook) -> WebhookSettings:
    """Return what an endpoint is now."""
    binding = webhook.binding
    return WebhookSettings(
        url=webhook.url,
        events=webhook.events,
        domains=None if binding is None else binding.names,
        covers_below=binding is not None and binding.covers_below,
    )


class RevealedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint with its secret, for those who may see it; None where the stored secret does not open."""

    webhook: Webhook
    secret: Secret | None

    def secret_text(self) -> str | None:
        """Return the secret in clear."""
        return None if self.secret is None else reveal(self.secret).decode()


async def list_webhooks(deps: WebhookNeeds, account_id: str) -> list[RevealedWebhook]:
    """List an account's endpoints, the oldest first."""
    return [_reveal(deps, stored) for stored in await deps.store.webhooks(account_id)]


async def find_webhook(deps: WebhookNeeds, account_id: str, webhook_id: str) -> RevealedWebhook:
    """Find one endpoint; Fault `not-found`."""
    stored = await deps.store.webhook(account_id, webhook_id)
    if stored is None:
        raise _not_found(webhook_id)
    return _reveal(deps, stored)


def _reveal(deps: WebhookNeeds, stored: StoredWebhook) -> RevealedWebhook:
    return RevealedWebhook(webhook=stored.webhook, secret=open_secret(deps.keyring, stored.webhook, stored.sealed))


def open_secret(keyring: Keyring, webhook: Webhook, sealed: bytes) -> Secret | None:
    """Open a signing secret; one that does not open is logged, so that it hides no other endpoint of the account."""
    try:
        return keyring.unseal(sealed, secret_purpose(webhook))
    except Fault as fault:
        log.error("webhook-secret.unreadable", webhook=webhook.id, account=webhook.account_id, detail=fault.detail)
        return None


def secret_purpose(webhook: Webhook) -> str:
    """Return what a secret is sealed for: its endpoint, so that in another row it does not open."""
    return f"webhook|{webhook.account_id}|{webhook.id}"


def _not_found(webhook_id: str) -> Fault:
    detail = f"This account has no webhook {webhook_id[:80]!r}."
    return Fault(Kind.NOT_FOUND, detail, "Look at GET /webhooks for those it has.")


async def add_webhook(
    deps: WebhookNeeds, account_id: str, settings: WebhookSettings, actor: Actor, maker: DomainBinding | None = None
) -> RevealedWebhook:
    """Add an endpoint, which gets events from now on; `maker` is what the key that asks is bound to.

    Where no domains are named, it is for those of the key. Faults: `webhook-…` for the URL or the events, `domain-…`
    and `parameter-invalid` for the domains, `key-bound` for others than the key's, `conflict` where the account has too
    many.
    """
    parse_target(settings.url, deps.policy.egress)
    webhook = Webhook(
        id=new_id(deps, "wh"),
        account_id=account_id,
        url=settings.url,
        events=parse_events(settings.events),
        binding=_binding(deps, settings, maker),
        created_at=deps.now(),
    )
    secret = new_secret(deps.random_octets(SECRET_OCTETS))
    sealed = deps.keyring.seal(secret, secret_purpose(webhook))
    if not await deps.store.add_webhook(webhook, sealed, MOST, audit_row(deps, actor, "webhook.add", webhook.id)):
        raise Fault(
            Kind.CONFLICT,
            f"An account may have {MOST} webhooks, and this one has no room for another.",
            "Delete one that is not needed with DELETE /webhooks/{id}, or let one endpoint take all events.",
        )
    return RevealedWebhook(webhook=webhook, secret=secret)


def _binding(deps: WebhookNeeds, settings: WebhookSettings, unless_said: DomainBinding | None) -> DomainBinding | None:
    """Return the domains that an endpoint is to be for."""
    named = parse_binding(deps.names, settings.domains or (), covers_below=settings.covers_below)
    return unless_said if isinstance(settings.domains, UnsetType) else named


async def change_webhook(
    deps: WebhookNeeds, account_id: str, webhook_id: str, settings: WebhookSettings, actor: Actor
) -> RevealedWebhook:
    """Change an endpoint's URL, events and domains and enable it again; its secret stays.

    Its deliveries of domains that it is not for any more are deleted. Faults: `not-found`, `webhook-…` for the URL or
    the events, `domain-…` and `parameter-invalid` for the domains, `key-bound` for others than those of the key.
    """
    found = await find_webhook(deps, account_id, webhook_id)
    parse_target(settings.url, deps.policy.egress)
    changed = replace(
        found.webhook,
        url=settings.url,
        events=parse_events(settings.events),
        binding=_binding(deps, settings, found.webhook.binding),
        disabled_at=None,
        disabled_why=None,
    )
    if not await deps.store.change_webhook(changed, audit_row(deps, actor, "webhook.change", webhook_id)):
        raise _not_found(webhook_id)
    return replace(found, webhook=changed)


async def rotate_secret(deps: WebhookNeeds, account_id: str, webhook_id: str, actor: Actor) -> RevealedWebhook:
    """Make a new secret; for a day messages carry signatures by both, then the old one ends. Fault `not-found`."""
    found = await find_webhook(deps, account_id, webhook_id)
    secret, until = new_secret(deps.random_octets(SECRET_OCTETS)), deps.now() + OLD_SECRET_LIVES
    sealed = deps.keyring.seal(secret, secret_purpose(found.webhook))
    row = audit_row(deps, actor, "webhook.rotate-secret", webhook_id)
    if not await deps.store.rotate_secret(account_id, webhook_id, sealed, until, row):
        raise _not_found(webhook_id)
    return RevealedWebhook(webhook=replace(found.webhook, old_secret_until=until), secret=secret)


async def delete_webhook(deps: WebhookNeeds, account_id: str, webhook_id: str, actor: Actor) -> None:
    """Delete an endpoint with all its deliveries; Fault `not-found`."""
    row = audit_row(deps, actor, "webhook.delete", webhook_id[:80])
    if not await deps.store.delete_webhook(account_id, webhook_id, row):
        raise _not_found(webhook_id)


async def try_webhook(deps: WebhookNeeds, on_demand: OnDemand, account_id: str, webhook_id: str) -> Delivery:
    """Queue a test for an endpoint, which goes out like any message; within 5 s of the last test, return that one.

    Faults: `not-found`, `conflict` where disabled, `too-many-requests`.
    """
    found = await find_webhook(deps, account_id, webhook_id)
    _refuse_disabled(found.webhook)

    async def make() -> str:
        await count_daily(deps, account_id, "webhook tests", WEBHOOK_TESTS_A_DAY)
        return await deps.store.try_webhook(webhook_id, TEST, "a test that somebody asked for", deps.now())

    tested = await on_demand.looks.once(account_id, f"webhook test {webhook_id}", make)
    return await _delivery(deps, webhook_id, tested.value)


async def list_deliveries(
    deps: WebhookNeeds, account_id: str, webhook_id: str, before: str | None, limit: int
) -> list[Delivery]:
    """List an endpoint's deliveries, made and due, the newest first; Fault `not-found`."""
    await find_webhook(deps, account_id, webhook_id)
    return await deps.store.deliveries(webhook_id, before, limit)


async def redeliver(deps: WebhookNeeds, account_id: str, webhook_id: str, delivery_id: str, actor: Actor) -> Delivery:
    """Send a message again under its own id, from the first step of the schedule. Faults: `not-found`, `conflict`."""
    found = await find_webhook(deps, account_id, webhook_id)
    await _delivery(deps, webhook_id, delivery_id)
    _refuse_disabled(found.webhook)
    row = audit_row(deps, actor, "webhook.redeliver", f"{webhook_id} {delivery_id}")
    await deps.store.redeliver(webhook_id, delivery_id, row)
    return await _delivery(deps, webhook_id, delivery_id)


async def _delivery(deps: WebhookNeeds, webhook_id: str, delivery_id: str) -> Delivery:
    delivery = await deps.store.delivery(webhook_id, delivery_id)
    if delivery is None:
        raise Fault(
            Kind.NOT_FOUND,
            f"The webhook {webhook_id[:80]!r} has no delivery {delivery_id[:80]!r}.",
            "Look at GET /webhooks/{id}/deliveries for those it has.",
        )
    return delivery


def _refuse_disabled(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise Fault(
            Kind.CONFLICT,
            f"The webhook {webhook.id} is disabled: {webhook.disabled_why}.",
            f"Enable it again with PUT /webhooks/{webhook.id}, once it wants messages.",
        )
