"""Every page, by subject. Pages call the operations that the API calls, and are no part of its document."""

from letterhead.web.endpoint import Endpoint
from letterhead.web.pages import account, assets, domain, openid, operator, overview, proofs, setup, signing, webhooks

PAGES: tuple[Endpoint, ...] = (
    *setup.PAGES,
    *signing.PAGES,
    *openid.PAGES,
    *overview.PAGES,
    *domain.PAGES,
    *proofs.PAGES,
    *webhooks.PAGES,
    *account.PAGES,
    *operator.PAGES,
    *assets.PAGES,
)
