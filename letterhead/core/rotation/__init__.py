"""Changes of DKIM keys without a lost message.

- `rotation`: the table of steps by which one key follows another.
- `propagation`: which servers have a new key, and whether an old one is still there.
- `delegated_keys`: keys that the operator's own zone serves, at two CNAMEs of the customer.
- `second_key`: the Ed25519 key that signs in addition to the RSA key.
"""
