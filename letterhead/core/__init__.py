"""The rules of mail and DNS, as pure functions: no waiting, clock, randomness, logging, network or disk.

A package imports only from those above it in this list; the standards know nothing of each other.

- `names`: domain names, e-mail addresses, IP addresses.
- `secret`: octets that nothing prints.
- `accounts`: accounts, API keys, quotas, links to the set-up page.
- `dns`: records, answers, lookups that follow CNAMEs.
- `plan`: the records to publish, and the verdict on each.
- `message`: an Internet message and its authentication results.
- `findings`: diagnoses and findings that all standards share.
- `dkim`, `spf`, `dmarc`, `mail_from`, `zone`: one package a standard, each with its topic of a check.
- `domain`: a sender domain and its life cycle.
- `rotation`: changes of DKIM keys.
- `schedule`: when to check, to retry, to remind.
- `relay`: submitted messages and their queue.
- `check`: the whole of one check, over all standards.
- `public`: domains as the API and webhooks show them.
"""
