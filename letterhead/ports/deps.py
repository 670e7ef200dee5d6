"""All ports and settings that the operations may need, in one value that the composition root fills."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from letterhead.core.names.domain_names import NameRules
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.public.webhooks import EgressPolicy
from letterhead.ports.keyring import Keyring
from letterhead.ports.mail import Mailer, ProofSetup
from letterhead.ports.meter import Meter
from letterhead.ports.outbound import Outbound
from letterhead.ports.provider import Provider, ProviderNotifications, Publisher
from letterhead.ports.resolver import Resolver
from letterhead.ports.sign_in import SignIn
from letterhead.ports.store import Store


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
    public_url: str  # of links, without a final slash
    check_seconds: float  # the deadline of all questions of one check together
    egress: EgressPolicy  # which addresses webhooks may reach
    retention: RetentionPeriods
    ed25519: bool = False  # whether domains get a second key, of Ed25519
    rotate_after: timedelta | None = None  # the age at which a DKIM key is replaced; None where nobody asked for that


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """The ports and settings that operations need; made by wiring alone."""

    resolver: Resolver
    provider: Provider
    store: Store
    mailer: Mailer | None  # None where no mail server is set
    outbound: Outbound
    keyring: Keyring
    names: NameRules
    policy: OperationSettings
    meter: Meter
    digest: Callable[[str], bytes]  # of an API key's text, with the installation's pepper
    now: Callable[[], datetime]
    random_octets: Callable[[int], bytes]  # that many octets that nobody can guess
    sign_in: SignIn | None = None  # None where no OpenID Connect provider is set
    hosts: tuple[DnsHost, ...] = ()  # the DNS hosts whose web forms we know
    rules_version: str = ""  # of the rules and of that table
    notifications: ProviderNotifications | None = None  # None where none are expected
    publisher: Publisher | None = None  # None where the operator has no zone for keys
    proofs: ProofSetup | None = None  # None where no mailbox for proofs is set
