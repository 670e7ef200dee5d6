"""DMARC (RFC 9989): records, the tree walk, and what may be wrong with a policy."""
