"""Domain names (RFC 1035, IDNA), e-mail addresses (RFC 5321), IP addresses and mailbox providers.

- `domain_names`: `DomainName`, and the parsers of a domain, a selector and a MAIL FROM name, each with its refusals.
- `lookup_names`: names and selectors that are only looked at, of which DNS takes more.
- `host_names`: regular expressions of host names and of names to ask for.
- `email_addresses`: one mailbox, read from a header field or an envelope.
- `ip_addresses`: the table of addresses that are not public.
- `mailbox_providers`: the domains of mailbox providers, which nobody else may claim.
"""
