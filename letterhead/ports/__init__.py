"""The protocols through which the operations reach the outside world, one file a port, without implementations.

`resolver`, `provider`, `keyring`, `mail`, `alerts`, `outbound`, `sign_in`, `meter`, `tracing`, `relay`, `disk`,
`dns_host`, `backup`, `recipient` and `store`; `deps` is all of them in one value.
"""
