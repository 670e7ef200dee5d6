"""All pages, by subject. Pages call the operations that the API calls, and are no part of its document.

- `accepted_findings`: what a domain's account accepts
- `account`: an account's API keys, its usage, and its reminders
- `account_closure`: the page that closes an account, for the operator
- `account_domains`: the domains of all accounts, for the operator
- `alerts`: an account's chats and on-call services
- `apply`: the way from the set-up page to the DNS host that adds the records, and back
- `assets`: the stylesheet, the script and the logo
- `cards`: a domain's records as the pages of the domain and of the set-up link show them
- `confirmation`: what is asked before something ends
- `dns_plans`: what is written in a domain's zone at its DNS host
- `domain`: one domain and its forms
- `invitations`: the page of an invitation to an account
- `languages`: the language of a set-up page, and the switch to another
- `members`: the people of an account, and the rules by which others sign in
- `openid`: sign-in by OpenID Connect
- `operator`: the operator's accounts, the state of the service, and the audit
- `overview`: the list of an account's domains
- `pictures`: charts in SVG
- `proofs`: how a receiver authenticates one message of a domain
- `renderer`: sessions, forms and faults, as pages need them
- `responses`: what the pages respond with: templates, redirects, faults and cookies
- `setup`: the page of a set-up link
- `signing`: the forms to sign in and out
- `stream`: server-sent events of one domain
- `webhooks`: an account's webhooks and their deliveries
"""

from letterhead.web.endpoint import Endpoint
from letterhead.web.pages import (
    accepted_findings,
    account,
    account_closure,
    account_domains,
    alerts,
    apply,
    assets,
    dns_plans,
    domain,
    invitations,
    members,
    openid,
    operator,
    overview,
    proofs,
    setup,
    signing,
    webhooks,
)

PAGES: tuple[Endpoint, ...] = (
    *setup.PAGES,
    *apply.PAGES,
    *signing.PAGES,
    *openid.PAGES,
    *invitations.PAGES,
    *overview.PAGES,
    *domain.PAGES,
    *accepted_findings.PAGES,
    *dns_plans.PAGES,
    *proofs.PAGES,
    *webhooks.PAGES,
    *account.PAGES,
    *members.PAGES,
    *alerts.PAGES,
    *operator.PAGES,
    *account_domains.PAGES,
    *account_closure.PAGES,
    *assets.PAGES,
)
