"""All endpoints of the API, by subject; routing, the OpenAPI document and the tests use this list.

- `accepted_findings`: the findings that an account accepts at one of its domains
- `account_domains`: the domains of all accounts, for the operator to read
- `accounts`: the operator's accounts, the caller's own account, and the audit
- `alerts`: the chats and on-call services that alerts go to
- `bulk`: many domains in one request
- `checks`: checks of one domain on request
- `dns_credentials`: the credentials of DNS hosts that an account keeps
- `dns_plans`: what is written in a domain's zone at its DNS host
- `domain_settings`: what an account sets of a domain
- `domains`: sender domains
- `domain_connect`: links by which a DNS host adds the records, the template, the keys
- `events`: events of a domain and of an account
- `identities`: the mail provider's identities
- `keys`: API keys
- `members`: the people of an account, and the rules by which others sign in
- `notices`: notifications of the mail provider
- `proofs`: how a receiver authenticates a message of a domain
- `records`: the records to publish, as files for DNS tools
- `reminders`: the page that ends reminders
- `rotations`: the rotation of a domain's DKIM key
- `secrets`: the encryption of stored secrets with a new key
- `service`: health, metrics and the description of the API
- `setup_links`: links to a domain's set-up page
- `subdomain_covers`: who may send from a name below a domain
- `webhooks`: webhooks and their deliveries
"""

from letterhead.web.endpoint import Endpoint
from letterhead.web.routes import (
    accepted_findings,
    account_domains,
    accounts,
    alerts,
    bulk,
    checks,
    dns_credentials,
    dns_plans,
    domain_connect,
    domain_settings,
    domains,
    events,
    identities,
    keys,
    members,
    notices,
    proofs,
    records,
    reminders,
    rotations,
    secrets,
    service,
    setup_links,
    subdomain_covers,
    webhooks,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *domains.ENDPOINTS,
    *domain_settings.ENDPOINTS,
    *checks.ENDPOINTS,
    *subdomain_covers.ENDPOINTS,
    *bulk.ENDPOINTS,
    *setup_links.ENDPOINTS,
    *domain_connect.ENDPOINTS,
    *records.ENDPOINTS,
    *rotations.ENDPOINTS,
    *accepted_findings.ENDPOINTS,
    *dns_plans.ENDPOINTS,
    *dns_credentials.ENDPOINTS,
    *proofs.ENDPOINTS,
    *events.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *alerts.ENDPOINTS,
    *keys.ENDPOINTS,
    *accounts.ENDPOINTS,
    *members.ENDPOINTS,
    *account_domains.ENDPOINTS,
    *identities.ENDPOINTS,
    *reminders.ENDPOINTS,
    *secrets.ENDPOINTS,
    *notices.ENDPOINTS,
    *service.ENDPOINTS,
)
