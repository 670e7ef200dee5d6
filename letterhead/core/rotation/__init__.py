"""The change of DKIM keys: propagation, delegated keys, the second key."""
