"""Knows which adapters stand behind the ports, and puts them together from the settings; alone names adapters."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.adapters.dns.update import ZoneUpdates
from letterhead.adapters.https_fetch import HttpsFetcher
from letterhead.adapters.keyring import forbid_core_dumps
from letterhead.adapters.metrics import MeteredProvider, PrometheusMeter
from letterhead.adapters.pinned_connections import Resolve, system_names
from letterhead.adapters.providers import PROVIDERS, ProviderSetup, RateSlot, no_wait
from letterhead.adapters.providers.simulated import SimulatedBehaviour, SimulatedProvider
from letterhead.adapters.storage import SchemaState, migrate, open_store, schema_state
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
    system_resolvers,
)
from letterhead.core.accounts import api_keys
from letterhead.core.names.domain_names import NameRules
from letterhead.core.public.webhooks import EgressPolicy
from letterhead.core.secret import reveal
from letterhead.ports.deps import Deps, OperationSettings, RetentionPeriods
from letterhead.ports.mail import Mailer, ProofSetup
from letterhead.ports.outbound import Outbound
from letterhead.ports.provider import Provider, ProviderNotifications, Publisher
from letterhead.ports.resolver import Resolver
from letterhead.ports.sign_in import SignIn
from letterhead.ports.store import Store
from letterhead.wiring import keyring as wiring_keys
from letterhead.wiring.dns import ZoneFileResolver, load_hosts, resolver_at, rules_version, suffixes
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
    "schema_state",
]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Holds what may stand in for the outside world: zone text for DNS, a scripted provider, a clock, endpoints."""

    resolver: Resolver | None = None
    provider: Provider | None = None
    outbound: Outbound | None = None
    notices: ProviderNotifications | None = None
    publisher: Publisher | None = None
    proving: ProofSetup | None = None
    now: Callable[[], datetime] = _now


@asynccontextmanager
async def open_deps(settings: Settings, stand: Overrides | None = None) -> AsyncIterator[Deps]:
    """Opens everything that the settings name and closes it again.

    Faults: `schema-outdated`, `database-in-use`, `storage-unavailable`, `keyring-wrong`, `config-invalid`,
    `unreachable` (AWS KMS, where it keeps a key).
    """
    stand = stand or Overrides()
    embedded = isinstance(settings.database_url, SqliteFile)
    reach = EgressPolicy(http=settings.webhooks_allow_http, private=settings.webhooks_allow_private)
    async with AsyncExitStack() as opened:
        names = await opened.enter_async_context(system_names())
        store = await opened.enter_async_context(open_store(database_url(settings), migrate_first=embedded))
        keyring = await wiring_keys.open_keyring(settings, store)
        pepper = await wiring_keys.pepper(keyring, store)
        meter = PrometheusMeter()
        made = nullcontext(stand.provider) if stand.provider else _provider(settings, store, stand.now)
        provider = await opened.enter_async_context(made)
        yield Deps(
            resolver=stand.resolver or resolver(settings),
            provider=MeteredProvider(provider, meter),
            store=store,
            mailer=mailer(settings, stand.now),
            outbound=stand.outbound or WebhookClient(reach, names),
            keyring=keyring,
            names=name_rules(settings),
            policy=_policy(settings, reach, await wiring_keys.installation(store)),
            meter=meter,
            digest=lambda text: api_keys.digest(text, pepper),
            now=stand.now,
            random_octets=secrets.token_bytes,
            sign_in=sign_in(settings, stand.now),
            hosts=load_hosts(),
            rules_version=rules_version(),
            notifications=stand.notices or _notices(settings, names, stand.now),
            publisher=stand.publisher or publisher(settings),
            proofs=stand.proving or _proving(settings, stand.now),
        )


def _policy(settings: Settings, reach: EgressPolicy, installation: str) -> OperationSettings:
    """Gathers what the operator has decided."""
    return OperationSettings(
        expose_private_dkim=settings.expose_private_dkim is Exposure.FULL,
        mail_from_label=settings.mail_from_label,
        installation=installation,
        public_url=settings.public_url,
        ed25519=settings.ed25519,
        rotate_after=timedelta(days=settings.rotate_dkim_days) or None,
        check_seconds=settings.check_timeout_seconds,
        egress=reach,
        retention=RetentionPeriods(
            events=timedelta(days=settings.keep_events_days),
            snapshots=timedelta(days=settings.keep_snapshots_days),
            deliveries=timedelta(days=settings.keep_deliveries_days),
        ),
    )


def database_url(settings: Settings) -> str:
    """Gives the database's address with its password, for whoever opens it."""
    if isinstance(settings.database_url, SqliteFile):
        return f"sqlite:///{settings.database_url.path}"
    return reveal(settings.database_url.url).decode()


def _provider(settings: Settings, store: Store, now: Callable[[], datetime]) -> AbstractAsyncContextManager[Provider]:
    every = timedelta(seconds=1) / settings.ses_calls_per_second

    async def turn(account: str, patience: float) -> float | None:
        at = now()
        taken = await store.take_rate_slot(account, at, every, at + timedelta(seconds=patience))
        return None if taken is None else max(0.0, (taken - at).total_seconds())

    return PROVIDERS[settings.provider](_setup(settings, now, turn))


def _notices(settings: Settings, names: Resolve, now: Callable[[], datetime]) -> ProviderNotifications | None:
    topics = settings.ses_notice_topics
    if not topics:
        return None
    from letterhead.adapters.sns import SnsNotices  # loaded by those alone who use it

    return SnsNotices(topics, HttpsFetcher(names), now)


def lone_provider(settings: Settings) -> AbstractAsyncContextManager[Provider]:
    """Makes the provider without the turns that processes share, for a short look from outside them."""
    return PROVIDERS[settings.provider](_setup(settings, _now, no_wait))


def _setup(settings: Settings, now: Callable[[], datetime], turn: RateSlot) -> ProviderSetup:
    return ProviderSetup(
        clock=now,
        return_path=settings.return_path,
        wait_for_slot=turn,
        region=settings.ses_region,
        endpoint=settings.ses_endpoint_url,
        bounce_without_mx=settings.ses_mx_failure is MxFailure.REJECT,
        tenants=settings.ses_tenants,
    )


def mailer(settings: Settings, now: Callable[[], datetime] = _now) -> Mailer | None:
    """Makes what hands mail over, where a mail server is set."""
    server, sender = settings.smtp_url, settings.mail_sender
    return None if server is None or sender is None else _smtp(settings, server, sender, now)


def _proving(settings: Settings, now: Callable[[], datetime]) -> ProofSetup | None:
    """Makes what sends proofs, and reads them where it is said how."""
    server, mailbox = settings.proof_smtp_url or settings.smtp_url, settings.proof_mailbox
    imap = settings.proof_imap_url
    if server is None or mailbox is None:
        return None
    reader = None
    if imap is not None:
        from letterhead.adapters.imap import ImapMailbox  # loaded by those alone who use it

        reader = ImapMailbox(imap.host, imap.port, imap.user, imap.password)
    return ProofSetup(to=mailbox.address, mailer=_smtp(settings, server, mailbox, now), mailbox=reader)


def _smtp(settings: Settings, server: SmtpServer, sender: SenderAddress, now: Callable[[], datetime]) -> Mailer:
    from letterhead.adapters.smtp import MailServer, SmtpMailer  # loaded by those alone who use it

    return SmtpMailer(
        MailServer(
            host=server.host,
            port=server.port,
            implicit_tls=server.implicit_tls,
            starttls=settings.smtp_starttls is StartTls.REQUIRED,
            sender=sender.address,
            sender_name=sender.name,
            user=server.user,
            password=server.password,
        ),
        now,
    )


def publisher(settings: Settings) -> Publisher | None:
    """Makes what writes the operator's own zone, where one is set."""
    zone, server, key = settings.dkim_zone, settings.dkim_zone_server, settings.dkim_zone_tsig
    if zone is None or server is None or key is None:
        return None
    return ZoneUpdates(zone, _address(server), key.name, key.algorithm, key.secret)


def sign_in(settings: Settings, now: Callable[[], datetime] = _now) -> SignIn | None:
    """Makes what signs people in by OpenID Connect, where a provider is set."""
    issuer, client_id, secret = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    if issuer is None or client_id is None or secret is None:
        return None
    from letterhead.adapters.openid import Claims, OpenIdProvider  # loaded by those alone who use it

    claims = Claims(account=settings.oidc_account_claim, scope=settings.oidc_scope_claim, unless=settings.oidc_scope)
    return OpenIdProvider(issuer, client_id, secret, claims, now=now)


def resolver(settings: Settings) -> DnsResolver:
    """Makes the resolver that asks real DNS."""
    rules = name_rules(settings)
    endpoints = settings.dns_resolvers or system_resolvers()
    addresses = [_address(endpoint) for endpoint in endpoints]
    return resolver_at(
        addresses, settings.dns_authoritative_port, rules.any_suffix, private_servers=settings.allow_special_use
    )


def _address(endpoint: HostPort) -> tuple[str, int]:
    return endpoint.host, endpoint.port


def name_rules(settings: Settings) -> NameRules:
    """Gives the rules that names are parsed by."""
    return NameRules(
        icann=suffixes(only_icann=True),
        any_suffix=suffixes(),
        allow_special_use=settings.allow_special_use,
        forbidden=frozenset(settings.own_domains),
    )
