"""The zone itself: delegation, caching, DNSSEC, servers that do not answer, and an outage of our own resolvers."""
