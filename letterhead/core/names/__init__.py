"""Domain names (RFC 1035, IDNA), e-mail addresses (RFC 5321), IP addresses and mailbox providers."""
