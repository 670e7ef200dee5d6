"""Everything that is known of mail and DNS, as pure functions: no waiting, clock, randomness, logging, network or disk.

Packages import downward, in this order; the standards (`dkim`, `spf`, `dmarc`, `mail_from`, `zone`) do not know each
other.

- `domain_connect`: the template and the signed links by which a DNS host adds the records
- `zone_changes`: what to change in a customer's zone, so that the planned records stand in it
- `imports`: domains and keys of other programs and services, and the plan by which they come here
- `public`: what others see of a domain, in the API and in webhooks
- `check`: the whole of one check, and the other judgements that take all topics together
- `relay`: the rules of the signing relay for a submitted message
- `schedule`: when to check, to retry and to remind
- `rotation`: changes of DKIM keys without a lost message
- `domain`: a sender domain: what is stored of it, and the rules that change it
- `dkim`: key records and signatures (RFC 6376, RFC 8463)
- `spf`: the record of the MAIL FROM domain, its evaluation, and what it costs (RFC 7208)
- `dmarc`: policy records and the tree walk to them (RFC 9989)
- `mail_from`: the MX record of the MAIL FROM domain, to which bounces are sent (RFC 5321 5.1)
- `zone`: registration, delegation, DNSSEC, nameservers and caches (RFC 1034, RFC 2308)
- `findings`: what may be wrong with a record, what is, and how to repair it
- `message`: an Internet message (RFC 5322) and the result of authenticating it (RFC 8601)
- `plan`: the records that a customer must publish, and what DNS says of them
- `dns`: DNS as values: records, the answers to a question, and lookups that follow CNAMEs
- `accounts`: accounts and what they may do
- `names`: domain names, e-mail addresses, IP addresses and mailbox providers
- `languages`: the languages of customers: negotiation, translations, dates and numbers
- `secret`: a wrapper that keeps secret octets out of logs and representations
"""
