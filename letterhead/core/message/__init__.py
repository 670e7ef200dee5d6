"""An Internet message (RFC 5322) and the result of authenticating it (RFC 8601)."""
