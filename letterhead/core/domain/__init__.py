"""A sender domain: what is stored of it, and the rules that change it.

- `domain`: `Domain`, its events, and `Transition`, the result of every rule.
- `lifecycle`: the table of state changes, and the work that the provider is owed.
- `evidence`: what one check has learnt from DNS and from the provider.
- `health`: the observations of one watched thing (DKIM, MAIL FROM) over several checks.
- `claims`: which account holds a name that several have claimed.
- `profile`: what the account keeps of its own about it: a note, labels, a contact.
- `cover_notes`: what the DMARC policy makes of mail that a name above signs.
- `subdomain_cover`: whether mail may be sent from a name, by a claim to it or to a name above it.
- `progress`: which of a domain's records are published, what that allows, and what is left.
- `record_changes`: events for records that changed between two checks.
- `provider_identity`: what a mail provider reports of a domain, and what it is told.
- `provider_findings`: diagnoses at the provider, or from another account's claim.
- `raised_findings`: blocking findings that no state tells of: when they are raised, and when they are cleared.
- `statistics`: states over time, for charts.
"""
