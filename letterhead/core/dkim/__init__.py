"""DKIM (RFC 6376, RFC 8463): key records, signatures, verification, and what may be wrong with a planned key."""
