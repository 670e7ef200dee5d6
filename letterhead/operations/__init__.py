"""What a person or a clock can want, one async function each: ask the core what follows, and do it through the ports.

Each module declares at its top which parts of `Deps` it needs, as a protocol.

- people: `accounts`, `key_requests`, `bound_keys`, `account_closure`, `account_archive`, `account_export`,
  `confirmed_addresses`, `sessions`, `openid_sign_in`, `members`, `sign_in_rules`, `sign_in_throttle`,
  `request_usage`, `audit`
- domains: `domains`, `domain_settings`, `accepted_findings`, `sender_names`, `domain_keys`, `private_keys`,
  `key_pool`, `rotations`, `setup_links`, `apply_links`, `apply_returns`, `domain_connect_keys`, `events`, `overview`,
  `record_exports`, `bulk`, `imports`, `subdomain_covers`,
  `translated_findings`
- checks: `checks`, `check_log`, `claims`, `dns_questions`, `on_demand_checks`, `preflight`, `one_off_checks`,
  `proofs`
- zones at DNS hosts: `dns_plans`, `hosted_zones`, `dns_credentials`, `record_upkeep`
- the provider and our own zone: `provider_work`, `provider_notifications`, `key_zone`, `reconcile`
- what goes out: `webhooks`, `deliveries`, `reminders`, `opt_outs`, `alerts`, `relay`
- running the service: `leases`, `health`, `heartbeats`, `self_monitoring`, `account_work`, `retention`,
  `rewrap`, `backups`, `sealed_rows`
- shared by these, and by the listeners: `ids`, `mail_limits`, `daily_limits`, `token_buckets`, `connection_limits`,
  `account_places`, `recent_results`
"""
