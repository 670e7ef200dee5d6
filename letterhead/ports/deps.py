"""Every port and setting that an operation may need, in one value that the composition root fills.

Each module of operations declares the parts that it needs as a protocol; `Deps` satisfies all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from letterhead.core.check.check_memory import CheckMemory
from letterhead.core.domain_connect.host_settings import DomainConnectHost
from letterhead.core.domain_connect.template import ServiceProvider
from letterhead.core.languages.language import LanguageReader, english_only
from letterhead.core.names.domain_names import NameRules
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.public.webhooks import EgressPolicy
from letterhead.ports.alerts import AlertSender
from letterhead.ports.disk import FreeSpaces
from letterhead.ports.dns_host import HostedZones
from letterhead.ports.keyring import Keyring
from letterhead.ports.mail import Mailer, ProofSetup
from letterhead.ports.meter import Meter
from letterhead.ports.outbound import Fetcher, Outbound
from letterhead.ports.provider import Provider, ProviderNotifications, Publisher
from letterhead.ports.recipient import NewSealer
from letterhead.ports.resolver import Resolver
from letterhead.ports.sign_in import SignIn
from letterhead.ports.store import Store
from letterhead.ports.tracing import Tracer

Clock = Callable[[], datetime]  # the time now, in UTC
RandomOctets = Callable[[int], bytes]  # that many octets, which nobody can guess
Digest = Callable[[str], bytes]  # a keyed digest: HMAC with the installation's pepper


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where this process runs, and the version of its code."""

    host: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPeriods:
    """How long history is kept."""

    events: timedelta
    snapshots: timedelta
    deliveries: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSettings:
    """The settings that operations follow."""

    expose_private_dkim: bool
    mail_from_label: str
    installation: str  # the first part of the owner tag
    public_url: str  # what links begin with, without a final slash
    check_seconds: float  # time limit for all questions of one check together
    egress: EgressPolicy  # which addresses webhooks may reach
    retention: RetentionPeriods
    operator_group: str | None = None  # at the OpenID provider: its people sign in as the operator
    brand_name: str = ""  # the operator's name, in pages and mails
    unproven_below: int = 20  # names without proof below one registrable domain
    covers_subdomains: bool = False  # whether new domains cover the names below them
    ed25519: bool = False  # whether domains get a second key, Ed25519
    rotate_after: timedelta | None = None  # the age at which a DKIM key is replaced; None: never


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """All that operations need; only the composition root makes one."""

    resolver: Resolver
    provider: Provider
    store: Store
    mailer: Mailer | None  # None where no mail server is set
    outbound: Outbound
    keyring: Keyring
    new_sealer: NewSealer  # for the archives of accounts
    names: NameRules
    policy: OperationSettings
    meter: Meter
    tracer: Tracer
    digest: Digest
    now: Clock
    random_octets: RandomOctets
    machine: Machine
    free_spaces: FreeSpaces
    sign_in: SignIn | None = None  # None where no OpenID Connect provider is set
    hosts: tuple[DnsHost, ...] = ()  # the DNS hosts whose web forms are known
    languages: LanguageReader = english_only  # the languages of customers, by their codes
    rules_version: str = ""  # the version of the rules and of `hosts`
    notifications: ProviderNotifications | None = None  # None where none are expected
    publisher: Publisher | None = None  # None where the operator has no zone for keys
    proofs: ProofSetup | None = None  # None where no mailbox for proofs is set
    service_provider: ServiceProvider | None = None  # None where the operator has no Domain Connect template
    domain_connect_hosts: tuple[DomainConnectHost, ...] = ()  # the DNS hosts whose API is asked
    fetcher: Fetcher | None = None  # None where nothing is fetched
    alerts: AlertSender | None = None  # None where the extra `alerts` is not installed
    hosted_zones: HostedZones | None = None  # None where no zone is ever written at a DNS host
    check_memory: CheckMemory = field(default_factory=CheckMemory)
