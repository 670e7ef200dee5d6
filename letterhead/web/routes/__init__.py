"""All endpoints of the API, by subject; routing, the OpenAPI document and the tests use this list.

- `account_domains`: the domains of all accounts, for the operator to read
- `accounts`: the operator's accounts, the caller's own account, and the audit
- `domains`: sender domains and their checks
- `events`: events of a domain and of an account
- `identities`: the mail provider's identities
- `keys`: API keys
- `notices`: notifications of the mail provider
- `proofs`: how a receiver authenticates a message of a domain
- `reminders`: the page that ends reminders
- `rotations`: the rotation of a domain's DKIM key
- `secrets`: the encryption of stored secrets with a new key
- `service`: health, metrics and the description of the API
- `setup_links`: links to a domain's set-up page
- `webhooks`: webhooks and their deliveries
"""

from letterhead.web.endpoint import Endpoint
from letterhead.web.routes import (
    account_domains,
    accounts,
    domains,
    events,
    identities,
    keys,
    notices,
    proofs,
    reminders,
    rotations,
    secrets,
    service,
    setup_links,
    webhooks,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *domains.ENDPOINTS,
    *setup_links.ENDPOINTS,
    *rotations.ENDPOINTS,
    *proofs.ENDPOINTS,
    *events.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *keys.ENDPOINTS,
    *accounts.ENDPOINTS,
    *account_domains.ENDPOINTS,
    *identities.ENDPOINTS,
    *reminders.ENDPOINTS,
    *secrets.ENDPOINTS,
    *notices.ENDPOINTS,
    *service.ENDPOINTS,
)
