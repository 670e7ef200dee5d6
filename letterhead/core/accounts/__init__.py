"""Accounts and what they may do.

- `accounts`: `Account`, `ApiKey`, `Caller`, `Session` and `Scope`.
- `alert_channels`: a chat or an on-call service that an account hears of its domains by, without its address.
- `api_keys`: the text of an API key and its digest.
- `key_bounds`: the sender domains and the networks that an API key is held to.
- `dns_credentials`: a kept credential of a DNS host, without its values.
- `members`: the people of an account, invitations, and rules by which others sign in.
- `openid_claims`: claims of an OpenID Connect provider about a person.
- `quotas`: how many domains and requests an account may have.
- `setup_links`: links to the set-up page of one domain.
"""
