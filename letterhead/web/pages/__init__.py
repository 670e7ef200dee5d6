"""Lists every page, by subject. Pages call the operations that the API calls, and are no part of its document."""

from letterhead.web.pages import account, assets, domain, openid, operator, overview, proofs, setup, signing, webhooks
from letterhead.web.pages.view import View

VIEWS: tuple[View, ...] = (
    *setup.VIEWS,
    *signing.VIEWS,
    *openid.VIEWS,
    *overview.VIEWS,
    *domain.VIEWS,
    *proofs.VIEWS,
    *webhooks.VIEWS,
    *account.VIEWS,
    *operator.VIEWS,
    *assets.VIEWS,
)
