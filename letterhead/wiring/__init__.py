"""The composition root: build the adapters that the settings name. No other package imports adapters.

- `assemble`: the ports that operations use, as one `Deps`.
- `dns`: the resolver and the tables about names; apart, for `letterhead check`.
- `keyring`: the key-encryption keys, the pepper and the installation's name.
- `relay`: the ports of the signing relay, and its TLS certificate.
"""
