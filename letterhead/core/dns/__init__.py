"""DNS records, the answers to a question, and lookups that follow aliases."""
