"""Every endpoint of the API, by subject; routes, the OpenAPI document and the tests are made from this list.

`domains`, `setup_links`, `rotations`, `proofs`, `events`, `webhooks`, `keys`, `accounts`, `identities`, `reminders`,
`secrets`, `notices` and `service`.
"""

from letterhead.web.endpoint import Endpoint
from letterhead.web.routes import (
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
    *identities.ENDPOINTS,
    *reminders.ENDPOINTS,
    *secrets.ENDPOINTS,
    *notices.ENDPOINTS,
    *service.ENDPOINTS,
)
