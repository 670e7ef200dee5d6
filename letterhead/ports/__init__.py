"""The protocols through which the operations reach the outside world, one file a port, without implementations.

`resolver`, `provider`, `keyring`, `mail`, `outbound`, `sign_in`, `meter`, `relay`, `disk` and `store`; `deps` is all of
them in one value.
"""
