"""The adapters behind the ports of `Deps`, built from the settings."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from letterhead import __version__
from letterhead.adapters.disk import free_octets, size_octets
from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.update import ZoneUpdates
from letterhead.adapters.dns_hosts.hosts import OctoDnsHosts
from letterhead.adapters.dns_hosts.hosts import is_installed as writes_at_dns_hosts
from letterhead.adapters.https_fetch import HttpsFetcher
from letterhead.adapters.keyring import forbid_core_dumps
from letterhead.adapters.languages import read_language
from letterhead.adapters.metrics import MeteredProvider, PrometheusMeter
from letterhead.adapters.pinned_connections import Resolve, system_names
from letterhead.adapters.providers import PROVIDERS, READS, ProviderSetup, RateSlot, no_wait
from letterhead.adapters.providers.simulated import SimulatedBehaviour, SimulatedProvider
from letterhead.adapters.recipient import HpkeSealer
from letterhead.adapters.storage import HEAD as SCHEMA
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
from letterhead.ports.alerts import AlertSender
from letterhead.ports.deps import Deps, Machine, OperationSettings, RetentionPeriods
from letterhead.ports.disk import FreeSpace
from letterhead.ports.dns_host import HostedZones
from letterhead.ports.mail import Mailer, ProofSetup
from letterhead.ports.outbound import Outbound
from letterhead.ports.provider import Provider, ProviderNotifications, Publisher
from letterhead.ports.resolver import Resolver
from letterhead.ports.sign_in import SignIn
from letterhead.ports.store import Store
from letterhead.wiring import keyring as wiring_keys
from letterhead.wiring.dns import ANYWHERE, ZoneFileResolver, load_hosts, resolver_at, rules_version, suffixes
from letterhead.wiring.domain_connect import domain_connect_hosts, service_provider
from letterhead.wiring.keyring import kept_by_kms
from letterhead.wiring.telemetry import open_telemetry

__all__ = [
    "SCHEMA",
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
    "writes_at_dns_hosts",
]


MB = 1_000_000
FETCH_SECONDS = 5.0  # for each answer of a Domain Connect API: somebody waits for two of them


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Ports that tests and the demo use in place of the real ones; a field left None is built from the settings."""

    resolver: Resolver | None = None
    provider: Provider | None = None
    outbound: Outbound | None = None
    alerts: AlertSender | None = None
    notices: ProviderNotifications | None = None
    publisher: Publisher | None = None
    proving: ProofSetup | None = None
    hosted_zones: HostedZones | None = None
    now: Callable[[], datetime] = _now


@asynccontextmanager
async def open_deps(settings: Settings, overrides: Overrides | None = None) -> AsyncIterator[Deps]:
    """Open everything that the settings name, and close it at the end.

    Faults: `schema-outdated`, `database-in-use`, `storage-unavailable`, `keyring-wrong`, `config-invalid`,
    `unreachable` (AWS KMS, where it keeps a key).
    """
    overrides = overrides or Overrides()
    now = overrides.now
    egress = EgressPolicy(http=settings.webhooks_allow_http, private=settings.webhooks_allow_private)
    async with AsyncExitStack() as opened:
        names = await opened.enter_async_context(system_names())
        store = await opened.enter_async_context(store_of(settings))
        keyring = await wiring_keys.open_keyring(settings, store)
        pepper = await wiring_keys.pepper(keyring, store)
        meter = new_meter(settings)
        machine = Machine(host=socket.gethostname(), pid=os.getpid(), version=__version__)
        tracer = await opened.enter_async_context(open_telemetry(settings, meter, machine))
        provider = await opened.enter_async_context(
            nullcontext(overrides.provider) if overrides.provider else _open_provider(settings, store, now)
        )
        yield Deps(
            resolver=overrides.resolver or resolver(settings),
            provider=MeteredProvider(provider, meter, tracer),
            store=store,
            mailer=mailer(settings, now),
            outbound=overrides.outbound or WebhookClient(egress, names),
            keyring=keyring,
            new_sealer=HpkeSealer,
            names=name_rules(settings),
            policy=_new_policy(settings, egress, await wiring_keys.installation(store)),
            meter=meter,
            tracer=tracer,
            digest=lambda text: api_keys.digest(text, pepper),
            now=now,
            random_octets=secrets.token_bytes,
            free_spaces=lambda: free_spaces(settings),
            machine=machine,
            sign_in=await opened.enter_async_context(open_sign_in(settings, now)),
            hosts=load_hosts(),
            languages=read_language,
            rules_version=rules_version(),
            notifications=overrides.notices or notices(settings, HttpsFetcher(names), now),
            publisher=overrides.publisher or publisher(settings),
            proofs=overrides.proving or proof_setup(settings, now),
            service_provider=service_provider(settings, provider.return_path),
            domain_connect_hosts=domain_connect_hosts(settings),
            fetcher=HttpsFetcher(names, egress, seconds=FETCH_SECONDS),
            alerts=overrides.alerts or alert_sender(egress, names),
            hosted_zones=overrides.hosted_zones or OctoDnsHosts([_address(each) for each in settings.dns_servers]),
        )


def new_meter(settings: Settings) -> PrometheusMeter:
    """Return the meter of this process, which watches the disks that it writes to."""
    meter = PrometheusMeter()
    meter.watch_disks(lambda: free_spaces(settings))
    return meter


def alert_sender(egress: EgressPolicy, names: Resolve) -> AlertSender | None:
    """Return what sends alerts, or None where Apprise is not installed."""
    from letterhead.adapters.alerts import AppriseSender, is_installed  # only for those who use it

    return AppriseSender(egress, names) if is_installed() else None


def notices(settings: Settings, fetcher: HttpsFetcher, now: Callable[[], datetime]) -> ProviderNotifications | None:
    """Return what reads the provider's notices; None where none are expected."""
    if not settings.ses_notice_topics:
        return None
    from letterhead.adapters.sns import SnsNotices  # only for those who use it

    return SnsNotices(settings.ses_notice_topics, fetcher, now)


def _new_policy(settings: Settings, egress: EgressPolicy, installation: str) -> OperationSettings:
    return OperationSettings(
        expose_private_dkim=settings.expose_private_dkim is Exposure.FULL,
        mail_from_label=settings.mail_from_label,
        installation=installation,
        public_url=settings.public_url,
        operator_group=settings.oidc_operator_group,
        brand_name=settings.brand_name,
        unproven_below=settings.unproven_below,
        covers_subdomains=settings.covers_subdomains,
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


def store_of(settings: Settings) -> AbstractAsyncContextManager[Store]:
    """Open the store that the settings name; the embedded one is made, or brought up to date."""
    replica = settings.database_read_url
    return open_store(
        database_url(settings),
        migrate_first=isinstance(settings.database_url, SqliteFile),
        prepared=settings.database_prepared,
        read_url=None if replica is None else reveal(replica.url).decode(),
    )


def database_url(settings: Settings) -> str:
    """Return the URL of the database, with its password."""
    if isinstance(settings.database_url, SqliteFile):
        return f"sqlite:///{settings.database_url.path}"
    return reveal(settings.database_url.url).decode()


def queue_reserve(settings: Settings) -> int:
    """Return the octets that the relay leaves free on the disk of its queue: a tenth of it, at most 1 GB.

    More where DISK_RESERVE_MB is more: the database may lie on the same disk, and must go on.
    """
    return max(min(size_octets(settings.relay_queue) // 10, 1000 * MB), settings.disk_reserve_mb * MB)


def free_spaces(settings: Settings) -> list[FreeSpace]:
    """Return the free space for the embedded database and for the relay's queue, where they are on this machine."""
    folders: list[tuple[str, Path, int]] = []
    if isinstance(settings.database_url, SqliteFile):
        folders.append(("database", Path(settings.database_url.path).parent, settings.disk_reserve_mb * MB))
    if settings.relay_smarthost is not None:
        folders.append(("relay queue", settings.relay_queue, queue_reserve(settings)))
    return [
        FreeSpace(use=use, folder=str(folder), octets=octets, reserve=reserve)
        for use, folder, reserve in folders
        if (octets := free_octets(folder)) is not None
    ]


def _open_provider(
    settings: Settings, store: Store, now: Callable[[], datetime]
) -> AbstractAsyncContextManager[Provider]:
    """Open the provider; its calls take the slots that all processes on this database share."""
    every = timedelta(seconds=1) / settings.ses_calls_per_second

    async def wait_for_slot(account: str, longest: float) -> float | None:
        at, spacing = now(), every * 4 / 3 if account.endswith(READS) else every
        slot = await store.take_rate_slot(account, at, spacing, at + timedelta(seconds=longest))
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


@asynccontextmanager
async def open_sign_in(settings: Settings, now: Callable[[], datetime]) -> AsyncIterator[SignIn | None]:
    """Open the OpenID Connect client, or None where no provider is set."""
    issuer, client_id, secret = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    if issuer is None or client_id is None or secret is None:
        yield None
        return
    from letterhead.adapters.openid import Claims, OpenIdProvider  # only for those who use it

    claims = Claims(
        scopes=settings.oidc_scopes,
        account=settings.oidc_account_claim,
        scope=settings.oidc_scope_claim,
        unless=settings.oidc_scope,
        groups=settings.oidc_groups_claim,
        email_domain=settings.oidc_domain_claim,
    )
    async with aclosing(OpenIdProvider(issuer, client_id, secret, claims, now=now)) as provider:
        yield provider


def resolver(settings: Settings) -> DnsResolver:
    """Return the resolver that asks real DNS."""
    rules = name_rules(settings)
    endpoints = settings.dns_resolvers or system_resolvers()
    addresses = [_address(endpoint) for endpoint in endpoints]
    networks = ANYWHERE if settings.allow_special_use else settings.dns_networks
    return resolver_at(
        addresses,
        settings.dns_authoritative_port,
        rules.any_suffix,
        networks=networks,
        packets_per_second=settings.dns_packets_per_second,
    )


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
