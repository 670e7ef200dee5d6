"""The rules of mail and DNS, as pure functions: no waiting, clock, randomness, logging, network or disk."""
