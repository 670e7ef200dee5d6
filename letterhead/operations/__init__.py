"""What a person or a clock can want, one async function each: ask the core what follows, and do it through the ports.

Each module declares at its top which parts of `Deps` it needs, as a protocol.

- people: `accounts`, `account_address`, `sessions`, `sign_in_throttle`, `request_usage`, `audit`
- domains: `domains`, `sender_names`, `domain_keys`, `key_pool`, `rotations`, `setup_links`, `events`, `overview`
- checks: `checks`, `check_log`, `claims`, `dns_questions`, `preflight`, `one_off_checks`, `proofs`
- the provider and our own zone: `provider_work`, `provider_notifications`, `key_zone`, `reconcile`
- what goes out: `webhooks`, `deliveries`, `reminders`, `relay`
- running the service: `leases`, `health`, `heartbeats`, `self_monitoring`, `retention`, `rewrap`
- shared by these, and by the listeners: `ids`, `mail_limits`, `token_buckets`, `connection_limits`
"""
