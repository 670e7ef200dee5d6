"""The composition root: build the adapters that the settings name. No other package imports adapters.

- `assemble`: the ports that operations use, as one `Deps`.
- `backups`: databases and files that backups are read from and written to.
- `dns`: the resolver and the tables about names; apart, for `letterhead check`.
- `domain_connect`: the operator as a Domain Connect service provider, and the DNS hosts that are asked.
- `keyring`: the key-encryption keys, the pepper and the installation's name.
- `relay`: the ports of the signing relay, and its TLS certificate.
- `telemetry`: the tracer, and what sends metrics to a collector.
"""
