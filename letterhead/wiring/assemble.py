"""The adapters behind the ports of `Deps`, built from the settings."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from letterhead import __version__
from letterhead.adapters.disk import free_octets
from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.update import ZoneUpdates
from letterhead.adapters.https_fetch import HttpsFetcher
from letterhead.adapters.keyring import forbid_core_dumps
from letterhead.adapters.metrics import MeteredProvider, PrometheusMeter
from letterhead.adapters.pinned_connections import system_names
from letterhead.adapters.providers import PROVIDERS, ProviderSetup, RateSlot, no_wait
from letterhead.adapters.providers.simulated import SimulatedBehaviour, SimulatedProvider
from letterhead.adapters.storage import SchemaState, migrate, open_store, schema_revision, schema_state
from letterhead.adapters.webhooks import WebhookClient
from letterhead.config import (
    Exposure,
    HostPort,
    MxFailure,
    SenderAddress,
    Settings,
    SmtpServer,
    SqliteFile,
    StartTls,
    is_loopback,
    system_resolvers,
)
from letterhead.core.accounts import api_keys
from letterhead.core.names.domain_names import NameRules
from letterhead.core.public.webhooks import EgressPolicy
from letterhead.core.secret import Secret, reveal
from letterhead.ports.deps import Deps, Machine, OperationSettings, RetentionPeriods
from letterhead.ports.disk import FreeSpace
from letterhead.ports.mail import Mailer, ProofSetup
from letterhead.ports.outbound import Outbound
from letterhead.ports.provider import Provider, ProviderNotifications, Publisher
from letterhead.ports.resolver import Resolver
from letterhead.ports.sign_in import SignIn
from letterhead.ports.store import Store
from letterhead.wiring import keyring as wiring_keys
from letterhead.wiring.dns import ANYWHERE, ZoneFileResolver, load_hosts, resolver_at, rules_version, suffixes
from letterhead.wiring.keyring import kept_by_kms

__all__ = [
    "Overrides",
    "SchemaState",
    "SimulatedBehaviour",
    "SimulatedProvider",
    "ZoneFileResolver",
    "forbid_core_dumps",
    "kept_by_kms",
    "migrate",
    "open_deps",
    "schema_revision",
    "schema_state",
]


MB = 1_000_000


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Ports that tests and the demo use in place of the real ones; a field left None is built from the settings."""

    resolver: Resolver | None = None
    provider: Provider | None = None
    outbound: Outbound | None = None
    notices: ProviderNotifications | None = None
    publisher: Publisher | None = None
    proving: ProofSetup | None = None
    now: Callable[[], datetime] = _now


@asynccontextmanager
async def open_deps(settings: Settings, overrides: Overrides | None = None) -> AsyncIterator[Deps]:
    """Open everything that the settings name, and close it at the end.

    Faults: `schema-outdated`, `database-in-use`, `storage-unavailable`, `keyring-wrong`, `config-invalid`,
    `unreachable` (AWS KMS, where it keeps a key).
    """
    overrides = overrides or Overrides()
    now = overrides.now
    embedded = isinstance(settings.database_url, SqliteFile)
    egress = EgressPolicy(http=settings.webhooks_allow_http, private=settings.webhooks_allow_private)
    async with AsyncExitStack() as opened:
        names = await opened.enter_async_context(system_names())
        store = await opened.enter_async_context(open_store(database_url(settings), migrate_first=embedded))
        keyring = await wiring_keys.open_keyring(settings, store)
        pepper = await wiring_keys.pepper(keyring, store)
        meter = PrometheusMeter()
        provider = await opened.enter_async_context(
            nullcontext(overrides.provider) if overrides.provider else _open_provider(settings, store, now)
        )
        notifications = overrides.notices
        if notifications is None and settings.ses_notice_topics:
            from letterhead.adapters.sns import SnsNotices  # only for those who use it

            notifications = SnsNotices(settings.ses_notice_topics, HttpsFetcher(names), now)
        yield Deps(
            resolver=overrides.resolver or resolver(settings),
            provider=MeteredProvider(provider, meter),
            store=store,
            mailer=mailer(settings, now),
            outbound=overrides.outbound or WebhookClient(egress, names),
            keyring=keyring,
            names=name_rules(settings),
            policy=_new_policy(settings, egress, await wiring_keys.installation(store)),
            meter=meter,
            digest=lambda text: api_keys.digest(text, pepper),
            now=now,
            random_octets=secrets.token_bytes,
            free_spaces=lambda: free_spaces(settings),
            machine=Machine(host=socket.gethostname(), pid=os.getpid(), version=__version__),
            sign_in=sign_in(settings, now),
            hosts=load_hosts(),
            rules_version=rules_version(),
            notifications=notifications,
            publisher=overrides.publisher or publisher(settings),
            proofs=overrides.proving or proof_setup(settings, now),
        )


def _new_policy(settings: Settings, egress: EgressPolicy, installation: str) -> OperationSettings:
    return OperationSettings(
        expose_private_dkim=settings.expose_private_dkim is Exposure.FULL,
        mail_from_label=settings.mail_from_label,
        installation=installation,
        public_url=settings.public_url,
        brand_name=settings.brand_name,
        ed25519=settings.ed25519,
        rotate_after=timedelta(days=settings.rotate_dkim_days) or None,
        check_seconds=settings.check_timeout_seconds,
        egress=egress,
        retention=RetentionPeriods(
            events=timedelta(days=settings.keep_events_days),
            snapshots=timedelta(days=settings.keep_snapshots_days),
            deliveries=timedelta(days=settings.keep_deliveries_days),
        ),
    )


def database_url(settings: Settings) -> str:
    """Return the URL of the database, with its password."""
    if isinstance(settings.database_url, SqliteFile):
        return f"sqlite:///{settings.database_url.path}"
    return reveal(settings.database_url.url).decode()


def free_spaces(settings: Settings) -> list[FreeSpace]:
    """Return the free space for the embedded database and for the relay's queue, where they are on this machine."""
    folders: list[tuple[str, Path]] = []
    if isinstance(settings.database_url, SqliteFile):
        folders.append(("database", Path(settings.database_url.path).parent))
    if settings.relay_smarthost is not None:
        folders.append(("relay queue", settings.relay_queue))
    reserve = settings.disk_reserve_mb * MB
    return [
        FreeSpace(use=use, folder=str(folder), octets=octets, reserve=reserve)
        for use, folder in folders
        if (octets := free_octets(folder)) is not None
    ]


def _open_provider(
    settings: Settings, store: Store, now: Callable[[], datetime]
) -> AbstractAsyncContextManager[Provider]:
    """Open the provider; its calls take the slots that all processes on this database share."""
    every = timedelta(seconds=1) / settings.ses_calls_per_second

    async def wait_for_slot(account: str, longest: float) -> float | None:
        at = now()
        slot = await store.take_rate_slot(account, at, every, at + timedelta(seconds=longest))
        return None if slot is None else max(0.0, (slot - at).total_seconds())

    return PROVIDERS[settings.provider](_new_provider_setup(settings, now, wait_for_slot))


def lone_provider(settings: Settings) -> AbstractAsyncContextManager[Provider]:
    """Open the provider without the rate slots that processes share, for the few calls of `letterhead doctor`."""
    return PROVIDERS[settings.provider](_new_provider_setup(settings, _now, no_wait))


def _new_provider_setup(settings: Settings, now: Callable[[], datetime], wait_for_slot: RateSlot) -> ProviderSetup:
    return ProviderSetup(
        clock=now,
        return_path=settings.return_path,
        wait_for_slot=wait_for_slot,
        region=settings.ses_region,
        endpoint=settings.ses_endpoint_url,
        bounce_without_mx=settings.ses_mx_failure is MxFailure.REJECT,
        tenants=settings.ses_tenants,
    )


def mailer(settings: Settings, now: Callable[[], datetime] = _now) -> Mailer | None:
    """Return the client of the mail server that reminders are sent by, or None where none is set."""
    server, sender = settings.smtp_url, settings.mail_sender
    return None if server is None or sender is None else _new_mailer(settings, server, sender, now)


def proof_setup(settings: Settings, now: Callable[[], datetime]) -> ProofSetup | None:
    """Return how proofs are sent, and read where PROOF_IMAP_URL is set; None without PROOF_MAILBOX."""
    server, mailbox = settings.proof_smtp_url or settings.smtp_url, settings.proof_mailbox
    imap = settings.proof_imap_url
    if server is None or mailbox is None:
        return None
    reader = None
    if imap is not None:
        from letterhead.adapters.imap import ImapMailbox  # only for those who use it

        reader = ImapMailbox(imap.host, imap.port, imap.user, imap.password)

    def relay_mailer(user: str, password: Secret) -> Mailer:
        return _new_mailer(settings, replace(server, user=user, password=password), mailbox, now, is_own_relay=True)

    return ProofSetup(
        to=mailbox.address,
        mailer=_new_mailer(settings, server, mailbox, now),
        mailbox=reader,
        relay_mailer=relay_mailer if server.is_own_relay else None,
    )


def _new_mailer(
    settings: Settings,
    server: SmtpServer,
    sender: SenderAddress,
    now: Callable[[], datetime],
    *,
    is_own_relay: bool = False,
) -> Mailer:
    from letterhead.adapters.smtp import MailServer, SmtpMailer  # only for those who use it

    return SmtpMailer(
        MailServer(
            host=server.host,
            port=server.port,
            implicit_tls=server.implicit_tls,
            # Our own relay takes passwords in clear on this machine alone, where it need have no certificate.
            starttls=settings.smtp_starttls is StartTls.REQUIRED and not (is_own_relay and is_loopback(server.host)),
            sender=sender.address,
            sender_name=sender.name,
            user=server.user,
            password=server.password,
        ),
        now,
    )


def publisher(settings: Settings) -> Publisher | None:
    """Return the client that updates the operator's own zone, or None where none is set."""
    zone, server, key = settings.dkim_zone, settings.dkim_zone_server, settings.dkim_zone_tsig
    if zone is None or server is None or key is None:
        return None
    return ZoneUpdates(zone, _address(server), key.name, key.algorithm, key.secret)


def sign_in(settings: Settings, now: Callable[[], datetime] = _now) -> SignIn | None:
    """Return the OpenID Connect client, or None where no provider is set."""
    issuer, client_id, secret = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    if issuer is None or client_id is None or secret is None:
        return None
    from letterhead.adapters.openid import Claims, OpenIdProvider  # only for those who use it

    claims = Claims(account=settings.oidc_account_claim, scope=settings.oidc_scope_claim, unless=settings.oidc_scope)
    return OpenIdProvider(issuer, client_id, secret, claims, now=now)


def resolver(settings: Settings) -> DnsResolver:
    """Return the resolver that asks real DNS."""
    rules = name_rules(settings)
    endpoints = settings.dns_resolvers or system_resolvers()
    addresses = [_address(endpoint) for endpoint in endpoints]
    networks = ANYWHERE if settings.allow_special_use else settings.dns_networks
    return resolver_at(addresses, settings.dns_authoritative_port, rules.any_suffix, networks=networks)


def _address(endpoint: HostPort) -> tuple[str, int]:
    return endpoint.host, endpoint.port


def name_rules(settings: Settings) -> NameRules:
    """Return the rules that domain names are parsed by."""
    return NameRules(
        icann=suffixes(only_icann=True),
        any_suffix=suffixes(),
        allow_special_use=settings.allow_special_use,
        forbidden=frozenset(settings.own_domains),
    )
