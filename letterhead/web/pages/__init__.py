"""Every page, by subject; pages call the operations that the API calls, and are no part of its document.

`setup` is for who publishes records; `signing` and `openid` sign in; `overview`, `domain`, `proofs`, `webhooks` and
`account` are an account's, `operator` is the operator's; `assets` are the files that pages load. `renderer` knows
people by their sessions and shows faults; `responses`, `cards`, `pictures` and `stream` are what pages are made of.
"""

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
