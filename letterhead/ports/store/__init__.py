"""Storage, as narrow protocols: an operation names those that it needs.

`accounts`, `account_imports`, `alerts`, `domains`, `bound_domains`, `profiles`, `dns_credentials`, `dns_plans`,
`leases`, `members`, `reminders`, `webhooks`, `sessions`, `monitoring`, `secrets`, `retention`, `subdomain_covers`; and
`tables`, all rows as they are stored.
"""

from typing import Protocol

from letterhead.ports.store.account_imports import AccountImportStore
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.alerts import AlertStore
from letterhead.ports.store.bound_domains import BoundDomainStore
from letterhead.ports.store.dns_credentials import DnsCredentialStore
from letterhead.ports.store.dns_plans import DnsPlanStore
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore
from letterhead.ports.store.members import MemberStore
from letterhead.ports.store.monitoring import MonitoringStore
from letterhead.ports.store.profiles import ProfileStore
from letterhead.ports.store.reminders import ReminderStore
from letterhead.ports.store.retention import RetentionStore
from letterhead.ports.store.secrets import SecretStore
from letterhead.ports.store.sessions import SessionStore
from letterhead.ports.store.webhooks import WebhookStore


class Store(
    AccountImportStore,
    AccountStore,
    AlertStore,
    DomainStore,
    BoundDomainStore,
    ProfileStore,
    DnsCredentialStore,
    DnsPlanStore,
    LeaseStore,
    MemberStore,
    ReminderStore,
    WebhookStore,
    SessionStore,
    MonitoringStore,
    SecretStore,
    RetentionStore,
    Protocol,
):
    """All of storage. Each method is one transaction, and raises Fault `storage-unavailable` where storage fails."""
