"""Implementations of the ports, each for one thing outside; wiring alone names them.

DNS: `dns`, and `dns_hosts` where zones are written. Storage: `storage`, and `backup_file` for backups. Mail providers:
`providers` and the `provider_setup` that each is made of, `sns` for notifications of Amazon SES, `aws` for sessions of
Amazon's client.

Mail: `smtp` and `imap` for the service's own, `smart_host`, `mail_queue`, `dkim_signer` and `certificate` for the
relay; `smtp_client` is what both SMTP clients share. Keys: `keyring` with its setting (`keyring_settings`), `kms`,
`recipient` for accounts that move, and `pem` for customers' own keys.

Languages of customers: `languages`.

HTTP: `webhooks`, `alerts`, `https_fetch` and `openid`, the first three over `pinned_connections`. Figures: `metrics`,
`disk`; `opentelemetry` sends them, and traces, to a collector.
"""
